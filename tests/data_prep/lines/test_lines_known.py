"""Shards and .npy of a known survey: untouched if they are the network's own, else brought to its scale."""

import numpy as np
import pytest
import yaml
from recorded_lines import LINE, NETWORK, PHYSICS, changed, gathers_of_line, nrms, simulated

from data_prep.lines import choose_network, read_line
from fwi import shards
from fwi.config import WaveletConfig
from fwi.survey import Survey


@pytest.fixture
def own(tiny_study) -> Survey:
    """The survey of ``tiny_data``, as the survey of a network."""
    return Survey(tiny_study.grid, tiny_study.survey)


def stored(folder, gathers, survey: Survey = LINE):
    """Gathers as .npy, and the file that states their survey."""
    np.save(folder / "line.npy", gathers)
    (folder / "survey.yaml").write_text(yaml.safe_dump(survey.to_dict()))
    return {"path": folder / "line.npy", "made_for": folder / "survey.yaml"}


def test_shard_of_the_networks_own_kind_is_read_bit_for_bit(tiny_data, own):
    line = read_line(tiny_data / "test-00000.h5", own, PHYSICS)

    gathers = shards.read(tiny_data / "test-00000.h5").gathers
    np.testing.assert_array_equal(line.gathers, gathers.astype(np.float32))
    assert (line.survey, line.factor, line.start, line.changes) == (own, 1.0, 0.0, ())


def test_records_over_a_longer_and_deeper_grid_stay_as_they_are_and_have_the_networks_depth(tmp_path):
    grid = NETWORK.grid.model_copy(update={"nx": 50, "nz": 40})
    longer = Survey(grid, NETWORK.config.model_copy(update={"receivers": 50}))
    gathers = np.random.default_rng(0).standard_normal(longer.gather_shape).astype(np.float32)

    line = read_line(network=NETWORK, physics=PHYSICS, **stored(tmp_path, gathers, longer))

    np.testing.assert_array_equal(line.gathers, gathers[None])
    assert line.survey.grid == NETWORK.grid.model_copy(update={"nx": 50})
    assert line.survey.differences_in_kind(NETWORK) == ["grid.nx: 50 against 32"] or line.factor == 1.0


def test_known_records_of_another_scale_are_those_simulated_on_their_survey(tmp_path):
    gathers = np.stack([gathers_of_line(), 2 * gathers_of_line()])

    line = read_line(network=NETWORK, physics=PHYSICS, **stored(tmp_path, gathers))

    assert line.factor == pytest.approx(1.6)
    assert line.gathers.shape == (2, 7, 60, 81)
    assert nrms(line.gathers[0], simulated(line.survey)) < 0.02
    assert nrms(line.gathers[1], 2 * line.gathers[0]) < 1e-5
    assert line.changes[0] == "peak frequency: 16 Hz, as known"
    assert line.warnings == ()


def test_known_wavelet_that_peaks_later_is_shifted_to_where_the_networks_does(tmp_path):
    late = changed(LINE, wavelet=WaveletConfig(frequency=16.0, peak_time=0.12))

    line = read_line(network=NETWORK, physics=PHYSICS, **stored(tmp_path, simulated(late), late))

    assert nrms(line.gathers[0], simulated(line.survey)) < 0.02
    assert "shift: -0.02625 s added, for the wavelet to peak when the network's does" in line.changes


def test_known_records_shaped_to_a_lower_frequency_are_those_of_that_wavelet(tmp_path):
    deep = changed(LINE, depth=25.0, nt=700)
    lower = changed(deep, wavelet=WaveletConfig(frequency=8.0))
    wanted = read_line(network=NETWORK, physics=PHYSICS, **stored(tmp_path, simulated(lower), lower))

    line = read_line(
        network=NETWORK, physics=PHYSICS, frequency=8.0, **stored(tmp_path, simulated(deep), deep)
    )

    assert nrms(line.gathers[0], wanted.gathers[0]) < 0.01


def test_dead_traces_of_each_sample_stay_missing(tmp_path):
    gathers = np.stack([gathers_of_line()] * 2)
    gathers[0, 2, :, 30:40] = 0
    gathers[1, 5] = 0

    line = read_line(network=NETWORK, physics=PHYSICS, **stored(tmp_path, gathers))

    np.testing.assert_array_equal(line.gathers.any(axis=2), gathers.any(axis=2))


def test_streamer_of_a_known_survey_becomes_a_fixed_spread(tmp_path):
    towed = changed(LINE, spread="streamer", shots=5, shot_margin=None, receivers=24, receiver_interval=12.5)

    line = read_line(network=NETWORK, physics=PHYSICS, **stored(tmp_path, simulated(towed), towed))

    assert line.survey.config.spread == "fixed"
    assert nrms(line.gathers[0], simulated(line.survey)) < 0.05


def test_free_surface_and_other_speeds_of_a_known_survey_are_warned_of(tmp_path):
    grid = LINE.grid.model_copy(update={"velocity": (1400.0, 5000.0)})
    wet = Survey(grid, LINE.config.model_copy(update={"top": "free", "dt": 0.00125}))

    line = read_line(network=NETWORK, physics=PHYSICS, **stored(tmp_path, gathers_of_line(), wet))

    surface, speed = line.warnings
    assert surface.startswith(
        "surface: the records' has survey.top free, and the network was trained with absorbing"
    )
    assert speed == (
        "speed: the records' grid has 1400 to 5000 m/s, and sections of the network have 1500 to 4500 m/s"
    )


def test_npy_of_another_shape_than_its_survey_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"records of shape \(7, 100, 81\), .* have \(7, 200, 81\): .* --survey"
    ):
        read_line(network=NETWORK, physics=PHYSICS, **stored(tmp_path, gathers_of_line()[:, :100]))
    with pytest.raises(ValueError, match=r"those on the survey of the network have \(8, 60, 36\)"):
        read_line(tmp_path / "line.npy", NETWORK, PHYSICS)


def test_network_of_the_records_own_kind_is_chosen(tiny_data, own, tmp_path):
    networks = {"other": NETWORK, "own": own}

    assert choose_network(tiny_data / "test-00000.h5", networks) == (
        "own",
        "own was trained on records of this very kind",
    )
    name, why = choose_network(networks=networks, **stored(tmp_path, gathers_of_line()))
    assert name == "other"
    assert why.startswith("other: the records last 7.96 periods of 16 Hz, of which it takes 5.9")

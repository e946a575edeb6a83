"""Records of any format: what is read, what was changed, what is refused; nothing of it is printed."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from data_prep.records import read, refuse_silence, require_sample
from data_prep.segy.write import write_gathers
from fwi import shards
from fwi.config import StudyConfig
from fwi.shards import ShardError
from fwi.survey import Survey


@pytest.fixture(autouse=True)
def silent(capsys):
    """Each of these tests also holds that nothing is printed."""
    yield
    shown = capsys.readouterr()
    assert shown.out + shown.err == ""


@pytest.fixture
def survey(tiny_study):
    return Survey(tiny_study.grid, tiny_study.survey)


@pytest.fixture
def shard(tiny_data) -> Path:
    return tiny_data / "test-00000.h5"


@pytest.fixture
def gathers(shard):
    return shards.read(shard).gathers


def survey_file(study: StudyConfig, folder: Path) -> Path:
    """The grid and survey of records, as a user would write them for a .npy."""
    path = folder / "survey.yaml"
    path.write_text(yaml.safe_dump(study.model_dump(mode="json", include={"grid", "survey"})))
    return path


def of_other_survey(study: StudyConfig) -> StudyConfig:
    return study.model_copy(update={"survey": study.survey.model_copy(update={"shot_margin": 60.0})})


def test_shard_is_read_in_single_precision_and_nothing_is_changed(shard, survey, gathers):
    records = read(shard, survey)

    assert records.gathers.dtype == np.float32
    np.testing.assert_array_equal(records.gathers, gathers)
    assert records.changes == ()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("samples", [np.s_[:], np.s_[2]], ids=["samples", "one"])
def test_npy_is_read_with_or_without_an_axis_of_samples(
    samples, dtype, tiny_study, survey, gathers, tmp_path
):
    np.save(tmp_path / "line.npy", gathers[samples].astype(dtype))

    records = read(tmp_path / "line.npy", survey, made_for=survey_file(tiny_study, tmp_path))

    assert records.gathers.dtype == np.float32
    np.testing.assert_array_equal(records.gathers, np.atleast_3d(gathers[samples]).reshape(-1, 4, 50, 36))
    assert records.changes == ()


@pytest.mark.parametrize("name", ["line.sgy", "line.su", "line.field"])
def test_segy_and_su_are_brought_onto_the_survey_and_every_change_is_listed(name, survey, gathers, tmp_path):
    write_gathers(tmp_path / "line.sgy", gathers[1], survey, "a test")
    content = (tmp_path / "line.sgy").read_bytes()
    (tmp_path / name).write_bytes(content[3600:] if name == "line.su" else content)

    records = read(tmp_path / name, survey)

    assert records.gathers.shape == (1, *survey.gather_shape)
    assert records.gathers.dtype == np.float32
    (gain,) = (float(each.split()[3].rstrip(";")) for each in records.changes if each.startswith("gain"))
    # The band below a quarter of the peak frequency is cut away, so it is the same but for a little.
    off = np.linalg.norm(records.gathers[0] / gain - gathers[1]) / np.linalg.norm(gathers[1])
    assert off < 0.1
    starts = ["line:", "shots:", "receivers:", "band:", "spreading:", "time:", "shift:", "gain:"]
    assert [change.split()[0] for change in records.changes] == starts


def test_another_survey_is_refused_by_its_differences_and_whose_it_is(tiny_study, shard, gathers, tmp_path):
    other = of_other_survey(tiny_study)
    wanted = Survey(other.grid, other.survey)
    np.save(tmp_path / "line.npy", gathers)
    yaml_file = survey_file(tiny_study, tmp_path)

    with pytest.raises(ShardError) as of_shard:
        read(shard, wanted, whose="that of the run runs/a")
    with pytest.raises(ShardError) as of_npy:
        read(tmp_path / "line.npy", wanted, made_for=yaml_file)

    differs = (
        "  - survey.shot_margin: 80.0 against 60.0\n"
        "networks trained with model.columns: offsets take any shots and receivers"
    )
    assert str(of_shard.value) == (
        f"{shard} was made for another survey than that of the run runs/a:\n{differs}"
    )
    assert str(of_npy.value) == (
        f"{yaml_file} was made for another survey than the one asked for:\n{differs}"
    )


def test_segy_on_which_the_survey_does_not_fit_is_refused(tiny_study, survey, gathers, tmp_path):
    write_gathers(tmp_path / "line.sgy", gathers[1], survey, "a test")
    longer = tiny_study.grid.model_copy(update={"nx": 72})
    wanted = Survey(longer, tiny_study.survey.model_copy(update={"receivers": 72}))

    with pytest.raises(ValueError, match="the survey does not fit the recorded line"):
        read(tmp_path / "line.sgy", wanted)


def test_loud_segy_is_refused_only_where_half_precision_is_to_hold_it(survey, gathers, tmp_path):
    loud = gathers[1].astype(np.float32)
    loud[3, 40:, :4] *= 1e9  # far from the source and late: gain and shift are measured on the others
    write_gathers(tmp_path / "line.sgy", loud, survey, "a test")

    assert np.abs(read(tmp_path / "line.sgy", survey, dtype="float32").gathers).max() > 65504
    with pytest.raises(ValueError, match="which float16 cannot store"):
        read(tmp_path / "line.sgy", survey, dtype="float16")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((0, 4, 50, 36), np.float32), "line.npy holds no samples"),
        (np.zeros((4, 50, 36), np.int16), "line.npy: int16 of shape .*expected floating-point gathers"),
        (np.zeros((50, 36), np.float32), r"expected floating-point gathers \(shot, time, receiver\)"),
    ],
    ids=["empty", "integers", "one gather"],
)
def test_npy_that_holds_no_gathers_is_refused(array, message, survey, tmp_path):
    np.save(tmp_path / "line.npy", array)

    with pytest.raises(ValueError, match=message):
        read(tmp_path / "line.npy", survey)


def test_other_formats_are_refused_with_those_that_are_read(survey, shard, tmp_path):
    shutil.copyfile(shard, tmp_path / "line.mat")

    with pytest.raises(ValueError, match=r"from a shard \(.h5\), a .npy or SEG-Y \(.segy, .sgy, .su\), not"):
        read(tmp_path / "line.mat", survey)


def test_sample_that_is_not_there_is_refused(tmp_path):
    require_sample(3, 4, tmp_path)
    for number in (-1, 4):
        with pytest.raises(ValueError, match=f"--sample {number}: .* holds samples 0 to 3"):
            require_sample(number, 4, tmp_path)


def test_record_is_refused_only_where_all_of_it_is_silent():
    gathers = np.ones((3, 5, 2), np.float32)
    gathers[1] = 0

    refuse_silence(gathers, "line.npy, sample 0")
    with pytest.raises(ValueError, match="sample 0: the record is zero throughout"):
        refuse_silence(0 * gathers, "line.npy, sample 0")

"""Recorded shots on a survey: equal to what is simulated there, or refused with the numbers that would do."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from recordings import Recording, prepare_for

from data_prep.foreign.calibration import RecordsError
from data_prep.segy.placing import GeometryError
from data_prep.segy.regularise import interpolate
from data_prep.segy.shots import Shot, open_shots
from data_prep.segy.source import SegyLine, jobs
from data_prep.segy.suggest import suggest
from fwi import config
from fwi.config import GridConfig, PhysicsConfig, StudyConfig, SurveyConfig
from fwi.physics import Propagator
from fwi.survey import Survey

PUBLIC = Path(__file__).resolve().parents[4] / "shared/data/segy"
REAL = ["two_shots_2d.segy", "viking_four_shots.segy"]

GAIN = 37.0

NEAR_FIELD = 100.0
"""Half a wavelength [m]: nearer, the field of a point is no sum of waves, and any interpolation misses it."""

ORIGIN = 5000.0
"""Position on the recorded line [m] of the recorded grid's first cell."""


def simulated(survey: Survey) -> NDArray[np.float32]:
    """Records over a model that is the same everywhere along the line: a gradient with a soft reflector."""
    velocity = 1800 + 0.5 * survey.depth + 900 * np.exp(-(((survey.depth - 260) / 30) ** 2))
    model = torch.from_numpy(np.tile(velocity[:, None], survey.grid.nx).astype(np.float32))
    with torch.inference_mode():
        return Propagator(survey, PhysicsConfig())(model[None])[0].numpy()


@pytest.fixture(scope="module")
def study() -> StudyConfig:
    return StudyConfig(
        grid=GridConfig(nz=24, nx=36, spacing=20.0),
        survey=SurveyConfig(shots=4, shot_margin=80.0, receivers=36, dt=0.002, nt=300, keep_every=5),
    )


@pytest.fixture(scope="module")
def expected(study: StudyConfig) -> NDArray[np.float32]:
    return simulated(Survey(study.grid, study.survey))


@pytest.fixture(scope="module")
def field() -> Survey:
    """Another geometry: cells of 10 m, receivers every 12.5 m, shots some metres off, samples every 1 ms."""
    return Survey(
        GridConfig(nz=47, nx=101, spacing=10.0),
        SurveyConfig(shots=4, shot_margin=225.5, receivers=81, dt=0.001, nt=621, keep_every=1, depth=20.0),
    )


@pytest.fixture(scope="module")
def recording(field: Survey) -> Recording:
    """Its records in another unit, from 10 ms on."""
    return recorded(field, GAIN * simulated(field)[:, 10:], delay=10)


def recorded(survey: Survey, gathers: NDArray[np.float32], delay: int = 0, direction: int = 1) -> Recording:
    """A survey's gathers as a file, in centimetres from ``ORIGIN`` on."""
    shots, nt, receivers = gathers.shape
    shot, receiver = (index.ravel() for index in np.indices((shots, receivers)))
    source_x, receiver_x = np.repeat(survey.shot_x, receivers), survey.receiver_x.ravel()
    headers = {
        9: 100 + shot,
        13: 1 + receiver,
        41: -round(survey.receiver_depth),
        49: round(survey.shot_depth),
        71: -100,
        73: np.rint(100 * (ORIGIN + direction * source_x)),
        81: np.rint(100 * (ORIGIN + direction * receiver_x)),
        109: delay,
        115: nt,
        117: round(survey.recorded_dt * 1e6),
    }
    samples = gathers.transpose(0, 2, 1).reshape(-1, nt)
    return Recording(samples, headers, {3217: round(survey.recorded_dt * 1e6)})


def prepared(recording: Recording, folder: Path, study: StudyConfig, **options: object) -> SegyLine:
    return prepare_for(study, open_shots(recording.write(folder / "shots.sgy")), **options)


def refusal(recording: Recording, folder: Path, study: StudyConfig, **options: object) -> str:
    with pytest.raises(GeometryError) as refused:
        prepared(recording, folder, study, **options)
    return str(refused.value)


def nrms(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    """Error of gathers of the study's survey beyond the sources' near field, relative to those wanted."""
    survey = SurveyConfig(shots=4, shot_margin=80.0, receivers=36)
    geometry = Survey(GridConfig(nz=24, nx=36, spacing=20.0), survey)
    far = np.abs(geometry.receiver_x - geometry.shot_x[:, None])[:, None] >= NEAR_FIELD
    return float(np.linalg.norm((found - wanted) * far) / np.linalg.norm(wanted * far))


def with_survey(study: StudyConfig, **changes: object) -> StudyConfig:
    return study.model_copy(update={"survey": study.survey.model_copy(update=changes)})


# -- the records


def test_records_of_another_geometry_are_those_simulated_on_the_survey(
    recording: Recording, expected: NDArray[np.float32], study: StudyConfig, tmp_path: Path
) -> None:
    line = prepared(recording, tmp_path, study)

    assert nrms(line.gathers([0])[0], expected) < 0.05
    assert line.gain == pytest.approx(1 / GAIN, rel=0.05)
    assert line.shift == 0
    assert line.placements[0].start == pytest.approx(ORIGIN + 150)


def test_what_was_changed_is_said_with_numbers(
    recording: Recording, study: StudyConfig, tmp_path: Path
) -> None:
    said = "\n".join(prepared(recording, tmp_path, study).changes)

    assert "the survey's x = 0 lies at 5150 m and runs along the file's line" in said
    assert "100 .. 103, at most 4.5 m off" in said
    assert "% interpolated, up to 6" in said
    assert "2.5 .. 25 Hz passed" in said
    assert "from 611 samples every 0.001 s, the first at 0.01 s, to 60 every 0.01 s" in said
    assert "shift: none" in said
    assert "gain: multiplied by 0.02" in said


def test_polarity_is_kept_and_its_reversal_told(
    recording: Recording, expected: NDArray[np.float32], study: StudyConfig, tmp_path: Path
) -> None:
    reversed_ = recording.spoiled(samples=-recording.samples)

    line = prepared(reversed_, tmp_path, study)
    mended = prepared(reversed_, tmp_path, study, gain=-line.gain)

    assert nrms(line.gathers([0])[0], -expected) < 0.05
    assert any(f"--gain {-line.gain:.6g} reverses" in change for change in line.changes)
    assert nrms(mended.gathers([0])[0], expected) < 0.05


def test_shots_of_the_other_polarity_than_most_are_told(
    recording: Recording, study: StudyConfig, tmp_path: Path
) -> None:
    numbers = recording.headers[9]
    samples = np.where(np.isin(numbers, [101, 102])[:, None], -recording.samples, recording.samples)

    line = prepared(recording.spoiled(samples=samples), tmp_path, study)

    assert line.gain == pytest.approx(1 / GAIN, rel=0.05)
    assert any("direct arrival of shots 101, 102 is reversed against" in change for change in line.changes)


@pytest.mark.parametrize("late", [-0.08, 0.04])
def test_records_of_another_time_zero_are_shifted_onto_the_direct_arrival(
    recording: Recording, expected: NDArray[np.float32], study: StudyConfig, tmp_path: Path, late: float
) -> None:
    line = prepared(recording.spoiled({109: 10 + round(1000 * late)}), tmp_path, study)

    assert line.shift == pytest.approx(-late, abs=0.004)
    assert nrms(line.gathers([0])[0][:, :50], expected[:, :50]) < 0.15
    assert any(change.startswith(f"shift: {line.shift:g} s added") for change in line.changes)


def test_a_stated_gain_and_shift_are_taken_as_they_are(
    recording: Recording, expected: NDArray[np.float32], study: StudyConfig, tmp_path: Path
) -> None:
    line = prepared(recording, tmp_path, study, gain=2 / GAIN, shift=0.05)

    found = line.gathers([0])[0]

    assert nrms(found[:, 5:], 2 * expected[:, :-5]) < 0.05


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"gain": 1e9}, r"records of sample 0 reach .* with gain 1e\+09, which float16 cannot store: --gain"),
        ({"gain": 1e-9}, "with gain 1e-09, which float16 cannot store: --gain"),
        ({"gain": 0.0}, "with gain 0, which float16 cannot store"),
        ({"gain": np.nan}, "--gain nan: expected a number"),
        ({"shift": np.inf}, "--shift inf: expected a number"),
        ({"every": 0.0}, "--every 0: expected metres between samples, more than 0"),
        ({"every": np.nan}, "--every nan: expected a number"),
    ],
)
def test_numbers_that_make_no_records_are_refused(
    recording: Recording, study: StudyConfig, tmp_path: Path, wrong: dict[str, float], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        prepared(recording, tmp_path, study, **wrong)


@pytest.mark.parametrize("stated", [{}, {"gain": 1 / GAIN, "shift": 0.0}])
def test_a_spike_that_storage_cannot_hold_is_refused(
    recording: Recording, study: StudyConfig, tmp_path: Path, stated: dict[str, float]
) -> None:
    samples = recording.samples.copy()
    samples[7, 30] = 1e30

    with pytest.raises(RecordsError, match=r"records of sample 0 reach .* which float16 cannot store"):
        prepared(recording.spoiled(samples=samples), tmp_path, study, **stated).gathers([0])


def test_a_dead_trace_is_filled_from_its_neighbours(
    recording: Recording, expected: NDArray[np.float32], study: StudyConfig, tmp_path: Path
) -> None:
    samples = recording.samples.copy()
    samples[50::81] = samples[20::81] = 0

    line = prepared(recording.spoiled(samples=samples), tmp_path, study)

    assert nrms(line.gathers([0])[0], expected) < 0.06


def test_a_boat_that_sails_against_the_files_line_records_the_same(tmp_path: Path) -> None:
    survey = SurveyConfig(
        shots=3, spread="streamer", near_offset=100.0, receiver_interval=20.0, receivers=20, nt=300
    )
    study = StudyConfig(grid=GridConfig(nz=24, nx=40, spacing=20.0), survey=survey)
    towed = Survey(study.grid, survey)
    expected = simulated(towed)

    line = prepared(recorded(towed, expected, direction=-1), tmp_path, study)

    assert line.placements[0].direction == -1
    assert line.placements[0].start == pytest.approx(ORIGIN)
    np.testing.assert_allclose(line.gathers([0])[0], expected, atol=0.05 * np.abs(expected).max())


def test_a_point_source_in_space_becomes_a_line_source(study: StudyConfig, tmp_path: Path) -> None:
    survey, speed = Survey(study.grid, study.survey), 2000.0
    model = torch.full((1, study.grid.nz, study.grid.nx), speed)
    with torch.inference_mode():
        line_source = Propagator(survey, study.physics)(model)[0].numpy()
    offset = np.abs(survey.receiver_x - survey.shot_x[:, None])[:, None, :] + 1e-3
    phase = (np.pi * 10 * (np.arange(700)[:, None] * 1e-3 - offset / speed)) ** 2  # its peak at time zero
    point_source = ((1 - 2 * phase) * np.exp(-phase) / (4 * np.pi * offset)).astype(np.float32)
    fine = Survey(study.grid, study.survey.model_copy(update={"dt": 0.001, "nt": 700, "keep_every": 1}))
    recording = recorded(fine, point_source)

    line = prepared(recording, tmp_path, study, spreading="point", shift=0.15)

    far = offset >= 300  # 1.5 wavelengths, where the wave from a line is what the conversion takes it for
    found = line.gathers([0])[0]
    assert np.linalg.norm((found - line_source) * far) < 0.08 * np.linalg.norm(line_source * far)
    assert line.gain == pytest.approx(speed, rel=0.05)


def test_interpolation_is_exact_for_arrivals_no_slower_than_the_slowest_speed(study: StudyConfig) -> None:
    survey = Survey(study.grid, study.survey)
    rng = np.random.default_rng(0)
    frequency = np.array([2.5, 10.0, 25.0])
    x = np.sort(np.arange(0, 1000, 20) + rng.uniform(-4, 4, 50))
    wanted = rng.uniform(200, 800, 40)
    for speed in (-1500.0, 1500.0, -2500.0, 4500.0, np.inf):
        wave = np.exp(-2j * np.pi * frequency[:, None] * x / speed)

        found = interpolate(wave, frequency, x, wanted, survey)

        error = np.abs(found - np.exp(-2j * np.pi * frequency[:, None] * wanted / speed))
        assert np.median(error) < 0.02
        assert error.max() < 0.1


# -- several samples of a line


def test_a_long_line_gives_a_sample_at_every_place_that_fits(
    study: StudyConfig, expected: NDArray[np.float32], tmp_path: Path
) -> None:
    long = Survey(
        GridConfig(nz=24, nx=90, spacing=20.0),
        SurveyConfig(shots=10, shot_margin=80.0, receivers=90, dt=0.002, nt=300, keep_every=5),
    )
    line = prepared(recorded(long, simulated(long)), tmp_path, study, every=360.0)

    starts = [placement.start - ORIGIN for placement in line.placements]
    assert np.diff(starts) == pytest.approx([360.0, 360.0, 360.0])
    for sample in line.gathers([0, 1, 2, 3]):
        assert nrms(sample, expected) < 0.05
    made = jobs(study, line, "test")
    assert [number for job in made for number in job.numbers] == [0, 1, 2, 3]
    assert made[0].origin.source.changes == list(line.changes)


# -- refusals


def test_a_survey_that_the_line_does_not_hold_is_refused(
    recording: Recording, study: StudyConfig, tmp_path: Path
) -> None:
    more_shots = refusal(recording, tmp_path, with_survey(study, shots=7))
    elsewhere = refusal(recording, tmp_path, study, start=ORIGIN + 180)
    beyond = refusal(recording, tmp_path, study.model_copy(update={"grid": GridConfig(nz=24, nx=56)}))

    assert "the nearest recorded one, 10" in more_shots
    assert "m away; at most 20 m" in more_shots
    assert "its x = 0 at 5180 m" in elsewhere
    assert "shot 0 at 80 m: the nearest recorded one, 100, is 34.5 m away" in elsewhere
    assert "away; at most" in beyond
    for said in (more_shots, elsewhere, beyond):
        assert "--suggest-config" in said


def test_receivers_too_far_from_recorded_ones_are_refused(
    recording: Recording, study: StudyConfig, tmp_path: Path
) -> None:
    sparse = refusal(recording.chosen(np.arange(0, 4 * 81, 4)), tmp_path, study)
    gap = refusal(recording.chosen(np.arange(4 * 81) % 81 // 6 != 7), tmp_path, study)

    assert "of 36 receivers are over 15 m from a recorded one" in sparse
    assert "at most 10 % may be, up to 37.5 m" in gap
    assert "--suggest-config" in gap


def test_records_that_end_or_begin_too_soon_or_late_are_refused(
    recording: Recording, study: StudyConfig, tmp_path: Path
) -> None:
    short = refusal(recording, tmp_path, with_survey(study, nt=500))
    late = refusal(recording.spoiled({109: 200}), tmp_path, study)

    assert "from 0.01 to 0.62 s, the survey from 0 to 0.99 s: 38 % of it is not recorded" in short
    assert "take survey.nt 311" in short
    assert "they begin too late" in late


def test_samples_too_coarse_for_the_wavelet_are_refused(
    recording: Recording, study: StudyConfig, tmp_path: Path
) -> None:
    coarse = recording.spoiled(
        {115: 15, 117: 40000}, samples=recording.samples[:, ::40], binary={3217: 40000}
    )

    said = refusal(coarse, tmp_path, study)

    assert "hold nothing above 12.5 Hz, and the wavelet reaches 25 Hz" in said
    assert "take a survey.wavelet.frequency <= 5 Hz" in said


def test_other_depths_are_refused_with_the_row_that_would_do(
    recording: Recording, study: StudyConfig, tmp_path: Path
) -> None:
    said = refusal(recording.spoiled({49: 87}), tmp_path, study)

    assert "recorded at 87 m, survey.depth is 20 m: take 80 m" in said


def test_records_without_a_direct_arrival_need_a_stated_gain(
    recording: Recording, study: StudyConfig, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).standard_normal(recording.samples.shape).astype(np.float32)

    said = refusal(recording.spoiled(samples=noise), tmp_path, study)

    assert "no direct arrival is recognised at offsets of 1" in said
    assert "state --gain and --shift" in said


# -- suggested surveys


@pytest.mark.parametrize("name", REAL)
def test_the_survey_suggested_for_a_real_file_takes_it(name: str, tmp_path: Path) -> None:
    if not (PUBLIC / name).exists():
        pytest.skip("the public recordings are not beside the repository")
    file = open_shots(PUBLIC / name)
    (tmp_path / "study.yaml").write_text(suggest(file).text)
    study = config.load([tmp_path / "study.yaml"])

    line = prepare_for(study, file)

    survey = Survey(study.grid, study.survey)
    survey.check(study.physics.order)
    gathers = line.gathers([0])
    assert gathers.shape == (1, *survey.gather_shape)
    assert len(line.placements[0].shots) == len(file.shots)
    assert np.isfinite(gathers).all()
    assert gathers.any(axis=2).all()


def test_no_survey_fits_single_receivers(recording: Recording, tmp_path: Path) -> None:
    file = open_shots(recording.chosen(np.arange(0, 4 * 81, 81)).write(tmp_path / "shots.sgy"))

    with pytest.raises(GeometryError, match="one receiver per shot; a survey needs two or more"):
        suggest(file)


@dataclass(frozen=True)
class Line:
    """A recorded line in memory, of which every trace is a Ricker wavelet along the direct arrival."""

    shots: tuple[Shot, ...]
    dt: float
    nt: int
    start: float = 0.0
    path: Path = Path("line.sgy")

    def read(self, number: int) -> NDArray[np.float32]:
        offset = np.abs(self.shots[number].offset)
        phase = (np.pi * 12 * (np.arange(self.nt)[:, None] * self.dt - 0.1 - offset / 1500)) ** 2
        return ((1 - 2 * phase) * np.exp(-phase)).astype(np.float32)


@st.composite
def lines(draw: st.DrawFn) -> Line:
    towed, direction = draw(st.booleans()), draw(st.sampled_from([-1, 1]))
    interval, receivers = draw(st.floats(5, 50)), draw(st.integers(12, 60))
    shots, shot_interval = draw(st.integers(1, 40)), draw(st.floats(10, 100))
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    origin = draw(st.floats(-1e5, 1e5))
    if towed:
        x = np.arange(shots) * shot_interval
        receiver_x = x[:, None] - draw(st.floats(20, 300)) - np.arange(receivers) * interval
    else:
        length = (receivers - 1) * interval
        x = np.linspace(draw(st.floats(0, 0.4)), draw(st.floats(0.5, 1)), shots) * length
        receiver_x = np.tile(np.arange(receivers) * interval, (shots, 1))
        # A grid has eight cells or more, evenly about the shots.
        assume(shots == 1 or np.ptp(x) + 2 * min(x[0], length - x[-1]) >= 8 * interval)
    x = x + rng.uniform(-0.3, 0.3, shots)
    receiver_x = receiver_x + rng.uniform(-0.3, 0.3, receiver_x.shape)
    depths = draw(st.floats(-5, 40)), draw(st.floats(-5, 40))
    found = sorted(
        (
            (origin + direction * a, np.sort(origin + direction * b))
            for a, b in zip(x, receiver_x, strict=True)
        ),
        key=lambda each: each[0],
    )
    return Line(
        tuple(
            Shot(i, float(a), depths[0], b, np.full(len(b), depths[1]), np.arange(len(b)))
            for i, (a, b) in enumerate(found)
        ),
        dt=draw(st.sampled_from([0.001, 0.002, 0.004, 0.008])),
        nt=draw(st.integers(100, 400)),
    )


def short_records(shot_x: tuple[float, ...], offsets: NDArray[np.float64]) -> Line:
    """Towed, and of 0.1 s, which hold few peak frequencies to choose from."""
    still = np.zeros(len(offsets)), np.arange(len(offsets))
    return Line(tuple(Shot(i, x, 0.0, x + offsets, *still) for i, x in enumerate(shot_x)), dt=0.001, nt=100)


@pytest.mark.parametrize("near", [20, 24, 28, 32, 36])
def test_the_survey_suggested_for_shots_a_cell_apart_takes_them(near: int, tmp_path: Path) -> None:
    line = short_records((0.0, 10.9, 21.7), near + 31.0 * np.arange(12))

    assert_the_suggested_survey_takes(line, tmp_path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(line=lines())
@example(line=short_records((0.0, 12.85, 25.7, 38.55), 29 + 13.0 * np.arange(19)))
@example(line=short_records((0.0, 12.85, 25.7, 38.55), 24 + 14.0 * np.arange(19)))
def test_the_survey_suggested_for_any_line_takes_it(line: Line, tmp_path: Path) -> None:
    assert_the_suggested_survey_takes(line, tmp_path)


def assert_the_suggested_survey_takes(line: Line, tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(suggest(line, gain=1.0, shift=0.0).text)
    study = config.load([tmp_path / "study.yaml"])
    survey = Survey(study.grid, study.survey)

    placement = prepare_for(study, line, gain=1.0, shift=0.0).placements[0]

    survey.check(study.physics.order)
    assert study.data.flip == 0 or survey.symmetric
    assert len(placement.shots) == study.survey.shots
    assert np.abs(placement.misplaced(survey)).max() <= study.grid.spacing

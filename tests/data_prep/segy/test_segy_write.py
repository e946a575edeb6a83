"""SEG-Y out, re-read by two programs of others: what every header says, the samples, and what is refused."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import segyio
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from obspy.io.segy.header import BINARY_FILE_HEADER_FORMAT, TRACE_HEADER_FORMAT
from obspy.io.segy.segy import _read_segy

from data_prep.segy.headers import SegyError
from data_prep.segy.shots import open_shots
from data_prep.segy.write import require_fits, write_gathers, write_section
from fwi.config import GridConfig, SurveyConfig
from fwi.survey import Survey

Headers = dict[int, int]
"""What is not 0 in a header, by the first byte."""

FIXED = Survey(
    GridConfig(nz=24, nx=36, spacing=20.0),
    SurveyConfig(shots=4, shot_margin=80.0, receivers=36, dt=0.002, nt=250, keep_every=5, depth=20.0),
)
STREAMER = Survey(
    GridConfig(nz=24, nx=101, spacing=6.25),
    SurveyConfig(
        spread="streamer",
        shots=3,
        receivers=12,
        receiver_interval=12.5,
        near_offset=50.0,
        depth=6.25,
        receiver_depth=12.5,
        dt=0.001,
        nt=20,
        keep_every=2,
    ),
)
LISTED = Survey(
    FIXED.grid,
    FIXED.config.model_copy(update={"receivers": 5, "receiver_x": (0.0, 33.3, 180.0, 412.5, 700.0)}),
)
SURVEYS = pytest.mark.parametrize("survey", [FIXED, STREAMER, LISTED], ids=["fixed", "streamer", "listed"])


class Parsed(NamedTuple):
    """A file as a reader has it."""

    text: str
    binary: Headers
    traces: list[Headers]
    samples: NDArray[np.float32]


def by_segyio(path: Path) -> Parsed:
    with segyio.open(path, ignore_geometry=True) as file:
        return Parsed(
            bytes(file.text[0]).decode("ascii"),
            {int(byte): value for byte, value in file.bin.items() if value},
            [{int(byte): value for byte, value in header.items() if value} for header in file.header],
            file.trace.raw[:],
        )


def by_obspy(path: Path) -> Parsed:
    file = _read_segy(str(path), unpack_headers=True)
    binary, byte = {}, 3201
    for length, name, _ in BINARY_FILE_HEADER_FORMAT:
        value = getattr(file.binary_file_header, name)
        if not name.startswith("unassigned") and value:
            binary[byte] = value
        byte += length
    numbers = [(name, start + 1) for _, name, _, start in TRACE_HEADER_FORMAT if "unassigned" not in name]
    return Parsed(
        file.textual_file_header.decode("ascii"),
        binary,
        [
            {byte: value for name, byte in numbers if (value := getattr(trace.header, name))}
            for trace in file.traces
        ],
        np.stack([trace.data for trace in file.traces]),
    )


READERS = pytest.mark.parametrize("read", [by_segyio, by_obspy])
Reader = Callable[[Path], Parsed]


def random_gathers(survey: Survey) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=survey.gather_shape).astype(np.float32)


def written(path: Path, survey: Survey) -> NDArray[np.float32]:
    gathers = random_gathers(survey)
    write_gathers(path, gathers, survey, "made by a test")
    return gathers


# -- gathers: every header


@READERS
def test_file_header_of_gathers_is_the_standards(tmp_path: Path, read: Reader) -> None:
    written(tmp_path / "a.segy", FIXED)

    binary = read(tmp_path / "a.segy").binary

    assert binary.pop(3501) in (0x0100, 1)  # a reader may give the major number alone
    assert binary == {
        3201: 1,  # job
        3205: 1,  # line
        3209: 1,  # reel
        3213: 36,  # traces per shot
        3217: 10_000,  # sample interval [us]
        3219: 10_000,
        3221: 50,  # samples
        3223: 50,
        3225: 5,  # IEEE
        3227: 1,  # fold
        3229: 1,  # as recorded
        3255: 1,  # metres
        3503: 1,  # traces of one length
    }


@READERS
def test_trace_headers_of_a_fixed_spread_are_what_was_meant(tmp_path: Path, read: Reader) -> None:
    written(tmp_path / "a.segy", FIXED)

    traces = read(tmp_path / "a.segy").traces

    # Shots at 80, 260, 440, 620 m, receivers at 0, 20 .. 700 m; all whole metres, so that the scalar is 1.
    assert traces == [
        present(
            {
                1: shot * 36 + receiver + 1,
                5: shot * 36 + receiver + 1,
                9: shot + 1,
                13: receiver + 1,
                17: shot + 1,
                21: 1 + (80 + 180 * shot + 20 * receiver) // 20,  # midpoint in bins of 10 m
                29: 1,
                31: 1,
                33: 1,
                35: 1,
                37: 20 * receiver - (80 + 180 * shot),
                41: -20,
                49: 20,
                69: 1,
                71: 1,
                73: 80 + 180 * shot,
                81: 20 * receiver,
                89: 1,
                115: 50,
                117: 10_000,
                181: (80 + 180 * shot + 20 * receiver) // 2,
            }
        )
        for shot in range(4)
        for receiver in range(36)
    ]


@READERS
def test_trace_headers_of_a_streamer_are_what_was_meant(tmp_path: Path, read: Reader) -> None:
    written(tmp_path / "a.segy", STREAMER)

    traces = read(tmp_path / "a.segy").traces

    # Shots at 187.5, 406.25, 625 m; receivers 50, 62.5 .. m behind; midpoints in hundredths, and half of one.
    source = [187.5, 406.25, 625.0]
    assert traces == [
        present(
            {
                1: shot * 12 + receiver + 1,
                5: shot * 12 + receiver + 1,
                9: shot + 1,
                13: receiver + 1,
                17: shot + 1,
                21: 1 + round((source[shot] - 25 - 6.25 * receiver) / 3.125),
                29: 1,
                31: 1,
                33: 1,
                35: 1,
                37: round(-50 - 12.5 * receiver),
                41: -1250,
                49: 625,
                69: -100,
                71: -100,
                73: round(100 * source[shot]),
                81: round(100 * (source[shot] - 50 - 12.5 * receiver)),
                89: 1,
                115: 10,
                117: 2000,
                181: round(100 * (source[shot] - 25 - 6.25 * receiver)),
            }
        )
        for shot in range(3)
        for receiver in range(12)
    ]


def present(header: Headers) -> Headers:
    return {byte: value for byte, value in header.items() if value}


@READERS
@SURVEYS
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_samples_are_kept_to_the_bit(
    tmp_path: Path, read: Reader, survey: Survey, dtype: type[np.floating[Any]]
) -> None:
    gathers = random_gathers(survey).astype(dtype)
    write_gathers(tmp_path / "a.segy", gathers, survey, "")

    samples = read(tmp_path / "a.segy").samples

    shots, nt, receivers = gathers.shape
    np.testing.assert_array_equal(samples.reshape(shots, receivers, nt).transpose(0, 2, 1), gathers)


# -- gathers: the way back


@SURVEYS
def test_own_reader_finds_the_survey_that_was_written(tmp_path: Path, survey: Survey) -> None:
    gathers = written(tmp_path / "a.segy", survey)

    shots = open_shots(tmp_path / "a.segy")

    assert (shots.dt, shots.nt, shots.start) == (survey.recorded_dt, len(survey.time), 0)
    assert [shot.x for shot in shots.shots] == survey.shot_x.tolist()
    for index, shot in enumerate(shots.shots):
        order = np.argsort(survey.receiver_x[index])
        np.testing.assert_array_equal(shot.receiver_x, survey.receiver_x[index, order])
        assert (shot.depth, set(shot.receiver_depth)) == (survey.shot_depth, {survey.receiver_depth})
        np.testing.assert_array_equal(shots.read(shot.number), gathers[index][:, order])


@st.composite
def surveys(draw: st.DrawFn) -> Survey:
    """Surveys whose positions have any decimals, on lines of some metres to a thousand kilometres."""
    nx = draw(st.integers(8, 40))
    spacing = draw(st.decimals(0.5, 30_000, places=3).map(float))
    rows = st.integers(0, 7).map(lambda row: row * spacing)
    nt = draw(st.integers(2, 60))
    time: dict[str, Any] = {
        "dt": draw(st.integers(1, 3000)) * 1e-6,
        "nt": nt,
        "keep_every": draw(st.integers(1, min(10, nt - 1))),
        "depth": draw(rows),
        "receiver_depth": draw(rows),
    }
    shots = draw(st.integers(1, 4))
    if draw(st.booleans()):
        receivers = draw(st.integers(2, nx))
        config = SurveyConfig(shots=shots, receivers=receivers, **time)
    else:
        config = SurveyConfig(
            spread="streamer",
            shots=shots,
            receivers=draw(st.integers(2, 3)),
            receiver_interval=spacing * draw(st.sampled_from([1, 1.25, 1.5])),
            near_offset=spacing * draw(st.sampled_from([0.5, 0.77, 1])),
            **time,
        )
    return Survey(GridConfig(nz=8, nx=nx, spacing=spacing), config)


@given(surveys())
@settings(max_examples=80, deadline=None)
def test_any_survey_comes_back_within_a_centimetre(survey: Survey) -> None:
    with tempfile.TemporaryDirectory() as folder:
        gathers = written(Path(folder) / "a.segy", survey)
        shots = open_shots(Path(folder) / "a.segy")
        back = [shots.read(shot.number) for shot in shots.shots]

    half = 0.005 + 1e-6
    assert shots.dt == pytest.approx(survey.recorded_dt, abs=1e-12)
    np.testing.assert_allclose([shot.x for shot in shots.shots], survey.shot_x, rtol=0, atol=half)
    for index, shot in enumerate(shots.shots):
        order = np.argsort(survey.receiver_x[index])
        np.testing.assert_allclose(shot.receiver_x, survey.receiver_x[index, order], rtol=0, atol=half)
        np.testing.assert_allclose(shot.receiver_depth, survey.receiver_depth, rtol=0, atol=half)
        np.testing.assert_allclose(shot.depth, survey.shot_depth, rtol=0, atol=half)
        np.testing.assert_array_equal(back[index], gathers[index][:, order])


# -- the section


@READERS
def test_every_header_of_a_section_is_what_was_meant(tmp_path: Path, read: Reader) -> None:
    velocity = np.random.default_rng(0).uniform(1500, 4500, (24, 36)).astype(np.float32)
    write_section(tmp_path / "a.segy", velocity, 12.5, "made by a test")

    parsed = read(tmp_path / "a.segy")

    assert parsed.binary.pop(3501) in (0x0100, 1)
    expected = {3201: 1, 3205: 1, 3209: 1, 3213: 1, 3217: 12_500, 3219: 12_500, 3221: 24, 3223: 24, 3225: 5}
    assert parsed.binary == expected | {3227: 1, 3229: 4, 3255: 1, 3503: 1}
    assert parsed.traces == [
        present(
            {
                1: n,
                5: n,
                9: 1,
                13: n,
                21: n,
                25: 1,
                29: 1,
                31: 1,
                33: 1,
                35: 1,
                69: 1,
                71: -10,
                73: 125 * (n - 1),
                81: 125 * (n - 1),
                89: 1,
                115: 24,
                117: 12_500,
                181: 125 * (n - 1),
                189: 1,
                193: n,
                203: 6,  # metres per second
            }
        )
        for n in range(1, 37)
    ]
    np.testing.assert_array_equal(parsed.samples, velocity.T)


@pytest.mark.parametrize(
    ("spacing", "interval", "unit"),
    [
        (0.25, 250, "MILLIMETRES"),
        (10.0, 10_000, "MILLIMETRES"),
        (32.767, 32_767, "MILLIMETRES"),
        (40.0, 40, "METRES"),
        (99.0, 99, "METRES"),
    ],
)
def test_depth_interval_is_in_millimetres_where_they_fit_and_says_so(
    tmp_path: Path, spacing: float, interval: int, unit: str
) -> None:
    write_section(tmp_path / "a.segy", np.full((8, 8), 2000.0), spacing, "")

    parsed = by_segyio(tmp_path / "a.segy")

    assert parsed.binary[3217] == parsed.traces[0][117] == interval
    assert f"IS DEPTH: {interval} {unit} " in parsed.text


def test_rows_that_fit_no_sample_interval_are_interpolated_at_whole_metres(tmp_path: Path) -> None:
    gradient = 1500 + 0.5 * 44.4 * np.arange(51)[:, None] + np.array([0.0, 7.0, 100.0])

    write_section(tmp_path / "a.segy", gradient, 44.4, "", start=-120.0)

    parsed = by_segyio(tmp_path / "a.segy")
    depth = np.arange(parsed.samples.shape[1]) * 44.0
    assert parsed.binary[3217] == 44
    assert depth[-1] >= 50 * 44.4 - 44
    inside = depth <= 50 * 44.4
    np.testing.assert_allclose(parsed.samples[0, inside], 1500 + 0.5 * depth[inside], rtol=1e-6)
    assert "AT 44 M" in parsed.text
    assert "INTERPOLATED FROM ROWS AT 44.4 M" in parsed.text
    assert "FROM -120 TO -31.2 M" in parsed.text


# -- the textual header


def cards(text: str) -> list[str]:
    return [text[start : start + 80].rstrip() for start in range(0, 3200, 80)]


@READERS
def test_textual_header_of_gathers_tells_units_geometry_and_provenance(tmp_path: Path, read: Reader) -> None:
    write_gathers(tmp_path / "a.segy", random_gathers(STREAMER), STREAMER, "run runs/x\nversion 1.2.3")

    lines = cards(read(tmp_path / "a.segy").text)

    assert [line[:3] for line in lines] == [f"C{number:2d}" for number in range(1, 41)]
    assert lines[38:] == ["C39 SEG Y REV1", "C40 END TEXTUAL HEADER"]
    text = "\n".join(line[4:] for line in lines)
    for said in (
        "SHOTS: 3, X 187.5 TO 625 M, DEPTH 6.25 M",
        "RECEIVERS: 12 PER SHOT",
        "OFFSET -187.5 TO -50 M, DEPTH 12.5 M",
        "TIME: 10 SAMPLES AT 2000 MICROSECONDS, FROM 0 TO 0.018 S",
        "UNITS: METRES, SECONDS, HERTZ",
        "run runs/x\nversion 1.2.3",
    ):
        assert said in text


def test_every_line_of_a_textual_header_ends_in_a_blank_before_the_next_number(tmp_path: Path) -> None:
    gathers, section = tmp_path / "gathers.segy", tmp_path / "section.segy"
    write_gathers(gathers, random_gathers(STREAMER), STREAMER, "fwi " * 60)
    write_section(section, np.full((24, 36), 2000.0), 12.5, "x" * 300)

    for path in (gathers, section):
        text = by_segyio(path).text

        assert {text[end] for end in range(79, 3200, 80)} == {" "}


@pytest.mark.parametrize(("peak_time", "told"), [(None, "0.15 S"), (0.2, "0.2 S")])
def test_textual_header_tells_when_the_wavelet_peaks(
    tmp_path: Path, peak_time: float | None, told: str
) -> None:
    wavelet = FIXED.config.wavelet.model_copy(update={"frequency": 10.0, "peak_time": peak_time})
    survey = Survey(FIXED.grid, FIXED.config.model_copy(update={"wavelet": wavelet}))

    write_gathers(tmp_path / "a.segy", random_gathers(survey), survey, "")

    assert f"ITS PEAK AT {told}" in by_segyio(tmp_path / "a.segy").text


def test_textual_header_of_a_section_tells_its_units(tmp_path: Path) -> None:
    write_section(tmp_path / "a.segy", np.full((24, 36), 2000.0), 12.5, "é" * 5000)

    raw = (tmp_path / "a.segy").read_bytes()

    lines = cards(raw[:3200].decode("cp037"))
    assert "P-WAVE SPEED IN METRES PER SECOND (M/S)" in lines[1]
    assert "24 SAMPLES AT 12.5 M, FROM 0 TO 287.5 M" in lines[2]
    assert lines[39] == "C40 END TEXTUAL HEADER"
    assert len(raw) == 3600 + 36 * (240 + 24 * 4)


# -- refused


def changed(spacing: float = 20.0, **survey: Any) -> Survey:
    grid = FIXED.grid.model_copy(update={"spacing": spacing})
    return Survey(grid, FIXED.config.model_copy(update={"depth": spacing, **survey}))


@pytest.mark.parametrize(
    ("survey", "said"),
    [
        (changed(keep_every=17), r"34000 microseconds apart.*at most 32767"),
        (changed(dt=0.0002221, keep_every=1, nt=2000), r"222\.1 microseconds.*whole.*off"),
        (changed(nt=32_768, keep_every=1), r"32768 samples of a trace.*at most 32767"),
        (changed(spacing=33.3), r"33\.3 m do not fit"),
    ],
)
def test_what_16_bits_cannot_hold_is_refused_with_the_numbers(survey: Survey, said: str) -> None:
    with pytest.raises(SegyError, match=said):
        require_fits(survey)


def test_interval_that_drifts_by_less_than_anybody_sees_is_rounded(tmp_path: Path) -> None:
    written(tmp_path / "a.segy", changed(dt=1e-3 / 3, nt=20, keep_every=6))

    assert by_segyio(tmp_path / "a.segy").binary[3217] == 2000


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_refused_and_nothing_is_written(tmp_path: Path, bad: float) -> None:
    gathers = random_gathers(FIXED)
    gathers[2, 3, 4] = bad

    with pytest.raises(SegyError, match="NaN or infinite"):
        write_gathers(tmp_path / "a.segy", gathers, FIXED, "")

    assert not list(tmp_path.iterdir())


def test_gathers_of_another_survey_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SegyError, match=r"\(3, 10, 12\).*\(4, 50, 36\)"):
        write_gathers(tmp_path / "a.segy", random_gathers(STREAMER), FIXED, "")


def test_line_that_exceeds_32_bits_is_refused(tmp_path: Path) -> None:
    survey = changed(spacing=1e6 + 1 / 3, shot_margin=None)

    with pytest.raises(SegyError, match=r"3.5e\+07 m do not fit"):
        written(tmp_path / "a.segy", survey)

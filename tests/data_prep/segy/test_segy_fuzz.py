"""Damaged files: each is refused in words, or read as what its bytes say; nothing else, and never for long.

What the bytes say is what segyio reads of the same file, by the rules that the importer documents.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import segyio
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from recordings import BINARY_WIDTH, WIDTH, Recording, Values, line_of_shots, prepare_for

from data_prep.foreign.calibration import RecordsError
from data_prep.segy.geometry import FOOT, MOST_OFF_LINE
from data_prep.segy.headers import SegyError
from data_prep.segy.layout import Layout
from data_prep.segy.samples import FORMATS, IBM
from data_prep.segy.shots import SegyShots, open_shots, report
from data_prep.segy.suggest import suggest
from fwi import config
from fwi.config import StudyConfig

PLAIN = line_of_shots(nt=12)
MAP = PLAIN.spoiled({77: 500_00, 85: np.tile(500_00 + 10 * np.arange(6), 3), 117: 0})
NUMBERS = np.arange(1, 18 * 12 + 1).reshape(18, 12)
FILES = {
    "plain.sgy": PLAIN.segy(),
    "little.sgy": PLAIN.spoiled(order="<", binary={3217: 0}).segy(),
    "map.sgy": MAP.segy(),
    "extended.sgy": PLAIN.spoiled(extended=bytes(3200), binary={3505: 1}).segy(),
    "integers.sgy": PLAIN.spoiled(samples=NUMBERS.astype(np.int16), binary={3225: 3}).segy(),
    "ibm.sgy": PLAIN.spoiled(samples=(0x41100000 + NUMBERS).astype(np.uint32), binary={3225: 1}).segy(),
    "shots.su": PLAIN.spoiled(order="<").su(),
}


def direct_arrivals(towed: bool) -> Recording:
    """Four shots 50 m apart, their 12 receivers behind them or about them, with the direct arrival alone."""
    shot, receiver = np.divmod(np.arange(48), 12)
    x = 1000 + 50 * shot
    receiver_x = x - 100 - 25 * receiver if towed else 950 + 25 * receiver
    time = np.arange(80) * 0.008 - 0.1 - np.abs(receiver_x - x)[:, None] / 1500
    phase = (np.pi * 10 * time) ** 2
    headers: dict[int, Values] = {9: 7 + shot, 73: x, 81: receiver_x, 49: 5, 41: -8, 115: 80, 117: 8000}
    samples = ((1 - 2 * phase) * np.exp(-phase)).astype(np.float32)
    return Recording(samples, headers, {3217: 8000})


LINES = {
    "streamer.sgy": direct_arrivals(towed=True).segy(),
    "spread.sgy": direct_arrivals(towed=False).segy(),
}
"""Files that a survey can be suggested for."""

TRACES = {**dict.fromkeys(FILES, 18), **dict.fromkeys(LINES, 48)}
TRACE_SIZE = {
    **{name: (240 + 12 * (2 if name == "integers.sgy" else 4)) for name in FILES},
    **dict.fromkeys(LINES, 240 + 80 * 4),
}
FIRST_TRACE = {
    name: len(content) - TRACES[name] * TRACE_SIZE[name] for name, content in (FILES | LINES).items()
}

BINARY_FIELDS = (3217, 3221, 3225, 3255, 3501, 3503, 3505)
TRACE_FIELDS = (9, 29, 41, 45, 49, 69, 71, 73, 77, 81, 85, 89, 109, 115, 117, 215)
ODD_NUMBERS = st.sampled_from([0, 1, 2, 3, -1, 5, 8, 10, 255, 256, 1000, -1000, 2**15 - 1, -(2**15)])

once = settings(
    max_examples=2000, deadline=20000, database=None, suppress_health_check=list(HealthCheck), print_blob=True
)
some = settings(once, max_examples=200)


@st.composite
def fields(draw: st.DrawFn, name: str) -> tuple[list[int], bytes]:
    """Where in a file some header field is, once or in all traces, and what to write there."""
    order = draw(st.sampled_from([">", "<"]))
    width = BINARY_WIDTH
    if FIRST_TRACE[name] and draw(st.booleans()):
        places = [draw(st.sampled_from(BINARY_FIELDS)) - 1]
    else:
        byte = draw(st.sampled_from(TRACE_FIELDS))
        width = WIDTH[byte]
        traces = range(TRACES[name]) if draw(st.booleans()) else [draw(st.integers(0, TRACES[name] - 1))]
        places = [FIRST_TRACE[name] + trace * TRACE_SIZE[name] + byte - 1 for trace in traces]
    largest = 2 ** (8 * width - 1)
    value = draw(ODD_NUMBERS | st.integers(-largest, largest - 1))
    return places, np.array(value).astype(f"{order}i{width}").tobytes()


@st.composite
def damaged(draw: st.DrawFn, files: dict[str, bytes]) -> tuple[str, bytes]:
    """A small file after one to three accidents."""
    name = draw(st.sampled_from(list(files)))
    content = bytearray(files[name])
    for _ in range(draw(st.integers(1, 3))):
        accident = draw(st.sampled_from(["field", "field", "field", "bytes", "cut", "grow", "swap", "zero"]))
        at, other = (draw(st.integers(0, max(0, len(content) - 1))) for _ in range(2))
        if accident == "field":
            places, value = draw(fields(name))
            for place in places:
                content[place : place + len(value)] = value
        elif accident == "bytes":
            value = draw(st.binary(min_size=1, max_size=8))
            content[at : at + len(value)] = value
        elif accident == "cut":
            del content[at if draw(st.booleans()) else max(0, len(content) - TRACE_SIZE[name]) :]
        elif accident == "grow":
            content += draw(st.binary(max_size=300) | st.just(bytes(content[-TRACE_SIZE[name] :])))
        elif accident == "swap":
            size = TRACE_SIZE[name]
            one, two = bytes(content[at : at + size]), bytes(content[other : other + size])
            content[at : at + len(two)], content[other : other + len(one)] = two, one
        else:
            content[min(at, other) : max(at, other)] = bytes(abs(at - other))
    return name, bytes(content)


@pytest.mark.slow
def test_a_damaged_file_is_refused_or_read_as_segyio_reads_it(tmp_path: Path) -> None:
    outcomes: Counter[str] = Counter()

    @once
    @given(file=damaged(FILES))
    def check(file: tuple[str, bytes]) -> None:
        name, content = file
        path = tmp_path / name
        path.write_bytes(content)
        try:
            shots = open_shots(path)
        except SegyError as error:
            outcomes["refused" if str(path) in str(error) else f"refused without a name: {error}"] += 1
            return
        assert report(shots)
        outcomes[compare_with_segyio(shots)] += 1

    check()

    assert set(outcomes) <= {"refused", "as segyio", "read by the trace headers"}
    assert min(outcomes["refused"], outcomes["as segyio"]) > 200


def compare_with_segyio(shots: SegyShots) -> str:
    """Compare everything that is claimed of a file with what segyio reads of it."""
    layout = shots.layout
    endian = {">": "big", "<": "little"}[layout.order]
    opener = segyio.su.open if layout.kind == "SU" else segyio.open
    try:
        file = opener(layout.path, ignore_geometry=True, endian=endian)
    except (OSError, RuntimeError, ValueError):
        assert any("fit the file's size" in finding for finding in shots.findings)
        return "read by the trace headers"
    with file:
        if len(file.samples) != layout.nt:
            assert any("fit the file's size" in finding for finding in shots.findings)
            return "read by the trace headers"
        column = {byte: np.array(file.attributes(byte)[:], np.float64) for byte in TRACE_FIELDS}
        intervals = {*(column[117].astype(int) & 0xFFFF)}
        samples = ibm_numbers(layout) if layout.format == IBM else file.trace.raw[:]
        feet = False
        if layout.kind == "SEG-Y":
            assert int(file.format) == layout.format
            feet = file.bin[3255] == 2
            intervals.add(file.bin[3217] & 0xFFFF)
    assert {round(shots.dt * 1e6)} == intervals - {0}
    assert len(samples) == layout.traces
    check_traces(shots, column, samples)
    check_geometry(shots, column, FOOT if feet else 1.0)
    return "as segyio"


def ibm_numbers(layout: Layout) -> Any:
    """Samples by IBM's definition: segyio gets those wrong whose fraction has a leading zero."""
    raw = np.fromfile(layout.path, np.uint8)[-layout.traces * layout.trace_size :]
    words = (
        np.ascontiguousarray(raw.reshape(layout.traces, -1)[:, 240:]).view(f"{layout.order}u4").astype(int)
    )
    sign, exponent, fraction = words >> 31, (words >> 24 & 0x7F) - 64, (words & 0xFFFFFF) / 2**24
    with np.errstate(over="ignore"):
        return ((1 - 2 * sign) * fraction * 16.0**exponent).astype(np.float32)


def check_traces(shots: SegyShots, column: dict[int, Any], samples: Any) -> None:
    """Every trace with a signal is in one shot, with its samples."""
    silent = ~samples.astype(bool).any(axis=1) | ((column[29] >= 2) & (column[29] <= 8))
    used = np.concatenate([shot.traces for shot in shots.shots])
    assert len(set(used.tolist())) == len(used)
    np.testing.assert_array_equal(np.sort(used), np.flatnonzero(~silent))
    for shot in shots.shots:
        try:
            gather = shots.read(shot.number)
        except SegyError:
            assert not np.isfinite(samples[shot.traces].astype(np.float64)).all()
            continue
        np.testing.assert_array_equal(gather.T, samples[shot.traces].astype(np.float32))


def check_geometry(shots: SegyShots, column: dict[int, Any], metres: float) -> None:
    """Every trace is where its headers say, or as far from there as the report says."""

    def scaled(byte: int, scalar: int) -> Any:
        by = column[scalar]
        return (
            np.where(by < 0, column[byte] / np.where(by, abs(by), 1), column[byte] * np.where(by, by, 1))
            * metres
        )

    source = scaled(73, 71) + 1j * scaled(77, 71)
    receiver = scaled(81, 71) + 1j * scaled(85, 71)
    source_depth, receiver_depth = scaled(49, 69) - scaled(45, 69), -scaled(41, 69)
    told = next((f for f in shots.findings if "projected on the line" in f), None)
    off = float(told.split("the farthest is ")[1].split(" m")[0]) + 0.06 if told else 0.0
    largest = max(abs(source).max(), abs(receiver).max())
    used = np.concatenate([shot.traces for shot in shots.shots])
    places = np.unique(np.concatenate([source[used], receiver[used]]))
    length = abs(places[:, None] - places).max()
    for shot in shots.shots:
        rounding = 1e-9 * (1 + largest)
        assert abs(shots.line.places(np.array([shot.x])) - source[shot.traces]).max() <= off + rounding
        assert abs(shots.line.places(shot.receiver_x) - receiver[shot.traces]).max() <= off + rounding
        np.testing.assert_allclose(shot.depth, source_depth[shot.traces], rtol=1e-9, atol=1e-6)
        np.testing.assert_allclose(shot.receiver_depth, receiver_depth[shot.traces], rtol=1e-9, atol=1e-6)
        assert (np.diff(shot.receiver_x) > 0).all()
        counting = len({*column[9][used]}) == len(used)
        assert len({*column[9][shot.traces]}) == 1 or counting
    assert off <= MOST_OFF_LINE * length + 0.06
    if len({*column[9][used]}) > 1 and not any("counts traces" in finding for finding in shots.findings):
        assert [shot.number for shot in shots.shots] == [
            int(column[9][shot.traces[0]]) for shot in shots.shots
        ]


# -- onto a survey

STATED = {"gain": 1.0, "shift": 0.0}
"""What is else measured on records that are simulated, in a second or so."""


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
def test_a_damaged_line_is_brought_onto_a_survey_in_numbers_or_refused(tmp_path: Path) -> None:
    studies, outcomes = {}, Counter[str]()
    for name, content in LINES.items():
        (tmp_path / name).write_bytes(content)
        studies[name] = suggested(open_shots(tmp_path / name), tmp_path, STATED)

    @some
    @given(file=damaged(LINES), fitting=st.booleans(), stated=st.sampled_from([*[STATED] * 9, {}]))
    def check(file: tuple[str, bytes], fitting: bool, stated: dict[str, float]) -> None:
        name, content = file
        (tmp_path / name).write_bytes(content)
        try:
            shots = open_shots(tmp_path / name)
            study = suggested(shots, tmp_path, stated) if fitting else studies[name]
            line = prepare_for(study, shots, **stated)
            gathers = line.gathers([0])
        except (SegyError, RecordsError):
            outcomes["refused"] += 1
            return
        outcomes["brought"] += 1
        assert gathers.shape == (1, *line.survey.gather_shape)
        assert np.isfinite(gathers).all()

    check()

    assert min(outcomes["brought"], outcomes["refused"]) > 20


def suggested(shots: SegyShots, folder: Path, stated: dict[str, float]) -> StudyConfig:
    (folder / "study.yaml").write_text(suggest(shots, **stated).text)
    return config.load([folder / "study.yaml"])


# -- every header counts


HARMLESS = {69: (0, 1, -1), 89: (0, 1), 3255: (0, 1), 115: (0,), 117: (0,), 109: (0,)}
"""Values that mean the same as what is there, or that the header is empty where another has the number."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, object]:
    """Where the sound file is that is to be changed, and what an import gets to see of it."""
    path = tmp_path_factory.mktemp("changed") / "plain.sgy"
    return path, seen(path, FILES["plain.sgy"])


@pytest.mark.slow
@once
@given(data=st.data())
def test_another_value_in_a_header_that_matters_shows_or_is_refused(
    sound: tuple[Path, object], data: st.DataObject
) -> None:
    matters = (3217, 3221, 3225, 3255, 9, 41, 45, 49, 69, 71, 73, 77, 81, 85, 89, 109, 115, 117)
    byte = data.draw(st.sampled_from(matters))
    width = BINARY_WIDTH if byte > 240 else WIDTH[byte]
    largest = 2 ** (8 * width - 1)
    value = data.draw(ODD_NUMBERS | st.integers(-largest, largest - 1))
    assume(value not in HARMLESS.get(byte, ()))
    path, before = sound
    content = bytearray(FILES["plain.sgy"])
    places = [byte - 1]
    if byte <= 240:
        traces = range(18) if data.draw(st.booleans()) else [data.draw(st.integers(0, 17))]
        places = [FIRST_TRACE["plain.sgy"] + trace * TRACE_SIZE["plain.sgy"] + byte - 1 for trace in traces]
    for place in places:
        content[place : place + width] = np.array(value).astype(f">i{width}").tobytes()
    assume(content != FILES["plain.sgy"])

    after = seen(path, bytes(content))

    assert after != before


def seen(path: Path, content: bytes) -> object:
    """All that an import would get to see of a file; None if it is refused."""
    path.write_bytes(content)
    try:
        shots = open_shots(path)
    except SegyError:
        return None
    geometry = [
        (s.number, s.x, s.depth, s.receiver_x.tolist(), s.receiver_depth.tolist(), s.traces.tolist())
        for s in shots.shots
    ]
    return str(shots.layout), shots.dt, shots.nt, shots.start, shots.line, geometry, shots.findings


def test_the_files_to_damage_are_sound(tmp_path: Path) -> None:
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)

        shots = open_shots(tmp_path / name)

        assert [shot.number for shot in shots.shots] == [7, 8, 9], name
        assert compare_with_segyio(shots) == "as segyio", name
        assert shots.layout.format in FORMATS

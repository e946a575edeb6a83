"""Gathers and geometry from trace headers: grouped, scaled, projected, sorted; and what is refused."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import segyio
from numpy.typing import NDArray
from recordings import Recording, Values, line_of_shots

from data_prep.segy.headers import HeaderBytes, SegyError
from data_prep.segy.shots import SegyShots, open_shots, report

PUBLIC = Path(__file__).resolve().parents[4] / "shared/data/segy"
SHOT, RECEIVER = np.divmod(np.arange(18), 6)
"""Of each trace of ``line_of_shots``."""


def opened(recording: Recording, folder: Path, header_bytes: HeaderBytes | None = None) -> SegyShots:
    return open_shots(recording.write(folder / "shots.sgy"), header_bytes or HeaderBytes())


def refusal(recording: Recording, folder: Path) -> str:
    with pytest.raises(SegyError) as raised:
        opened(recording, folder)
    return str(raised.value)


# -- gathers


def test_gathers_come_back_in_order_of_shots_and_receivers(tmp_path: Path) -> None:
    recording = line_of_shots()
    shuffled = recording.chosen(np.random.default_rng(0).permutation(18))

    shots = opened(shuffled, tmp_path)

    assert [shot.number for shot in shots.shots] == [7, 8, 9]
    assert [shot.x for shot in shots.shots] == [100, 200, 300]
    for i, shot in enumerate(shots.shots):
        np.testing.assert_array_equal(shot.receiver_x, 1000 + 25 * np.arange(6))
        np.testing.assert_array_equal(shots.read(shot.number), recording.samples[6 * i : 6 * i + 6].T)
        np.testing.assert_array_equal(shuffled.samples[shot.traces], shots.read(shot.number).T)
        assert (shot.depth, *set(shot.receiver_depth)) == (5, 8)
    assert (shots.dt, shots.nt, shots.start, shots.findings) == (0.004, 20, 0, ())


@pytest.mark.parametrize("record", [0, 3])
def test_without_field_records_the_sources_place_tells_the_shots_apart(tmp_path: Path, record: int) -> None:
    recording = line_of_shots().spoiled({9: record, 73: 100_00 * (3 - SHOT)})

    shots = opened(recording, tmp_path)

    assert [(shot.number, shot.x) for shot in shots.shots] == [(1, 100), (2, 200), (3, 300)]
    np.testing.assert_array_equal(shots.read(1), recording.samples[12:].T)
    assert f"byte 9, which should tell the shots apart, is {record}" in shots.findings[0]


@pytest.mark.parametrize("sources", [3, 1])
def test_field_records_that_count_traces_do_not_tell_the_shots_apart(tmp_path: Path, sources: int) -> None:
    recording = line_of_shots(shots=sources)
    counting = recording.spoiled({9: 1001 + np.arange(6 * sources)})

    shots = opened(counting, tmp_path)

    assert [(shot.number, shot.x) for shot in shots.shots] == [(i, 100 * i) for i in range(1, sources + 1)]
    np.testing.assert_array_equal(shots.read(1), recording.samples[:6].T)
    assert (
        f"byte 9, which should tell the shots apart, is another in each of the {6 * sources} trace headers"
        in (shots.findings[0])
    )
    assert "--bytes.shot 0" in shots.findings[0]


def test_shots_of_one_receiver_each_are_no_counted_traces(tmp_path: Path) -> None:
    shots = opened(line_of_shots().chosen([0, 6, 12]), tmp_path)

    assert [shot.number for shot in shots.shots] == [7, 8, 9]


def test_field_records_at_one_place_are_told_with_their_remedy(tmp_path: Path) -> None:
    shots = opened(line_of_shots().spoiled({9: 7 + SHOT + 10 * (RECEIVER > 2)}), tmp_path)

    assert len(shots.shots) == 6
    assert "shots share a place, such as 7 and 17 at 100 m; --bytes.shot 0 takes" in shots.findings[0]


def test_shots_may_be_told_apart_by_another_byte(tmp_path: Path) -> None:
    recording = line_of_shots().spoiled({9: 1, 17: 101 + SHOT})

    by_point = opened(recording, tmp_path, HeaderBytes(shot=17))
    by_place = opened(recording, tmp_path, HeaderBytes(shot=0))

    assert [shot.number for shot in by_point.shots] == [101, 102, 103]
    assert [shot.number for shot in by_place.shots] == [1, 2, 3]
    assert not by_point.findings
    assert not by_place.findings


def test_one_shot_at_the_origin_is_a_shot(tmp_path: Path) -> None:
    recording = line_of_shots(shots=1).spoiled({9: 0, 73: 0})

    shots = opened(recording, tmp_path)

    assert [(shot.number, shot.x) for shot in shots.shots] == [(1, 0)]


def test_an_unknown_shot_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    shots = opened(line_of_shots(), tmp_path)

    with pytest.raises(SegyError, match="no shot 1 among its 3: 7, 8, 9"):
        shots.read(1)


# -- geometry


@pytest.mark.parametrize(("scalar", "factor"), [(-1000, 1e-3), (-1, 1), (0, 1), (1, 1), (10, 10)])
def test_scalars_divide_if_negative_and_multiply_if_positive(
    tmp_path: Path, scalar: int, factor: float
) -> None:
    recording = line_of_shots().spoiled({71: scalar, 69: scalar})

    shot = opened(recording, tmp_path).shots[0]

    assert shot.x == pytest.approx(10000 * factor)
    assert shot.receiver_x == pytest.approx((100000 + 2500 * np.arange(6)) * factor)
    assert shot.depth == pytest.approx(5 * factor)
    assert shot.receiver_depth == pytest.approx(8 * factor)


def test_a_scalar_unknown_to_the_standard_is_applied_and_told(tmp_path: Path) -> None:
    shots = opened(line_of_shots().spoiled({71: 7}), tmp_path)

    assert shots.shots[0].x == 70000
    assert "coordinate scalar (byte 71) is 7" in "\n".join(shots.findings)


def test_depth_is_below_the_datum_the_elevation_is_above(tmp_path: Path) -> None:
    recording = line_of_shots().spoiled({45: 300, 49: 12, 41: 310, 69: -10})

    shots = opened(recording, tmp_path)

    assert shots.shots[0].depth == pytest.approx(1.2 - 30)
    assert shots.shots[0].receiver_depth == pytest.approx(-31)
    assert "sources are up to 28.8 m above the datum" in shots.findings[0]
    assert "receivers are up to 31 m above the datum" in shots.findings[1]


def test_elevations_that_are_depths_are_read_so_when_told(tmp_path: Path) -> None:
    recording = line_of_shots().spoiled({45: 20, 49: 0, 41: 50})
    told = HeaderBytes(source_depth=45, source_elevation=0, receiver_depth=41, receiver_elevation=0)

    shots = opened(recording, tmp_path, told)

    assert shots.shots[0].depth == 20
    assert set(shots.shots[0].receiver_depth) == {50}
    assert not shots.findings


def test_coordinates_on_the_map_are_projected_with_offsets_kept(tmp_path: Path) -> None:
    heading = np.exp(1j * np.radians(90 - 30))  # 30 degrees from north
    aside = np.where(RECEIVER % 2, 3.0, -3.0) * 1j
    source = 431000 + 6789000j + heading * 100 * (1 + SHOT)
    receiver = 431000 + 6789000j + heading * (1000 + 25 * RECEIVER + aside)
    places = {73: source.real, 77: source.imag, 81: receiver.real, 85: receiver.imag}
    recording = line_of_shots().spoiled({byte: np.rint(v * 100) for byte, v in places.items()})

    shots = opened(recording, tmp_path)

    assert shots.line.azimuth == pytest.approx(30, abs=0.2)
    assert shots.shots[0].x == pytest.approx(0, abs=0.01)
    for i, shot in enumerate(shots.shots):
        assert shot.offset == pytest.approx(900 - 100 * i + 25 * np.arange(6), abs=0.1)
        np.testing.assert_allclose(shots.line.places(np.array([shot.x])), source[6 * i], rtol=0, atol=4)
    assert "projected on the line that fits best" in shots.findings[0]
    assert "30." in shots.findings[0]
    assert float(shots.findings[0].split("the farthest is ")[1].split(" m")[0]) == pytest.approx(3, abs=1)


def test_a_crooked_line_is_refused_with_the_numbers(tmp_path: Path) -> None:
    recording = line_of_shots().spoiled({85: 30_00 * RECEIVER**2})

    message = refusal(recording, tmp_path)

    assert "not a straight line" in message
    assert "at most 5% of its length" in message
    assert "set source_y and receiver_y to 0" in message


def test_northings_that_are_wrong_need_not_be_read(tmp_path: Path) -> None:
    recording = line_of_shots().spoiled({85: 30_00 * RECEIVER**2})

    shots = opened(recording, tmp_path, HeaderBytes(source_y=0, receiver_y=0))

    assert shots.shots[0].receiver_x.tolist() == (1000 + 25 * np.arange(6)).tolist()


def test_feet_become_metres(tmp_path: Path) -> None:
    shots = opened(line_of_shots().spoiled(binary={3255: 2}), tmp_path)

    shot = shots.shots[0]
    assert shot.x == pytest.approx(30.48)
    assert shot.receiver_x == pytest.approx((1000 + 25 * np.arange(6)) * 0.3048)
    assert (shot.depth, shot.receiver_depth[0]) == pytest.approx((1.524, 2.4384))
    assert "feet" in shots.findings[0]


def test_an_unknown_unit_of_length_is_told(tmp_path: Path) -> None:
    shots = opened(line_of_shots().spoiled(binary={3255: 9}), tmp_path)

    assert "measurement system (byte 3255) is 9" in shots.findings[0]


@pytest.mark.parametrize(("code", "name"), [(2, "seconds of arc"), (4, "degrees, minutes, seconds")])
def test_angles_are_refused_unless_told_to_be_lengths(tmp_path: Path, code: int, name: str) -> None:
    recording = line_of_shots().spoiled({89: code})

    assert f"the coordinates are {name}, says code {code} in byte 89" in refusal(recording, tmp_path)
    assert opened(recording, tmp_path, HeaderBytes(coordinate_units=0)).shots[0].x == 100


def test_degrees_that_can_be_none_are_lengths(tmp_path: Path) -> None:
    shots = opened(line_of_shots().spoiled({89: 3}), tmp_path)

    assert shots.shots[0].x == 100
    assert "go up to 1125, which can be none" in shots.findings[0]


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({73: 0}, "those of sources (bytes 73 and 77) are zero"),
        ({81: 0}, "those of receivers (bytes 81 and 85) are zero"),
        ({73: 0, 81: 0}, "those of sources (bytes 73 and 77) and receivers (bytes 81 and 85) are zero"),
        ({73: 500, 81: 500}, "all sources and receivers are at (5, 0) m"),
        ({73: 100 * np.arange(18)}, "shot 7 has more than one source, such as (0, 0) and (1, 0) m"),
        ({49: np.arange(18)}, "shot 7 has more than one source, such as at depths of 0 and 5 m"),
    ],
)
def test_missing_or_contradicting_coordinates_are_refused(
    tmp_path: Path, headers: dict[int, Values], message: str
) -> None:
    assert message in refusal(line_of_shots().spoiled(headers), tmp_path)


def test_a_receiver_twice_in_a_shot_is_refused_with_both_traces(tmp_path: Path) -> None:
    doubled = line_of_shots().chosen([*range(10), 8, *range(10, 18)])

    message = refusal(doubled, tmp_path)

    assert "shot 8 has 1 receivers twice: traces 9 and 11 are both at 1050 m" in message


def test_uneven_geometry_is_told(tmp_path: Path) -> None:
    recording = line_of_shots(shots=4).chosen([*range(8), *range(9, 24)])
    x = np.repeat([100_00, 200_00, 200_00, 400_00], [6, 5, 6, 6])

    shots = opened(recording.spoiled({73: x}), tmp_path)

    found = "\n".join(shots.findings)
    assert "shots share a place, such as 8 and 9 at 200 m" in found
    assert "shots are not evenly spread: 0 .. 200 m" in found
    assert "receivers are not evenly spread: 25 .. 50 m, 25 m apart as a rule" in found
    assert "shots have 5 .. 6 receivers, the fewest shot 8" in found


# -- time


def test_the_interval_may_be_in_the_trace_headers_alone(tmp_path: Path) -> None:
    shots = opened(line_of_shots().spoiled(binary={3217: 0}), tmp_path)

    assert shots.dt == 0.004
    assert "4000 microseconds, is in the trace headers alone" in shots.findings[0]


def test_the_interval_may_be_in_the_binary_header_alone(tmp_path: Path) -> None:
    assert opened(line_of_shots().spoiled({117: 0}), tmp_path).dt == 0.004


def test_the_delay_is_when_the_traces_begin(tmp_path: Path) -> None:
    shots = opened(line_of_shots().spoiled({109: 250, 215: -10}), tmp_path)

    assert shots.start == 0.025
    assert "begin 0.025 s after the shot" in shots.findings[0]


@pytest.mark.parametrize(
    ("headers", "binary", "message"),
    [
        (
            {117: 0},
            {3217: 0},
            "zero in the binary header (bytes 3217-3218) and in all trace headers (byte 117)",
        ),
        (
            {},
            {3217: 2000},
            "is 2000 microseconds in the binary header (bytes 3217-3218), and 4000 in the trace",
        ),
        (
            {117: np.where(RECEIVER == 3, 2000, 4000)},
            {},
            "2000 and 4000 microseconds (byte 117), 2000 in trace 4",
        ),
        ({117: np.where(RECEIVER == 3, 2000, 4000)}, {3217: 0}, "2000 and 4000 microseconds (byte 117)"),
        ({115: np.where(SHOT == 2, 15, 20)}, {}, "different length: 15 and 20 samples by their headers"),
        ({109: 4 * SHOT}, {}, "begin at different times, 0 to 0.008 s after the shot (byte 109)"),
    ],
)
def test_headers_that_disagree_about_time_are_refused(
    tmp_path: Path, headers: dict[int, Values], binary: dict[int, int], message: str
) -> None:
    assert message in refusal(line_of_shots().spoiled(headers, binary=binary), tmp_path)


def test_a_header_that_is_wrong_throughout_need_not_be_read(tmp_path: Path) -> None:
    recording = line_of_shots().spoiled({117: 2000, 115: np.arange(18)})

    shots = opened(recording, tmp_path, HeaderBytes(interval=0, samples=0))

    assert (shots.dt, shots.nt) == (0.004, 20)


# -- samples


def test_dead_and_auxiliary_traces_are_left_out_whatever_their_headers_say(tmp_path: Path) -> None:
    recording = line_of_shots()
    recording.samples[[1, 2]] = 0
    kind, x, empty = np.ones(18, int), recording.headers[81] * np.ones(18, int), np.full(18, 4000)
    kind[3], kind[17], kind[2] = 2, 6, 0
    x[[1, 2]], empty[[1, 2]] = 0, 0

    shots = opened(recording.spoiled({29: kind, 81: x, 117: empty}), tmp_path)

    assert shots.dead.tolist() == [1, 2, 3]
    assert shots.shots[0].traces.tolist() == [0, 4, 5]
    assert shots.shots[2].traces.tolist() == [12, 13, 14, 15, 16]
    assert "3 dead traces (all zero, or marked so) are left out: 2, 3, 4" in shots.findings[1]
    assert "1 auxiliary traces (trace identification code 3 to 8) are left out: 18" in shots.findings[0]


@pytest.mark.parametrize(("is_", "said"), [(5, 1), (1, 5)])
@pytest.mark.parametrize("order", [">", "<"])
def test_a_number_format_that_the_samples_do_not_look_like_is_told(
    tmp_path: Path, is_: int, said: int, order: str
) -> None:
    numbers = np.random.default_rng(0).standard_normal((18, 400)).astype(np.float32)
    bits = numbers.view(np.uint32) if is_ == 5 else ibm(numbers)
    recording = line_of_shots(nt=400).spoiled(samples=bits, order=order)

    right = opened(recording.spoiled(binary={3225: is_}), tmp_path)
    wrong = opened(recording.spoiled(binary={3225: said}), tmp_path)

    np.testing.assert_allclose(right.read(7), numbers[:6].T, rtol=1e-5)
    assert right.findings == ()
    assert f"if so, write {is_} there" in wrong.findings[0]


def ibm(numbers: NDArray[np.float32]) -> NDArray[np.uint32]:
    """IBM floating point: sign, exponent of 16 plus 64, and a fraction of at least a sixteenth."""
    exponent = np.floor(np.log2(np.abs(numbers)) / 4).astype(int) + 1
    fraction = (np.abs(numbers).astype(np.float64) / 16.0**exponent * 2**24).astype(np.uint32)
    return np.signbit(numbers).astype(np.uint32) << 31 | (exponent + 64).astype(np.uint32) << 24 | fraction


@pytest.mark.parametrize(("code", "zero"), [(5, 0x80000000), (1, 0x80000000), (1, 0x41000000)])
@pytest.mark.parametrize("order", [">", "<"])
def test_zeros_with_a_sign_or_an_exponent_are_zeros(tmp_path: Path, code: int, zero: int, order: str) -> None:
    samples = np.full((18, 20), 0x41100000, np.uint32)
    samples[4] = zero

    shots = opened(line_of_shots().spoiled(samples=samples, order=order, binary={3225: code}), tmp_path)

    assert shots.dead.tolist() == [4]


def test_a_file_of_zeros_is_refused(tmp_path: Path) -> None:
    recording = line_of_shots()
    recording.samples[...] = 0

    assert "none of the 18 traces has a signal: 18 are dead" in refusal(recording, tmp_path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_sample_that_is_no_number_is_refused_with_its_trace(tmp_path: Path, value: float) -> None:
    recording = line_of_shots()
    recording.samples[8, 4] = value
    shots = opened(recording, tmp_path)

    with pytest.raises(
        SegyError, match=rf"trace 9 \(shot 8, receiver at 1050 m\) has {value} at sample 5; 1 of"
    ):
        shots.read(8)

    assert np.isfinite(shots.read(7)).all()


def test_a_file_that_shrinks_between_scan_and_reading_is_refused(tmp_path: Path) -> None:
    recording = line_of_shots()
    shots = opened(recording, tmp_path)
    shots.path.write_bytes(recording.segy()[:-100])

    with pytest.raises(SegyError, match="became shorter"):
        shots.read(9)


def test_memory_stays_far_below_the_size_of_the_file(tmp_path: Path) -> None:
    traces, nt = 4000, 8000
    one = line_of_shots(shots=1, receivers=2, nt=nt).segy()
    path, size = tmp_path / "large.sgy", 240 + 4 * nt
    with open(path, "wb") as file:  # holes between the headers take no room on the disk
        file.write(one[:3600])
        for shot, receiver in np.ndindex(traces // 100, 100):
            trace = bytearray(one[3600 : 3600 + 244])
            trace[8:12], trace[72:76], trace[80:84] = (
                np.array(value, ">i4").tobytes() for value in (1 + shot, 1000 * shot, 1000 * receiver + 7)
            )
            file.seek(3600 + (100 * shot + receiver) * size)
            file.write(trace)
        file.truncate(3600 + traces * size)

    tracemalloc.start()
    shots = open_shots(path)
    scanning = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    gather = shots.read(20)
    reading = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert path.stat().st_size > 120e6
    assert scanning < 25e6
    assert gather.shape == (nt, 100)
    assert reading < 7 * gather.nbytes


# -- the report


def test_no_position_is_said_to_be_minus_zero(tmp_path: Path) -> None:
    receivers = {81: [362079_00, 181845_00], 85: [61219_00, 389293_00]}
    slant = line_of_shots(shots=1, receivers=2).spoiled({73: 362079_00, 77: 61219_00, **receivers})

    said = report(opened(slant, tmp_path))

    assert "shots      1, x 0 m" in said
    assert f"receivers  2 per shot, x 0 .. {np.hypot(180234, 328074):.3f} m" in said
    assert "e-" not in said


def test_the_report_has_the_geometry_and_what_is_odd(tmp_path: Path) -> None:
    recording = line_of_shots().spoiled(binary={3217: 0})
    recording.samples[1] = 0

    text = report(opened(recording, tmp_path))

    for told in (
        "SEG-Y, big endian, 4-byte IEEE floating point",
        "3, x 100 .. 300 m, 100 m apart, depth 5 m",
        "5 .. 6 per shot, x 1000 .. 1125 m, 25 m apart, depth 8 m",
        "700 .. 1025 m from source to receiver, the nearest 700 m",
        "20 samples every 4 ms, 0 .. 0.076 s",
        "18, 1 of them dead",
        "trace headers alone",
        "dead traces",
    ):
        assert told in text


# -- files that others wrote


def test_real_marine_shots_are_read_as_their_publishers_describe_them() -> None:
    path = PUBLIC / "viking_four_shots.segy"
    if not path.exists():
        pytest.skip("no public records beside the repository")

    shots = open_shots(path)

    assert [shot.number for shot in shots.shots] == [3, 4, 5, 6]
    assert (shots.dt, shots.nt, shots.layout.format) == (0.004, 600, 1)
    with segyio.open(path, ignore_geometry=True) as file:
        traces = file.trace.raw[:]
    for i, shot in enumerate(shots.shots):
        assert (shot.offset.min(), shot.offset.max(), shot.depth) == (-3237, -262, 6)
        np.testing.assert_array_equal(np.diff(shot.receiver_x), 25)
        np.testing.assert_array_equal(shots.read(shot.number), traces[120 * i : 120 * i + 120].T)
    assert any("1500 samples" in finding for finding in shots.findings)
    assert any("degrees" in finding for finding in shots.findings)


def test_synthetic_shots_are_where_their_publishers_put_them() -> None:
    path = PUBLIC / "two_shots_2d.segy"
    if not path.exists():
        pytest.skip("no public records beside the repository")

    shots = open_shots(path)

    assert [(shot.number, shot.x) for shot in shots.shots] == [(1, 100), (2, 1100)]
    for shot in shots.shots:
        assert shot.receiver_x == pytest.approx(np.linspace(50, 1150, 120), abs=1e-3)
        assert shots.read(shot.number).shape == (501, 120)
    assert shots.dt == 0.002
    assert any("positive elevations" in finding for finding in shots.findings)

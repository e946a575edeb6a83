"""Which files are SEG-Y or SU, and how they are laid out."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
import segyio
from recordings import WIDTH, line_of_shots

from data_prep.segy.headers import HeaderBytes, SegyError, width
from data_prep.segy.layout import detect
from data_prep.segy.samples import FORMATS
from data_prep.segy.shots import open_shots

# -- what is read


@pytest.mark.parametrize("order", [">", "<"])
@pytest.mark.parametrize("name", ["a.sgy", "a.su", "as_segy_without_suffix"])
def test_byte_order_and_kind_are_recognised_and_told(tmp_path: Path, name: str, order: str) -> None:
    recording = line_of_shots().spoiled(order=order)

    layout = detect(recording.write(tmp_path / name))

    assert (layout.order, layout.nt, layout.traces) == (order, 20, 18)
    assert str(layout).startswith("SU" if name == "a.su" else "SEG-Y")
    assert {">": "big", "<": "little"}[order] in str(layout)


@pytest.mark.parametrize("order", [">", "<"])
def test_su_is_recognised_without_its_suffix(tmp_path: Path, order: str) -> None:
    path = tmp_path / "shots.dat"
    path.write_bytes(line_of_shots().spoiled(order=order).su())

    layout = detect(path)

    assert (layout.kind, layout.order, layout.nt, layout.traces) == ("SU", order, 20, 18)


def test_a_segy_named_su_is_read_as_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "shots.su"
    path.write_bytes(line_of_shots().segy())

    assert detect(path).kind == "SEG-Y"


@pytest.mark.parametrize("endian", ["big", "little"])
@pytest.mark.parametrize("code", FORMATS)
def test_every_format_that_segyio_writes_is_read(tmp_path: Path, code: int, endian: str) -> None:
    samples = np.random.default_rng(0).integers(-100, 100, (4, 30)).astype(np.float32)
    path, spec = tmp_path / "a.sgy", segyio.spec()
    spec.format, spec.samples, spec.tracecount, spec.endian = code, range(30), 4, endian
    with segyio.create(path, spec) as file:
        for trace in range(4):
            file.header[trace] = {9: 1, 73: 500, 81: 100 * trace, 115: 30, 117: 2000}
            file.trace[trace] = samples[trace].astype(file.dtype)
        file.bin.update({segyio.BinField.Interval: 2000})

    shots = open_shots(path)

    assert FORMATS[code].name in str(shots.layout)
    np.testing.assert_array_equal(shots.read(1), samples.T)


@pytest.mark.parametrize("order", [">", "<"])
@pytest.mark.parametrize(("samples", "told"), [(0, False), (20, False), (500, True)])
def test_another_number_of_samples_by_revision_2_is_told(
    tmp_path: Path, order: str, samples: int, told: bool
) -> None:
    low = 3271 if order == ">" else 3269  # of the four bytes 3269 to 3272
    recording = line_of_shots().spoiled(order=order, binary={3501: 0x0200, low: samples})

    layout = detect(recording.write(tmp_path / "a.sgy"))

    assert layout.nt == 20
    assert any("revision 2, with 500 samples" in finding for finding in layout.findings) == told


@pytest.mark.parametrize(("count", "said"), [(2, 2), (3, -1), (1, -1)])
@pytest.mark.parametrize("coding", ["ascii", "cp037"])
def test_extended_textual_headers_are_passed_over(tmp_path: Path, count: int, said: int, coding: str) -> None:
    texts = ["more"] * (count - 1) + ["((SEG: EndText))"]
    extended = b"".join(text.ljust(3200).encode(coding) for text in texts)
    plain = line_of_shots()
    path = plain.spoiled(extended=extended, binary={3505: said}).write(tmp_path / "a.sgy")

    gather = open_shots(path).read(7)

    np.testing.assert_array_equal(gather, plain.samples[:6].T)


def test_the_trace_headers_tell_the_samples_where_the_binary_header_does_not_fit(tmp_path: Path) -> None:
    empty = line_of_shots().spoiled(binary={3221: 0}).write(tmp_path / "empty.sgy")
    wrong = line_of_shots().spoiled(binary={3221: 33}).write(tmp_path / "wrong.sgy")

    assert detect(empty).nt == detect(wrong).nt == 20
    assert "33 samples per trace (byte 3221)" in open_shots(wrong).findings[0]
    assert "0 samples per trace (byte 3221)" in open_shots(empty).findings[0]


def test_header_values_are_as_wide_as_segyio_has_them() -> None:
    standard = {byte: size for byte, size in WIDTH.items() if size in (2, 4)}

    assert {byte: int(width("shot", byte)[1]) for byte in standard} == standard


def test_positions_are_four_bytes_wide_wherever_a_file_keeps_them(tmp_path: Path) -> None:
    recording = line_of_shots()
    content = bytearray(recording.segy())
    receiver_x = 300_000_00 + np.asarray(recording.headers[81])
    for trace, x in enumerate(receiver_x):
        header = 3600 + trace * (240 + 4 * 20)
        # At byte 201, where the standard has two bytes.
        content[header + 200 : header + 204] = int(x).to_bytes(4, "big")
    path = tmp_path / "a.sgy"
    path.write_bytes(content)

    shots = open_shots(path, HeaderBytes(receiver_x=201))

    np.testing.assert_allclose(shots.shots[0].receiver_x, 301000 + 25 * np.arange(6))


# -- what is refused


SEGY = line_of_shots().segy()
PNG = b"\x89PNG\r\n\x1a\n" + np.random.default_rng(1).integers(0, 256, 9000, np.uint8).tobytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (PNG, "neither SEG-Y nor SU"),
        (b"x,y,z\n1,2,3\n" * 1000, "neither SEG-Y nor SU"),
        (bytes(20000), "neither SEG-Y nor SU"),
        (SEGY[:100], "neither SEG-Y nor SU"),
        (SEGY[:3500], "no traces"),
        (SEGY[:3600], "no traces"),
        (SEGY[:-1], "Either trace 18 lacks its last 1 bytes"),
        (SEGY[:-100], "Either trace 18 lacks its last 100 bytes"),
        (SEGY + b"xyz", "3 bytes are left after trace 18"),
        (line_of_shots().spoiled({115: 0}, binary={3221: 0}).segy(), "no number of samples per trace"),
        (line_of_shots().spoiled({115: 44}, binary={3221: 33}).segy(), "first trace header says 44"),
        (line_of_shots().spoiled(binary={3225: 4}).segy(), "format code 4"),
        (line_of_shots().spoiled(binary={3505: -2}).segy(), "-2 extended textual headers"),
        (line_of_shots().spoiled(binary={3505: -1}).segy(), "EndText"),
        (line_of_shots().spoiled(binary={3505: 7}).segy(), "no traces: the file ends"),
    ],
)
def test_what_is_no_whole_segy_is_refused_with_the_reason(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "shots.sgy"
    path.write_bytes(content)

    with pytest.raises(SegyError) as refusal:
        detect(path)

    assert message in str(refusal.value)
    assert str(path) in str(refusal.value)


def test_su_cut_short_is_refused_with_both_readings_of_its_samples(tmp_path: Path) -> None:
    path = tmp_path / "shots.su"
    path.write_bytes(line_of_shots().su()[:-10])

    with pytest.raises(SegyError, match=r"5120 samples \(little endian\) or 20 \(big endian\)"):
        detect(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(SegyError, match="no such file"):
        detect(tmp_path / "absent.sgy")
    with pytest.raises(SegyError, match="a folder"):
        detect(tmp_path)
    with pytest.raises(SegyError, match="a device"):
        detect(tmp_path / "pipe")


def test_a_disk_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = line_of_shots().write(tmp_path / "a.sgy")

    class Failing(io.BytesIO):
        name = str(path)

        def read(self, size: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr("builtins.open", lambda *_: Failing(path.read_bytes()))

    with pytest.raises(SegyError, match=r"unreadable behind byte 0 \(Input/output error\)"):
        detect(path)


def test_a_file_without_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = line_of_shots().write(tmp_path / "a.sgy")

    def refuse(*_: object) -> None:  # as root, the tests may read everything
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("builtins.open", refuse)

    with pytest.raises(SegyError, match=r"cannot be opened \(Permission denied\)"):
        detect(path)

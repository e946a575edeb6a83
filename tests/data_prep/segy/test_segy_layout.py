"""Which files are SEG-Y or SU, and how they are laid out."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
import segyio
from recordings import WIDTH, Recording, line_of_shots

from data_prep.segy.headers import HeaderBytes, SegyError, width
from data_prep.segy.layout import detect
from data_prep.segy.samples import FORMATS
from data_prep.segy.shots import open_shots
from data_prep.segy.strangers import StrangerError

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


@pytest.mark.parametrize("coding", ["ascii", "cp037"])
@pytest.mark.parametrize(
    "end", ["((SEG:EndText))", "((  seg: endTEXt  ))", "\n(( SEG : ENDTEXT ))\r\n", "((seg:\tEndText))"]
)
def test_the_end_of_extended_texts_is_found_however_it_is_written(
    tmp_path: Path, end: str, coding: str
) -> None:
    extended = b"".join(text.ljust(3200).encode(coding) for text in ("((SEG: Layout))", end))
    path = line_of_shots().spoiled(extended=extended, binary={3505: -1}).write(tmp_path / "a.sgy")

    assert detect(path).first == 3600 + 2 * 3200


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


# -- revision 2


def revision_2(recording: Recording, fields: dict[int, tuple[str, float]], minor: int = 0) -> bytes:
    """A recording of revision 2, with fields of its binary header as numpy types and values by their byte."""
    content = bytearray(recording.spoiled(binary={3501: 0}).segy())
    content[3500:3502] = bytes([2, minor])
    for byte, (kind, value) in fields.items():
        raw = np.array(value).astype(recording.order + kind).tobytes()
        content[byte - 1 : byte - 1 + len(raw)] = raw
    return bytes(content)


def with_extensions(content: bytes, recording: Recording, extensions: list[bytes]) -> bytes:
    """The same bytes with further headers behind each trace's first."""
    headers = b"".join(extension.ljust(240, b"\0") for extension in extensions)
    size = 240 + recording.samples.itemsize * recording.samples.shape[1]
    traces = [content[at : at + size] for at in range(3600, len(content), size)]
    return content[:3600] + b"".join(trace[:240] + headers + trace[240:] for trace in traces)


@pytest.mark.parametrize("order", [">", "<"])
@pytest.mark.parametrize(
    ("minor", "fields"),
    [
        (0, {3507: ("i4", 2)}),
        (0, {3507: ("i2", 2)}),  # as is written where the later revision is read
        (1, {3507: ("i2", 2)}),
        (1, {3507: ("i2", 2), 3509: ("i2", 18)}),  # and the type of the survey
    ],
)
def test_trace_header_extensions_are_passed_over(
    tmp_path: Path, minor: int, fields: dict[int, tuple[str, float]], order: str
) -> None:
    plain = line_of_shots().spoiled(order=order)
    path = tmp_path / "a.sgy"
    content = revision_2(plain, fields, minor)
    path.write_bytes(with_extensions(content, plain, [bytes(232) + b"SEG00001", b"of somebody's own"]))

    shots = open_shots(path)

    assert (shots.layout.extensions, shots.layout.traces, shots.nt) == (2, 18, 20)
    assert any("extensions, 2 of each trace (byte 3507)" in finding for finding in shots.findings)
    np.testing.assert_array_equal(shots.read(7), plain.samples[:6].T)


def test_the_type_of_a_survey_is_no_number_of_extensions(tmp_path: Path) -> None:
    path = tmp_path / "a.sgy"
    path.write_bytes(revision_2(line_of_shots(), {3509: ("i2", 18)}, minor=1))

    assert (detect(path).extensions, detect(path).traces) == (0, 18)


def test_extensions_that_do_not_fit_the_size_are_refused_by_their_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.sgy"
    path.write_bytes(revision_2(line_of_shots(), {3507: ("i4", 5)}))

    with pytest.raises(SegyError, match=r"5 trace header extensions \(byte 3507\) make traces of 1520 bytes"):
        detect(path)


def test_coordinates_that_an_extension_alone_has_are_refused_by_their_byte(tmp_path: Path) -> None:
    plain = line_of_shots().spoiled({73: 0})
    extension = bytearray(bytes(232) + b"SEG00001")
    extension[96:104] = np.array(100.0, ">f8").tobytes()
    path = tmp_path / "a.sgy"
    path.write_bytes(with_extensions(revision_2(plain, {3507: ("i4", 1)}), plain, [bytes(extension)]))

    with pytest.raises(
        SegyError, match=r"says 100 for the source x \(byte 97 of the extension\).* 0 \(byte 73\)"
    ):
        open_shots(path)


@pytest.mark.parametrize("order", [">", "<"])
def test_numbers_that_need_more_than_16_bits_are_read(tmp_path: Path, order: str) -> None:
    plain = line_of_shots(shots=1, receivers=2, nt=70000).spoiled({115: 0, 117: 0}, order=order)
    fields = {3221: ("u2", 0), 3217: ("u2", 0), 3269: ("u4", 70000), 3273: ("f8", 62.5), 3513: ("u8", 2)}
    path = tmp_path / "a.sgy"
    path.write_bytes(revision_2(plain, fields))

    shots = open_shots(path)

    assert (shots.nt, shots.dt, shots.layout.traces) == (70000, 62.5e-6, 2)
    np.testing.assert_array_equal(shots.read(7), plain.samples.T)


@pytest.mark.parametrize(
    "fields",
    [
        {3521: ("u8", 3600 + 3200)},
        {3521: ("u8", 3600 + 3200), 3505: ("i2", -1)},
        {3505: ("i2", 1), 3529: ("i4", 2)},
        {3505: ("i2", 1), 3529: ("i4", -1), 3513: ("u8", 18)},
    ],
)
def test_the_first_and_the_last_trace_are_where_revision_2_says(
    tmp_path: Path, fields: dict[int, tuple[str, float]]
) -> None:
    plain = line_of_shots().spoiled(extended=b"text".ljust(3200))
    path = tmp_path / "a.sgy"
    path.write_bytes(revision_2(plain, fields) + (2 * 3200 * b"t" if 3529 in fields else b""))

    shots = open_shots(path)

    assert shots.layout.traces == 18
    np.testing.assert_array_equal(shots.read(7), plain.samples[:6].T)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({3521: ("u8", 10**12)}, r"first trace begins behind byte 1000000000000 \(bytes 3521-3528\)"),
        ({3521: ("u8", 100)}, r"\(bytes 3521-3528\)"),
        ({3529: ("i4", -1)}, r"-1 data trailer records \(bytes 3529-3532\)"),
        ({3529: ("i4", 2**30)}, "no traces"),
        ({3273: ("f8", float("nan"))}, r"extended sample interval \(bytes 3273-3280\) is nan"),
        ({3273: ("f8", 2000.0)}, r"4000 \(bytes 3217-3218\) and of 2000 microseconds \(bytes 3273-3280\)"),
        ({3297: ("u4", 0x04030201)}, r"byte order \(bytes 3297-3300\) is 04 03 02 01, but .* big endian"),
        ({3297: ("u4", 0x02010403)}, r"byte order \(bytes 3297-3300\) is 02 01 04 03"),
    ],
)
def test_what_revision_2_cannot_mean_is_refused_by_its_bytes(
    tmp_path: Path, fields: dict[int, tuple[str, float]], message: str
) -> None:
    path = tmp_path / "a.sgy"
    path.write_bytes(revision_2(line_of_shots(), fields))

    with pytest.raises(SegyError, match=message):
        detect(path)


def test_the_same_bytes_mean_nothing_before_revision_2(tmp_path: Path) -> None:
    path = tmp_path / "a.sgy"
    content = bytearray(line_of_shots().segy())
    content[3506:3510] = content[3528:3532] = b"\0\0\0\7"
    path.write_bytes(content)

    assert (detect(path).extensions, detect(path).traces) == (0, 18)


def test_another_number_of_traces_than_revision_2_says_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.sgy"
    path.write_bytes(revision_2(line_of_shots(), {3513: ("u8", 20)}))

    assert "says 20 traces (byte 3513), and 18 fit the file's size" in open_shots(path).findings[0]


# -- what is refused


SEGY = line_of_shots().segy()
PNG = b"\x89PNG\r\n\x1a\n" + np.random.default_rng(1).integers(0, 256, 9000, np.uint8).tobytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (PNG, "neither SEG-Y nor SU"),
        (b"x,y,z\n1,2,3\n" * 1000, "neither SEG-Y nor SU"),
        (b"x,y,z\n1,2,3\n" * 1000, "but a text file"),
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


@pytest.mark.parametrize("suffix", [".sgy", ".su", ".dat", ""])
@pytest.mark.parametrize(
    ("begin", "named"),
    [
        (b"\x55\x3a\x01\x00", "SEG-2 (little endian: it begins with 55 3a)"),
        (b"\x3a\x55\x00\x01", "SEG-2 (big endian: it begins with 3a 55)"),
        (bytes.fromhex("0012 8058 0000000000000 1990123".replace(" ", "")), "looks like SEG-D"),
        (b"0001SD2.0RECORD", "looks like SEG-D"),
        (b"0001SY2.0RECORD", "behind the label of a tape"),
        (b"\x89HDF\r\n\x1a\n", "but HDF5"),
        (b"PK\x03\x04", "but a zip archive"),
        (b"\x1f\x8b\x08", "compressed with gzip: unpack it"),
        (b"\x93NUMPY\x01\x00", "NumPy's .npy"),
        (b"%PDF-1.4", "but a PDF document"),
        (b"<!DOCTYPE html><html>", "but a web page or XML"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    ],
)
def test_files_of_other_kinds_are_named_as_what_they_are(
    tmp_path: Path, begin: bytes, named: str, suffix: str
) -> None:
    path = tmp_path / f"shots{suffix}"
    path.write_bytes(begin.ljust(9001, b"\x81"))

    with pytest.raises(SegyError) as refusal:
        detect(path)

    assert named in str(refusal.value)


def test_a_format_code_by_chance_does_not_hide_what_a_file_is(tmp_path: Path) -> None:
    path = tmp_path / "shots.sgy"
    content = bytearray(b"\x55\x3a\x01\x00".ljust(9001, b"\x81"))
    content[3224:3226] = b"\0\5"
    path.write_bytes(content)

    with pytest.raises(StrangerError, match="SEG-2"):
        detect(path)


def test_su_that_begins_as_another_format_does_is_read(tmp_path: Path) -> None:
    path = line_of_shots().spoiled({1: 0x13A55}, order="<").write(tmp_path / "shots.su")

    assert path.read_bytes()[:2] == b"\x55\x3a"
    assert detect(path).kind == "SU"


def test_more_extended_texts_than_the_file_holds_are_refused_by_their_byte(tmp_path: Path) -> None:
    path = line_of_shots().spoiled(binary={3505: 32000}).write(tmp_path / "a.sgy")

    with pytest.raises(SegyError, match=r"of which 32000 are extended textual ones \(bytes 3505-3506\)"):
        detect(path)


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

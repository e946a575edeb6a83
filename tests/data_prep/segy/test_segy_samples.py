"""Number formats: what segyio reads is what is read here."""

from pathlib import Path

import numpy as np
import pytest
import segyio

from data_prep.segy.samples import FORMATS, IBM, decode


def test_ibm_numbers_are_those_of_the_textbook() -> None:
    words = np.array([[0xC276A000, 0x00000000, 0x41100000, 0x40800000, 0x42010000]], ">u4")

    numbers = decode(words.view(np.uint8), IBM, ">")

    np.testing.assert_array_equal(numbers, np.array([[-118.625, 0.0, 1.0, 0.5, 1.0]], np.float32))


def test_ibm_numbers_beyond_single_precision_are_infinite() -> None:
    words = np.array([[0x7FFFFFFF, 0xFFFFFFFF]], ">u4")

    numbers = decode(words.view(np.uint8), IBM, ">")

    assert numbers.tolist() == [[np.inf, -np.inf]]


@pytest.mark.parametrize("endian", ["big", "little"])
@pytest.mark.parametrize("code", FORMATS)
def test_any_bytes_are_the_numbers_that_segyio_reads(tmp_path: Path, code: int, endian: str) -> None:
    rng = np.random.default_rng(code)
    raw = rng.integers(0, 256, (3, 400 * FORMATS[code].size), np.uint8)
    order = {"big": ">", "little": "<"}[endian]
    if code == IBM:  # leave out what single precision does not hold, and fractions that segyio gets wrong
        words = raw.view(f"{order}u4")
        words[...] = words & 0x80FFFFFF | 0x800000 | rng.integers(48, 80, words.shape, np.uint32) << 24
    binary = bytearray(400)
    for byte, value in ((3217, 4000), (3221, 400), (3225, code)):
        binary[byte - 3201 : byte - 3199] = np.array(value, f"{order}i2").tobytes()
    path = tmp_path / "a.sgy"
    traces = np.hstack([np.zeros((3, 240), np.uint8), raw])
    path.write_bytes(bytes(3200) + bytes(binary) + traces.tobytes())

    numbers = decode(raw, code, order)

    with segyio.open(path, ignore_geometry=True, endian=endian) as file:
        np.testing.assert_array_equal(numbers, file.trace.raw[:].astype(np.float32))

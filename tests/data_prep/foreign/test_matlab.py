"""Variables of MATLAB files by their headers: structs are searched, contradictory sizes refused."""

import struct
import time
import tracemalloc
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from data_prep.foreign import formats
from data_prep.foreign.containers import FormatError

MODEL = np.random.default_rng(0).uniform(1600, 4400, (24, 36)).astype(np.float32)


def element(kind: int, content: bytes) -> bytes:
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)


def write_packed(path: Path, shape: tuple[int, ...], said: int, stored: int) -> None:
    """A packed variable of float32 zeros that is said to have so many bytes and has others."""
    head = element(6, struct.pack("<II", 7, 0)) + element(5, struct.pack(f"<{len(shape)}i", *shape))
    head += element(1, b"v") + struct.pack("<II", 7, said)
    packer = zlib.compressobj()
    packed = packer.compress(struct.pack("<II", 14, len(head) + said) + head)
    for _ in range(stored // 10**7):
        packed += packer.compress(bytes(10**7))
    packed += packer.flush()
    header = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM"
    path.write_bytes(header + struct.pack("<II", 15, len(packed)) + packed)


@pytest.mark.parametrize("packed", [False, True])
def test_an_array_in_a_struct_is_found(tmp_path: Path, packed: bool) -> None:
    content = {"dx": 20.0, "name": "salt", "vp": MODEL, "z": np.arange(24.0)}
    savemat(tmp_path / "a.mat", {"about": "a test", "model": content}, do_compression=packed)

    (array,) = formats.find(tmp_path / "a.mat")

    assert (array.stored.key, array.sample_shape) == ("model.vp", (24, 36))
    np.testing.assert_array_equal(array.read([0])[0], MODEL)


def test_several_arrays_in_structs_of_structs_are_chosen_by_their_names(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"model": {"vp": MODEL, "elastic": {"vs": MODEL / 2, "n": 3}}})

    with pytest.raises(FormatError, match=r"choose with --key one of model\.vp, model\.elastic\.vs$"):
        formats.find(tmp_path / "a.mat")
    (array,) = formats.find(tmp_path / "a.mat", "model.elastic.vs")

    np.testing.assert_array_equal(array.read([0])[0], MODEL / 2)


def test_structs_of_version_7_3_are_found_by_the_same_names(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
        file["model/vp"] = MODEL.T
        file["model/dx"] = [[20.0]]
        file["model/name"] = np.zeros((4, 5), np.uint16)  # text
        file["model/name"].attrs["MATLAB_class"] = np.bytes_("char")
        file["#refs#/b"] = MODEL
    with open(tmp_path / "a.mat", "r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file")

    (array,) = formats.find(tmp_path / "a.mat")

    assert array.stored.key == "model.vp"
    np.testing.assert_array_equal(array.read([0])[0], MODEL)


def test_what_a_file_holds_instead_of_numbers_is_said(tmp_path: Path) -> None:
    several = np.array([(MODEL, 1), (MODEL, 2)], dtype=[("vp", "O"), ("n", "O")])
    savemat(tmp_path / "a.mat", {"models": several, "note": "none"})

    with pytest.raises(FormatError, match="holds no array of numbers, but 'models', a struct array of 1 x 2"):
        formats.find(tmp_path / "a.mat")


def test_version_4_is_read_and_its_sizes_are_compared_with_the_file(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"vp": MODEL, "dx": 20.0}, format="4")
    (tmp_path / "b.mat").write_bytes(struct.pack("<5i", 10, 100_000, 100_000, 0, 2) + b"v\0")

    (array,) = formats.find(tmp_path / "a.mat")

    np.testing.assert_array_equal(array.read([0])[0], MODEL)
    with pytest.raises(FormatError, match="its variables are said to be larger than the file"):
        formats.find(tmp_path / "b.mat")


def test_sizes_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    write_packed(tmp_path / "a.mat", (100_000, 100_000), said=4 * 10**9, stored=0)

    with pytest.raises(FormatError, match="'v' of 100000 x 100000 numbers has 4000000000 bytes"):
        formats.find(tmp_path / "a.mat")


def test_a_variable_that_unpacks_to_gigabytes_is_told_by_its_header(tmp_path: Path) -> None:
    write_packed(tmp_path / "a.mat", (900_000, 24, 36), said=3_110_400_000, stored=100_000_000)

    tracemalloc.start()
    start = time.process_time()
    (array,) = formats.find(tmp_path / "a.mat")
    with pytest.raises(FormatError, match=r"'v' takes 3\.11 GB, and is read as a whole: save it with -v7\.3"):
        array.read([0])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert time.process_time() - start < 2
    assert peak < 20e6

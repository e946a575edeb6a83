"""Arrays in other people's files: every format comes back, is told by content, and is read as needed."""

import os
import pickle
import re
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import savemat

from data_prep.foreign import formats
from data_prep.foreign.containers import FormatError
from data_prep.foreign.formats import Array, Series

Numbers = NDArray[np.float32]


def random_models(number: int = 7, nz: int = 24, nx: int = 36) -> Numbers:
    return np.random.default_rng(0).uniform(1600, 4400, (number, nz, nx)).astype(np.float32)


def random_records(number: int = 3, shots: int = 4, samples: int = 50, receivers: int = 36) -> Numbers:
    return np.random.default_rng(1).normal(size=(number, shots, samples, receivers)).astype(np.float32)


def write_npz(path: Path, models: Numbers) -> None:
    with open(path, "wb") as file:  # to a name, savez would add a suffix of its own
        np.savez_compressed(file, vmodel=models, about="made for a test")


def write_fortran_npz(path: Path, models: Numbers) -> None:
    np.savez(path, vmodel=np.asfortranarray(models))


def write_mat5(path: Path, models: Numbers) -> None:
    savemat(path, {"vmodel": models, "about": "made for a test"}, do_compression=True)


def write_mat73(path: Path, models: Numbers) -> None:
    """As MATLAB does: HDF5 behind 512 bytes of its own, axes reversed, helpers in a group named #refs#."""
    with h5py.File(path, "w", userblock_size=512) as file:
        file["vmodel"] = models.T
        file["#refs#/a"] = np.zeros(2)
    with open(path, "r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file")


def write_hdf5(path: Path, models: Numbers) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("set/vp", data=models, chunks=(1, *models.shape[1:]), compression="gzip")
        file["set/depth"] = np.arange(models.shape[1])


WRITERS = {
    "a.npy": lambda path, models: np.save(path, models),
    "fortran.npy": lambda path, models: np.save(path, np.asfortranarray(models)),
    "a.NPZ": write_npz,
    "fortran.npz": write_fortran_npz,
    "a.mat": write_mat5,
    "b.mat": write_mat73,
    "a.h5": write_hdf5,
    "no_suffix": lambda path, models: write_hdf5(path, models),
}


def found(path: Path, **how: object) -> Array:
    (array,) = formats.find(path, **how)  # type: ignore[arg-type]
    return array


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint16, ">f4"])
def test_models_come_back_from_every_format(tmp_path: Path, name: str, dtype: str) -> None:
    models = random_models().astype(dtype)
    WRITERS[name](tmp_path / name, models)

    array = found(tmp_path / name)
    some = array.read([5, 0, 5])

    assert (array.kind, array.samples, array.sample_shape) == ("models", 7, (24, 36))
    assert some.dtype == np.float32
    np.testing.assert_array_equal(some, models[[5, 0, 5]].astype(np.float32))
    np.testing.assert_array_equal(array.read(range(7)), models.astype(np.float32))


@pytest.mark.parametrize("name", WRITERS)
def test_one_model_without_a_leading_axis_is_one_model(tmp_path: Path, name: str) -> None:
    model = random_models(1)[0]
    WRITERS[name](tmp_path / name, model)

    array = found(tmp_path / name)

    assert array.samples == 1
    np.testing.assert_array_equal(array.read([0]), model[None])


def test_raw_float32_is_read_by_the_shape_it_is_said_to_have(tmp_path: Path) -> None:
    models = random_models()
    (tmp_path / "vp.bin").write_bytes(models.tobytes())

    array = found(tmp_path / "vp.bin", shape=(7, 24, 36))

    np.testing.assert_array_equal(array.read([6, 2]), models[[6, 2]])
    with pytest.raises(FormatError, match=r"24 x 36 of float32 are 3456; it would hold 7 models of 24 x 36"):
        formats.find(tmp_path / "vp.bin", shape=(24, 36))
    with pytest.raises(FormatError, match=r"24192 bytes, but 24 x 37 of float32 are 3552$"):
        formats.find(tmp_path / "vp.bin", shape=(24, 37))


def test_openfwi_is_recognised_by_its_shapes(tmp_path: Path) -> None:
    models, records = random_models(3, 70, 70)[:, None], random_records(3, 5, 1000, 70)
    np.save(tmp_path / "model1.npy", models)
    np.save(tmp_path / "data1.npy", records)

    records_found, models_found = formats.find(tmp_path)

    assert (models_found.kind, records_found.kind) == ("models", "records")
    assert (models_found.published, records_found.published) == ("OpenFWI", "OpenFWI")
    assert models_found.spacing == 10.0
    np.testing.assert_array_equal(models_found.read([2]), models[2])
    np.testing.assert_array_equal(records_found.read([2, 1]), records[[2, 1]])


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_yang_and_mas_records_have_the_shot_last_in_the_file_and_first_here(
    tmp_path: Path, version: str
) -> None:
    rec = np.random.default_rng(0).normal(size=(40, 30, 9))  # time, receiver, shot
    if version == "5":
        savemat(tmp_path / "georec1.mat", {"Rec": rec})
    else:
        with h5py.File(tmp_path / "georec1.mat", "w", userblock_size=512) as file:
            file["Rec"] = rec.T

    array = found(tmp_path / "georec1.mat")

    assert (array.kind, array.samples, array.published) == ("records", 1, "Yang and Ma")
    assert array.sample_shape == (9, 40, 30)
    np.testing.assert_array_equal(array.read([0])[0, 4, 3], rec[3, :, 4].astype(np.float32))


def test_files_of_a_folder_are_taken_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    models = random_models(12)
    for number, model in enumerate(models, start=1):
        savemat(tmp_path / f"vmodel{number}.mat", {"vmodel": model})
    (tmp_path / "readme.txt").write_text("not a model")
    (tmp_path / "._vmodel1.mat").write_bytes(b"a Macintosh left this")

    in_folder = Series(tuple(formats.find(tmp_path)))
    by_pattern = formats.find(tmp_path / "vmodel1*.mat")

    assert len(in_folder) == 12
    np.testing.assert_array_equal(in_folder.read([11, 0, 1]), models[[11, 0, 1]])
    assert [path.name for path in in_folder.paths([1, 9])] == ["vmodel2.mat", "vmodel10.mat"]
    assert [array.path.name for array in by_pattern] == [f"vmodel{n}.mat" for n in (1, 10, 11, 12)]


@pytest.mark.parametrize("key", [None, "vp"])
@pytest.mark.parametrize("write", [np.savez, savemat], ids=["npz", "mat"])
def test_several_arrays_without_a_right_key_are_listed(
    tmp_path: Path, write: Callable[..., None], key: str | None
) -> None:
    arrays = {"train": random_models(), "test": random_models(1)}
    path = tmp_path / ("a.npz" if write is np.savez else "a.mat")
    write(path, **arrays) if write is np.savez else write(path, arrays)

    with pytest.raises(FormatError, match="choose with --key one of train, test"):
        formats.find(path, key)
    np.testing.assert_array_equal(found(path, key="test").read([0]), arrays["test"])


def test_a_public_name_is_chosen_among_several(tmp_path: Path) -> None:
    model = random_models(1)[0]
    savemat(tmp_path / "a.mat", {"vmodel": model, "dx": 10.0})

    np.testing.assert_array_equal(found(tmp_path / "a.mat").read([0])[0], model)


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.mat", "b.mat", "a.h5"])
@pytest.mark.parametrize("kept", [0, 4, 100, 3000])
def test_a_truncated_file_is_refused(tmp_path: Path, name: str, kept: int) -> None:
    path = tmp_path / name
    (WRITERS | {"a.npz": write_npz})[name](path, random_models(3, 100, 100))
    path.write_bytes(path.read_bytes()[:kept])

    with pytest.raises(FormatError, match=f"{name}: cannot be read as "):
        found(path).read([0])


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.mat", "a.h5"])
def test_a_file_that_is_not_what_its_name_says_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("velocity model, 24 by 36, see the paper; " * 100)

    with pytest.raises(FormatError, match=f"{name}: cannot be read as "):
        formats.find(tmp_path / name)


@pytest.mark.parametrize(("name", "says"), [("a.bin", b"\x00\x80;E"), ("empty", b"")])
def test_what_is_not_recognised_is_said_with_what_was_looked_for(
    tmp_path: Path, name: str, says: bytes
) -> None:
    (tmp_path / name).write_bytes(says * 100)

    with pytest.raises(FormatError, match=r"looked for \.npy, \.npz, \.mat and HDF5, but") as refused:
        formats.find(tmp_path / name)

    assert (r"begins with b'\x00\x80;E" if says else "it is empty") in str(refused.value)
    assert "--shape DEPTH X" in str(refused.value)


def test_a_file_without_arrays_is_said_to_have_none(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "empty.h5", "w"):
        pass

    with pytest.raises(FormatError, match=r"empty\.h5: holds no array of numbers"):
        formats.find(tmp_path / "empty.h5")


def test_missing_files_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"a\.npy: no such file"):
        formats.find(tmp_path / "a.npy")
    with pytest.raises(FormatError, match=r"no file here ends in \.npy, \.npz"):
        formats.find(tmp_path)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        (np.zeros((0, 24, 36)), r"shape (0, 24, 36), expected models of shape"),
        (np.zeros((4, 1, 2, 3, 5)), r"shape (4, 1, 2, 3, 5), expected models of shape (model, depth, x)"),
        (np.zeros(24), r"shape (24,), expected models"),
        (np.zeros((24, 36), complex), "of type complex128, expected numbers"),
        (np.array(["salt"]), "expected numbers"),
        (np.array([None]), "cannot be read as .npy"),
    ],
)
def test_arrays_that_are_neither_models_nor_records_are_refused(
    tmp_path: Path, values: NDArray, complaint: str
) -> None:
    np.save(tmp_path / "a.npy", values)

    with pytest.raises(FormatError, match=re.escape(complaint)):
        formats.find(tmp_path / "a.npy")


def test_a_shard_of_our_own_is_pointed_to_its_folder(tiny_data: Path) -> None:
    shard = tiny_data / "train-00000.h5"

    with pytest.raises(FormatError, match="a shard of this project already"):
        formats.find(shard)
    with h5py.File(shard) as file:
        np.testing.assert_array_equal(found(shard, key="velocity").read([3]), file["velocity"][3:4])


def test_an_array_travels_small_and_is_read_as_needed(tmp_path: Path) -> None:
    records = np.zeros((40, 5, 500, 70), np.float32)  # 28 MB
    records[31] = 7.0
    np.save(tmp_path / "data1.npy", records)
    np.savez_compressed(tmp_path / "data1.npz", data=records)
    with h5py.File(tmp_path / "data1.h5", "w") as file:
        file.create_dataset("data", data=records, chunks=(1, 5, 500, 70))
    (tmp_path / "data1.bin").write_bytes(records[:, 0].tobytes())
    del records

    for name, how in (("npy", {}), ("npz", {}), ("h5", {}), ("bin", {"shape": (40, 500, 70)})):
        tracemalloc.start()
        array = pickle.loads(pickle.dumps(found(tmp_path / f"data1.{name}", **how)))
        value = array.read([31]).mean()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert value == 7.0
        assert peak < 6e6, name
        assert len(pickle.dumps(array)) < 1000


def test_scalars_and_axes_beside_models_are_not_offered(tmp_path: Path) -> None:
    model = random_models(1)[0]
    beside = {"dx": 10.0, "z": np.arange(24.0)[None], "note": "a test"}
    savemat(tmp_path / "a.mat", beside | {"vp": model})
    np.savez(tmp_path / "a.npz", vp=model, **beside)
    savemat(tmp_path / "two.mat", beside | {"vp": model, "rho": model})

    for name in ("a.mat", "a.npz"):
        np.testing.assert_array_equal(found(tmp_path / name).read([0])[0], model)
    with pytest.raises(FormatError, match=r"choose with --key one of vp, rho$"):
        formats.find(tmp_path / "two.mat")


@pytest.mark.parametrize("number", [1, 7])
def test_models_with_their_channel_last_are_models(tmp_path: Path, number: int) -> None:
    models = random_models(number)
    np.save(tmp_path / "a.npy", models[..., None] if number > 1 else models[0, ..., None])

    array = found(tmp_path / "a.npy")

    assert (array.kind, array.samples, array.sample_shape) == ("models", number, (24, 36))
    np.testing.assert_array_equal(array.read([number - 1]), models[[number - 1]])


@pytest.mark.parametrize("name", WRITERS)
def test_models_stored_line_first_are_turned(tmp_path: Path, name: str) -> None:
    models = random_models()
    WRITERS[name](tmp_path / name, np.ascontiguousarray(models.transpose(0, 2, 1)))

    array = found(tmp_path / name, axes="x-depth")

    assert array.sample_shape == (24, 36)
    np.testing.assert_array_equal(array.read([3, 1]), models[[3, 1]])


@pytest.mark.parametrize("big_endian", [False, True])
def test_raw_floats_with_depth_fastest_are_given_the_shape_of_the_models(
    tmp_path: Path, big_endian: bool
) -> None:
    models = random_models()
    stored = models.transpose(0, 2, 1).astype(">f4" if big_endian else "<f4")
    (tmp_path / "vp.bin").write_bytes(stored.tobytes())

    array = found(tmp_path / "vp.bin", shape=(7, 24, 36), axes="x-depth", big_endian=big_endian)

    np.testing.assert_array_equal(array.read([6, 2]), models[[6, 2]])


# -- what is not in the file, or is more than the file


@pytest.mark.parametrize("name", ["a.h5", "a.mat"])
@pytest.mark.parametrize(
    ("how", "complaint"),
    [
        ("external storage", r"'m' is stored outside, in .*secret\.bin, which is not followed"),
        ("virtual data set", r"'m' is a virtual data set, whose numbers are in other files"),
        ("external link", r"'m' is a link to another file, which is not followed"),
        ("external link in a group", r"'set/m' is a link to another file"),
        ("soft link to an external link", r"'there' is a link to another file"),
    ],
)
def test_numbers_of_other_files_are_refused_by_name(
    tmp_path: Path, name: str, how: str, complaint: str
) -> None:
    models = random_models()
    models.tofile(tmp_path / "secret.bin")
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["m"] = models
    with h5py.File(tmp_path / name, "w") as file:
        if how == "external storage":
            outside = [(str(tmp_path / "secret.bin"), 0, models.nbytes)]
            file.create_dataset("m", shape=models.shape, dtype="f4", external=outside)
        elif how == "virtual data set":
            layout = h5py.VirtualLayout(models.shape, "f4")
            layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "m", models.shape)
            file.create_virtual_dataset("m", layout)
        elif how == "soft link to an external link":
            file["there"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/")
            file["m"] = h5py.SoftLink("/there/m")
        else:
            group = file.create_group("set") if how.endswith("group") else file
            group["m"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "m")

    with pytest.raises(FormatError, match=rf"{name}: {complaint}"):
        formats.find(tmp_path / name)


def npy_header(shape: tuple[int, ...]) -> bytes:
    described = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(described).to_bytes(2, "little") + described.encode()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (npy_header((1, 100_000, 100_000)), r"1 x 100000 x 100000 numbers, 40\.00 GB, but has 0 bytes"),
        (npy_header((10**30, 24, 36)), r"its header says the shape \(10{30}, 24, 36\)"),
        (npy_header((-1, 24, 36)), r"its header says the shape \(-1, 24, 36\)"),
        (b"\x93NUMPY\x02\x00\x00\xff\xff\xff" + bytes(100), r"its header is said to have 4294967040 bytes"),
    ],
)
def test_headers_that_the_file_contradicts_are_refused(
    tmp_path: Path, content: bytes, complaint: str
) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("m.npy", content)

    for name in ("a.npy", "a.npz"):
        with pytest.raises(FormatError, match=rf"{name}: cannot be read as .*{complaint}"):
            formats.find(tmp_path / name)


def test_a_member_of_an_archive_that_is_longer_than_its_header_says_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("m.npy", npy_header((2, 24, 36)) + bytes(4 * 3 * 24 * 36))

    with pytest.raises(FormatError, match=r"'m' is said to be 2 x 24 x 36 numbers, 6912 bytes, but has"):
        formats.find(tmp_path / "a.npz")


def test_hdf5_that_says_more_than_it_stores_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("m", shape=(10**7, 24, 36), dtype="f4", chunks=(1, 24, 36), fillvalue=2000)
    with h5py.File(tmp_path / "b.h5", "w") as file:  # small, but in a chunk of gigabytes
        several = {"maxshape": (None, 24, 36), "chunks": (10**6, 24, 36), "fillvalue": 2000}
        file.create_dataset("m", shape=(4, 24, 36), dtype="f4", **several)

    with pytest.raises(FormatError, match=r"'m' says 10000000 x 24 x 36 numbers, 34\.56 GB, but only 0 "):
        formats.find(tmp_path / "a.h5")
    with pytest.raises(FormatError, match=r"'m' says 4 x 24 x 36 numbers, 3\.46 GB, but only 0 bytes"):
        formats.find(tmp_path / "b.h5")


def test_an_archive_that_unpacks_to_tens_of_gigabytes_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez_compressed(tmp_path / "a.npz", models=random_models())
    np.savez_compressed(tmp_path / "b.npz", models=random_models(1)[0])
    monkeypatch.setattr("data_prep.foreign.numbers.LARGEST_PACKED", 20_000)
    monkeypatch.setattr("data_prep.foreign.numbers.LARGEST_WHOLE", 3000)

    for name in ("a.npz", "b.npz"):
        with pytest.raises(FormatError, match=r"'models' unpacks to .* store it as \.npy"):
            found(tmp_path / name).read([0])


def test_what_has_no_end_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.npy")
    (tmp_path / "b.mat").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "c.bin")

    with pytest.raises(FormatError, match=r"a\.npy: is a pipe"):
        formats.find(tmp_path / "a.npy")
    with pytest.raises(FormatError, match=r"b\.mat: is a device"):
        formats.find(tmp_path / "b.mat")
    with pytest.raises(FormatError, match=r"c\.bin: is a pipe"):
        formats.find(tmp_path / "c.bin", shape=(24, 36))


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        (random_models(1).astype(np.float64), "or as many of float64: convert these to float32"),
        (random_models(1).astype(np.int16), "of 2-byte integers it would hold as many"),
        (np.pad(random_models(1).ravel(), 1), "the marks of Fortran's records"),
    ],
)
def test_a_raw_file_of_another_size_is_told_what_it_may_be(
    tmp_path: Path, values: NDArray, hint: str
) -> None:
    values.tofile(tmp_path / "a.bin")

    with pytest.raises(FormatError, match=hint):
        formats.find(tmp_path / "a.bin", shape=(24, 36))

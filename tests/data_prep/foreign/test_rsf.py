"""Madagascar's headers: what they say is done, and what cannot be done is said."""

import os
from pathlib import Path

import numpy as np
import pytest

from data_prep.foreign import formats
from data_prep.foreign.containers import FormatError
from data_prep.foreign.formats import Array

MODELS = np.random.default_rng(0).uniform(1600, 4400, (3, 24, 36)).astype(np.float32)

HISTORY = """2.0\tsfmath\tvelocity:\tsomebody@somewhere\tFri Nov 27 02:00:00 2026

\tdata_format="native_float"
\tesize=4
\tn1=7
\tin="/nowhere/first.rsf@"
"""
"""What an earlier program left in the header: later values count."""

SIZES = "\tn1=24 d1=20 o1=0 label1=Depth unit1=m\n\tn2=36 d2=20 o2=0 label2=Distance unit2=m\n"


def write(path: Path, *, numbers: bytes | None = None, header: str = "", data: str = "") -> Path:
    """A header of one model with its numbers beside it, other values last."""
    content = MODELS[0].T.tobytes() if numbers is None else numbers
    (path.parent / (data or f"{path.name}@")).write_bytes(content)
    path.write_text(f'{HISTORY}\tin="./{data or path.name + "@"}"\n{SIZES}{header}')
    return path


def found(path: Path, **how: object) -> Array:
    (array,) = formats.find(path, **how)  # type: ignore[arg-type]
    return array


def test_a_model_comes_with_its_cell_size_and_depth_is_its_first_axis(tmp_path: Path) -> None:
    array = found(write(tmp_path / "vp.rsf"))

    assert (array.kind, array.samples, array.sample_shape, array.spacing) == ("models", 1, (24, 36), 20.0)
    np.testing.assert_array_equal(array.read([0]), MODELS[:1])
    assert array.data == tmp_path / "vp.rsf@"
    assert f"numbers in {tmp_path}/vp.rsf@" in array.header.notes


def test_a_header_without_the_suffix_is_told_by_its_content(tmp_path: Path) -> None:
    assert found(write(tmp_path / "velocity")).stored.format == ".rsf"


def test_several_models_are_the_third_axis(tmp_path: Path) -> None:
    numbers = MODELS.transpose(0, 2, 1).tobytes()

    array = found(write(tmp_path / "vp.rsf", numbers=numbers, header="\tn3=3\n"))

    assert array.samples == 3
    np.testing.assert_array_equal(array.read([2, 0]), MODELS[[2, 0]])


def test_numbers_may_follow_the_header(tmp_path: Path) -> None:
    header = f'{HISTORY}\tin="stdin"\n{SIZES}'.encode()
    (tmp_path / "vp.rsf").write_bytes(header + b"\x0c\x0c\x04" + MODELS[0].T.tobytes())

    np.testing.assert_array_equal(found(tmp_path / "vp.rsf").read([0]), MODELS[:1])


@pytest.mark.parametrize(
    ("form", "numbers"),
    [
        ("data_format=xdr_float", MODELS[0].T.astype(">f4").tobytes()),
        ("data_format=native_double esize=8", MODELS[0].T.astype("<f8").tobytes()),
        ("data_format=ascii_float esize=0", " ".join(f"{v:.9g}" for v in MODELS[0].T.flat).encode()),
    ],
)
def test_numbers_of_each_form_are_the_same(tmp_path: Path, form: str, numbers: bytes) -> None:
    array = found(write(tmp_path / "vp.rsf", numbers=numbers, header=f"\t{form}\n"))

    np.testing.assert_array_equal(array.read([0]), MODELS[:1])


def test_labels_say_where_the_line_is_the_first_axis(tmp_path: Path) -> None:
    header = "\tn1=36 label1=Distance n2=24 label2=Depth\n"

    array = found(write(tmp_path / "vp.rsf", numbers=MODELS[0].tobytes(), header=header))

    np.testing.assert_array_equal(array.read([0]), MODELS[:1])


@pytest.mark.parametrize(
    ("header", "spacing"),
    [
        ("d1=0.02 unit1=km d2=0.02 unit2=km", 20.0),
        ("d1=65.6168 unit1=ft d2=65.6168 unit2=ft", 20.0),
        ("d1=0.02 d2=0.02", None),  # as Madagascar likes it, but nobody said so
    ],
)
def test_cell_sizes_are_in_the_units_that_the_header_says(
    tmp_path: Path, header: str, spacing: float | None
) -> None:
    path = write(tmp_path / "vp.rsf")
    path.write_text(path.read_text().replace("unit1=m", "").replace("unit2=m", "") + header)

    assert found(path).spacing == (None if spacing is None else pytest.approx(spacing, rel=1e-5))


def test_the_unit_of_the_numbers_is_read(tmp_path: Path) -> None:
    assert found(write(tmp_path / "vp.rsf", header='\tlabel="Velocity" unit="km/s"\n')).unit == "km/s"
    assert found(write(tmp_path / "other.rsf")).unit is None


def test_numbers_elsewhere_are_read_and_named(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    elsewhere = tmp_path / "scratch/vp.rsf@"
    path = write(tmp_path / "vp.rsf")
    (tmp_path / "vp.rsf@").rename(elsewhere)
    path.write_text(path.read_text().replace("./vp.rsf@", str(elsewhere)))

    array = found(path)

    assert f"numbers in {elsewhere}" in array.header.notes
    np.testing.assert_array_equal(array.read([0]), MODELS[:1])
    elsewhere.rename(tmp_path / "vp.rsf@")  # both moved together
    assert found(path).data == tmp_path / "vp.rsf@"


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        ("d2=40", r"its cells are 20 m by 40 m, by d1=20 and d2=40; the grid's are square: resample"),
        ("n2=37", r"n1=24 x n2=37 x n3=1 of 4 bytes are 3552 bytes, but .*vp\.rsf@ has 3456"),
        ("n1=100000 n2=100000", r"are 40000000000 bytes, but"),
        ("n4=2", r"more than three axes"),
        ("n1=-24", r"n1=-24 is no length of an axis"),
        ("data_format=native_complex esize=8", r"data_format=native_complex with esize=8; read are"),
        ("in=gone.rsf@", r"in=gone\.rsf@, are neither there nor beside it"),
        ("in=/dev/zero", r"/dev/zero: is a device"),
        ("in=pipe", r"pipe: is a pipe"),
        ("in=stdin", r"says in=stdin, but holds no numbers after its header"),
        ("d1=nan", r"d1=nan is no cell size"),
        ("unit1=s", r"unit1=s; known are m,"),
    ],
)
def test_what_cannot_be_honoured_is_refused(tmp_path: Path, header: str, complaint: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    path = write(tmp_path / "vp.rsf", header=f"\t{header}\n")

    with pytest.raises(FormatError, match=rf"vp\.rsf: cannot be read as \.rsf \(.*{complaint}"):
        formats.find(path)


def test_a_header_is_no_header_of_records(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"\.rsf is for models"):
        formats.find(write(tmp_path / "vp.rsf"), kind="records")

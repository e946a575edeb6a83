"""Velocity sections in: own files and those of others, their cells, their units, and the grid."""

import pickle
import tempfile
from pathlib import Path

import numpy as np
import pytest
import segyio
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from studies import with_storage

from data_prep.foreign import datasets
from data_prep.foreign.velocity import ModelError
from data_prep.make.simulate import make_shard
from data_prep.segy.headers import SegyError
from data_prep.segy.velocity import SegyVelocity, read_section
from data_prep.segy.write import write_section
from fwi import shards
from fwi.config import GridConfig, StudyConfig
from fwi.files import sha256

Section = NDArray[np.float32]


def random_section(nz: int = 24, nx: int = 36) -> Section:
    return np.random.default_rng(0).uniform(1600, 4400, (nz, nx)).astype(np.float32)


def foreign(
    path: Path,
    velocity: Section,
    interval: int = 20_000,
    x: NDArray[np.int64] | None = None,
    code: int = 5,
    endian: str = "big",
    binary: dict[int, int] | None = None,
    **headers: int,
) -> Path:
    """A file as segyio writes it: CDP X in whole metres 20 m apart, unless said otherwise."""
    nz, nx = velocity.shape
    spec = segyio.spec()
    spec.samples, spec.tracecount, spec.format, spec.endian = np.arange(nz), nx, code, endian
    with segyio.create(path, spec) as file:
        file.bin.update({segyio.BinField.Interval: interval, **(binary or {})})
        file.trace.raw[:] = np.ascontiguousarray(velocity.T)
        for trace in range(nx):
            place = 20 * trace if x is None else int(x[trace])
            file.header[trace] = {segyio.su.cdpx: place, segyio.su.ns: nz, segyio.su.dt: interval}
            file.header[trace].update({getattr(segyio.su, name): value for name, value in headers.items()})
    return path


# -- reading


@given(st.sampled_from([0.5, 5.0, 6.25, 12.345, 20.0, 30.48, 40.0]), st.integers(1, 20), st.integers(2, 20))
@settings(max_examples=30, deadline=None)
def test_own_section_comes_back_to_the_bit_with_its_cells(spacing: float, nz: int, nx: int) -> None:
    velocity = random_section(nz, nx)
    with tempfile.TemporaryDirectory() as folder:
        write_section(Path(folder) / "a.segy", velocity, spacing, "")
        section = read_section(Path(folder) / "a.segy")

    np.testing.assert_array_equal(section.velocity, velocity)
    assert (section.dz, section.dx) == (pytest.approx(spacing), pytest.approx(spacing))


@pytest.mark.parametrize("endian", ["big", "little"])
@pytest.mark.parametrize(("code", "precision"), [(1, 1e-6), (5, 0)])
def test_number_formats_and_byte_orders_of_others_are_read(
    tmp_path: Path, endian: str, code: int, precision: float
) -> None:
    path = foreign(tmp_path / "a.segy", random_section(), code=code, endian=endian)

    section = read_section(path)

    np.testing.assert_allclose(section.velocity, random_section(), rtol=precision)
    assert (section.dz, section.dx) == (20, 20)


def test_cells_that_are_not_square_are_told(tmp_path: Path) -> None:
    section = read_section(foreign(tmp_path / "a.segy", random_section(), interval=5000))

    assert (section.dz, section.dx) == (5, 20)
    assert any("5 m high and 20 m wide" in finding for finding in section.findings)


def test_interval_below_a_hundred_is_metres_and_told(tmp_path: Path) -> None:
    section = read_section(foreign(tmp_path / "a.segy", random_section(), interval=20))

    assert section.dz == 20
    assert "the sample interval, 20, is taken as a depth of 20 m" in section.findings


def test_width_is_measured_along_a_slanting_line_with_scalars(tmp_path: Path) -> None:
    velocity = random_section()
    path = foreign(tmp_path / "a.segy", velocity, scalco=-10, x=300 * np.arange(36))
    with segyio.open(path, "r+", ignore_geometry=True) as file:
        for trace in range(36):
            file.header[trace].update({segyio.su.cdpy: 5000 + 400 * trace})

    assert read_section(path).dx == pytest.approx(50)  # 30 m east, 40 m north


def test_source_coordinates_stand_in_for_missing_ones_of_the_cdp(tmp_path: Path) -> None:
    path = foreign(tmp_path / "a.segy", random_section(), x=np.zeros(36, int))
    with segyio.open(path, "r+", ignore_geometry=True) as file:
        for trace in range(36):
            file.header[trace].update({segyio.su.sx: 15 * trace})

    assert read_section(path).dx == 15


def test_section_shot_from_east_to_west_is_turned_round(tmp_path: Path) -> None:
    section = read_section(foreign(tmp_path / "a.segy", random_section(), x=20 * np.arange(36)[::-1]))

    np.testing.assert_array_equal(section.velocity, random_section()[:, ::-1])
    assert any("turned round" in finding for finding in section.findings)


def test_coordinates_rounded_to_metres_are_even(tmp_path: Path) -> None:
    x = np.round(12.5 * np.arange(36)).astype(int)

    assert read_section(foreign(tmp_path / "a.segy", random_section(), x=x)).dx == pytest.approx(
        12.5, rel=2e-3
    )


# -- units


def test_kilometres_a_second_are_asked_about_and_converted(tmp_path: Path) -> None:
    path = foreign(tmp_path / "a.segy", random_section() / 1000)

    with pytest.raises(ModelError, match="look like km/s; if so, add --kilometres"):
        read_section(path)
    np.testing.assert_allclose(read_section(path, kilometres=True).velocity, random_section(), rtol=1e-6)


def test_metres_a_second_are_no_kilometres_a_second(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="leave out --kilometres"):
        read_section(foreign(tmp_path / "a.segy", random_section()), kilometres=True)


def test_feet_become_metres_and_are_told(tmp_path: Path) -> None:
    feet = {int(segyio.BinField.MeasurementSystem): 2}
    path = foreign(tmp_path / "a.segy", random_section() / np.float32(0.3048), binary=feet)

    section = read_section(path)

    np.testing.assert_allclose(section.velocity, random_section(), rtol=1e-6)
    assert (section.dz, section.dx) == (pytest.approx(6.096), pytest.approx(6.096))
    assert any("feet" in finding for finding in section.findings)


# -- refused


@pytest.mark.parametrize(
    ("bad", "said"),
    [(np.nan, "nan is not a finite speed"), (0.0, "0 is not a positive speed"), (-5.0, "-5 is")],
)
def test_impossible_speeds_are_refused_with_their_place(tmp_path: Path, bad: float, said: str) -> None:
    velocity = random_section()
    velocity[3, 7] = bad

    with pytest.raises(ModelError, match=rf"cell \(depth 3, x 7\): {said}"):
        read_section(foreign(tmp_path / "a.segy", velocity))


def test_missing_interval_or_positions_are_refused_and_spacing_mends_them(tmp_path: Path) -> None:
    no_interval = foreign(tmp_path / "a.segy", random_section(), interval=0)
    no_positions = foreign(tmp_path / "b.segy", random_section(), x=np.zeros(36, int))
    angles = foreign(tmp_path / "c.segy", random_section(), counit=2)

    with pytest.raises(ModelError, match=r"no sample interval.*--spacing"):
        read_section(no_interval)
    for path in (no_positions, angles):
        with pytest.raises(ModelError, match=r"how wide the cells are.*--spacing"):
            read_section(path)
    for path in (no_interval, no_positions, angles):
        section = read_section(path, spacing=25.0)
        assert (section.dz, section.dx) == (25, 25)


def test_intervals_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    path = foreign(tmp_path / "a.segy", random_section())
    with segyio.open(path, "r+", ignore_geometry=True) as file:
        file.header[5].update({segyio.su.dt: 10_000})

    with pytest.raises(ModelError, match=r"several sample intervals \(10000, 20000\)"):
        read_section(path)


@pytest.mark.parametrize(
    "x",
    [
        20 * (np.arange(36) % 6),
        np.repeat(20 * np.arange(18), 2),
        20 * np.arange(36) + 9 * (np.arange(36) == 7),
    ],
    ids=["volume", "twice", "out of place"],
)
def test_traces_that_are_not_an_even_line_are_refused(tmp_path: Path, x: NDArray[np.int64]) -> None:
    with pytest.raises(ModelError, match="not evenly spaced"):
        read_section(foreign(tmp_path / "a.segy", random_section(), x=x))


def test_file_that_is_cut_short_or_no_segy_is_refused(tmp_path: Path) -> None:
    path = foreign(tmp_path / "a.segy", random_section())
    path.write_bytes(path.read_bytes()[:-10])
    (tmp_path / "b.segy").write_bytes(b"no" * 5000)

    for name in ("a.segy", "b.segy", "missing.segy"):
        with pytest.raises(SegyError, match=name):
            read_section(tmp_path / name)


@pytest.fixture(scope="module")
def own_section(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small file of this project, to be spoiled."""
    path = tmp_path_factory.mktemp("own") / "a.segy"
    write_section(path, random_section(20, 8), 20.0, "")
    return path


@pytest.mark.filterwarnings("error")
@given(changes=st.dictionaries(st.integers(3200, 3600 + 8 * 320 - 1), st.integers(0, 255), min_size=1))
@settings(max_examples=200, deadline=None)
def test_spoiled_bytes_end_in_a_message_or_in_speeds(own_section: Path, changes: dict[int, int]) -> None:
    content = bytearray(own_section.read_bytes())
    for place, value in changes.items():
        content[place] = value
    spoiled = own_section.with_name("spoiled.segy")
    spoiled.write_bytes(content)

    try:
        section = read_section(spoiled, (1500, 4500))
    except (ModelError, SegyError):
        return

    assert 1500 <= section.velocity.min() <= section.velocity.max() <= 4500
    assert section.dz == pytest.approx(20, rel=0.7)  # at most feet were made metres
    assert section.dx == pytest.approx(20, rel=0.7)


# -- on the grid


def test_both_axes_are_resampled_to_square_cells_and_salt_keeps_its_edge(tmp_path: Path) -> None:
    rows, columns = np.indices((93, 19))
    salt = (rows >= 40) & (columns >= 9)  # cells of 5 m by 40 m: from 200 m down, from 360 m on
    path = foreign(
        tmp_path / "a.segy",
        np.where(salt, 4500, 2000).astype(np.float32),
        interval=5000,
        x=40 * np.arange(19),
    )

    grid = GridConfig(nz=24, nx=37, spacing=20.0)
    model = SegyVelocity((path,), kilometres=False, spacing=None, grid=grid).velocity([0])[0]

    depth, x = np.meshgrid(20 * np.arange(24), 20 * np.arange(37), indexing="ij")
    np.testing.assert_array_equal(model == 4500, (depth >= 200) & (x > 340))
    assert set(np.unique(model)) == {2000, 4500}


def test_section_of_another_size_is_refused_with_the_grid_that_fits(tmp_path: Path) -> None:
    path = foreign(tmp_path / "a.segy", random_section())

    with pytest.raises(ModelError, match=r"24 x 36 cells of 20 m by 20 m.*set grid.nz 24 and grid.nx 36"):
        SegyVelocity((path,), False, None, GridConfig(nz=48, nx=72, spacing=20.0)).velocity([0])


@pytest.mark.parametrize("spacing", [10.0, -20.0, np.nan])
def test_section_of_another_size_is_refused_as_soon_as_it_is_looked_at(
    tmp_path: Path, spacing: float
) -> None:
    path = foreign(tmp_path / "a.segy", random_section())
    source = SegyVelocity((path,), False, spacing, GridConfig(nz=24, nx=36, spacing=20.0))

    with pytest.raises(ModelError, match="--spacing"):
        source.section(0)


def test_a_section_that_is_named_twice_is_refused(tmp_path: Path) -> None:
    path = foreign(tmp_path / "a.segy", random_section())
    (tmp_path / "b.segy").symlink_to(path)

    with pytest.raises(ModelError, match=r"b\.segy: named twice"):
        SegyVelocity((path, tmp_path / "b.segy"), False, None, GridConfig(nz=24, nx=36, spacing=20.0))


def test_speed_outside_the_studys_range_is_refused(tmp_path: Path) -> None:
    path = foreign(tmp_path / "a.segy", random_section())

    with pytest.raises(ModelError, match=r"outside grid.velocity 2000 .. 4000 m/s"):
        SegyVelocity((path,), False, None, GridConfig(nz=24, nx=36, velocity=(2000, 4000))).velocity([0])


def test_sections_become_a_shard_with_their_records(tiny_study: StudyConfig, tmp_path: Path) -> None:
    study = with_storage(tiny_study, folder=tmp_path)
    models = [random_section(), random_section()[::-1]]
    for name, model in zip("ab", models, strict=True):
        write_section(tmp_path / f"line {name}.segy", model, 20.0, "")
    paths = (tmp_path / "line a.segy", tmp_path / "line b.segy")
    source = pickle.loads(pickle.dumps(SegyVelocity(paths, False, None, study.grid)))  # as to a worker

    (job,) = datasets.jobs(study, source, split="test")
    make_shard(study, job)

    assert job.file == "test-line_a-line_b-00000.h5"
    assert job.origin.source.sha256 == [sha256(path) for path in paths]
    samples = shards.read(tmp_path / job.file)
    assert samples.velocity is not None
    np.testing.assert_array_equal(samples.velocity, models)
    assert np.abs(samples.gathers.astype(np.float32)).max() > 0

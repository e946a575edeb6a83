"""``fwi import``: the models and records of others to shards."""

import os
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import tyro

from data_prep.foreign import datasets
from data_prep.foreign.rsf import Axes
from data_prep.foreign.velocity import Unit
from data_prep.make.simulate import unfinished
from experiments.cli import Study
from experiments.import_segy import (
    NO_FLAGS,
    SegyFlags,
    holds,
    import_shots,
    is_segy,
    open_sections,
    refuse_flags,
)
from experiments.simulate import make_set
from fwi.config import Split
from fwi.files import require_regular


class RawShape(NamedTuple):
    """What stands after --shape: lengths and, since a flag of many words takes all up to the next, files."""

    lengths: tuple[int, ...]
    files: tuple[Path, ...]

    @classmethod
    def parse(cls, words: list[str]) -> "RawShape":
        """Split the words: the numbers come first."""
        count = next((at for at, word in enumerate(words) if not word.isdecimal()), len(words))
        lengths = tuple(map(int, words[:count]))
        if len(lengths) not in (2, 3) or not all(lengths):
            raise ValueError("--shape takes the lengths DEPTH X, or MODELS DEPTH X, each at least 1")
        return cls(lengths, tuple(map(Path, words[count:])))


SHAPE = tyro.constructors.PrimitiveConstructorSpec(
    nargs="*",
    metavar="[MODELS] DEPTH X",
    instance_from_str=RawShape.parse,
    is_instance=lambda value: isinstance(value, RawShape),
    str_from_instance=lambda shape: [str(length) for length in shape.lengths] if shape else ["None"],
)


def import_models(
    study: Study,
    files: tyro.conf.Positional[tuple[Path, ...]] = (),
    records: Path | None = None,
    spacing: float | None = None,
    key: str | None = None,
    records_key: str | None = None,
    shape: Annotated[RawShape | None, SHAPE] = None,
    axes: Axes | None = None,
    endian: Literal["little", "big"] | None = None,
    unit: Unit | None = None,
    split: Split = "train",
    validation: int = 0,
    kilometres: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    gain: float | None = None,
    workers: int = os.cpu_count() or 1,
    part: str | None = None,
    scheduler: str | None = None,
    dry_run: bool = False,
    segy: Annotated[SegyFlags, tyro.conf.arg(name="")] = NO_FLAGS,
) -> None:
    """Bring velocity models of others to the study's grid, with their records or with simulated ones.

    Formats are told by content: OpenFWI's .npy, Yang and Ma's .mat, other .npy, .npz, .mat and HDF5,
    Madagascar's .rsf, raw float32 of a given shape, velocity sections in SEG-Y or SU. Or bring the shots of a
    SEG-Y or SU file onto the study's survey: what the file holds and what will be changed is said before
    anything is done.

    Args:
        study: the study.
        files: files, folders or 'patterns*' of models (model, depth, x), of records, or of both.
        records: the models' records (sample, shot, time, receiver), likewise; models without are simulated.
        spacing: cell size of the models [m]; known for OpenFWI's and Yang and Ma's.
        key: which array of a .npz, .mat or .h5 of models.
        records_key: which array of a .npz, .mat or .h5 of records.
        shape: of raw float32 models: depth x, or model depth x.
        axes: how a model lies in the file: depth-x, row by row, or x-depth, trace by trace with depth the
            fastest axis, as Madagascar, SU, Fortran and MATLAB write raw floats, and Devito its arrays.
        endian: of raw float32: little if not given, and refused where the numbers look big-endian.
        unit: what the models are in; m/s if not given, and refused where the numbers look like another.
        split: the split the samples go to.
        validation: how many of them, drawn at random, go to validation instead.
        kilometres: the speeds are in km/s, as --unit km/s.
        gain: factor of the records; measured if not given, on simulations of some of the models, or for SEG-Y
            on the direct arrival.
        workers: processes, each of one thread.
        part: make part i of n alone, such as 3/8, of the shards of models.
        scheduler: have the workers of this Dask scheduler do it, such as tcp://10.0.0.1:8786.
        dry_run: only check models and records, and say what would be done.
        segy: what SEG-Y alone needs.
    """
    files = (*files, *(shape.files if shape else ()))
    for file in files:
        if file.exists() and not file.is_dir():
            require_regular(file)
    if kilometres and unit not in (None, "km/s"):
        raise ValueError(f"--kilometres and --unit {unit}: leave out one of the two")
    unit = "km/s" if kilometres else unit
    ours = [is_segy(file, raw=shape is not None) for file in files]
    if any(ours):
        if not all(ours):
            raise ValueError(f"{files[ours.index(True)]}: SEG-Y; import it without files of other formats")
        for_arrays = {"records": records, "key": key, "records_key": records_key, "shape": shape}
        for_arrays |= {"axes": axes, "endian": endian}
        if holds(files, segy) == "velocity":
            refuse_flags("for a velocity section", {**for_arrays, "gain": gain, **segy.given("holds")})
            if unit not in (None, "m/s", "km/s"):
                raise ValueError(f"--unit {unit}: velocity sections in SEG-Y are in m/s or km/s; convert it")
            sections = open_sections(files, unit == "km/s", spacing, study.grid)
            wanted = datasets.jobs(study, sections, split=split, validation=validation)
            make_set(study, wanted, workers, dry_run, part, scheduler)
            return
        for_models = {"spacing": spacing, "validation": validation or None, "kilometres": kilometres or None}
        for_models["unit"] = None if kilometres else unit
        for_shards = {"part": part, "scheduler": scheduler}
        refuse_flags("for the shots of a SEG-Y file", {**for_arrays, **for_models, **for_shards})
        import_shots(study, files, segy, gain=gain, split=split, workers=workers, dry_run=dry_run)
        return
    refuse_flags("for what is not SEG-Y", segy.given())
    found = datasets.find(
        study,
        files,
        records,
        key=key,
        records_key=records_key,
        shape=shape.lengths if shape else None,
        spacing=spacing,
        unit=unit,
        axes=axes,
        big_endian=None if endian is None else endian == "big",
        gain=gain,
    )
    print("\n".join(found.said))
    wanted = datasets.jobs(study, found.source, split=split, validation=validation)
    if dry_run and found.source.records is not None:
        samples = sum(len(job.numbers) for job in unfinished(study, wanted))
        print(f"{samples} samples to store with their records in {study.storage.folder}")
        return
    make_set(study, wanted, workers, dry_run, part, scheduler)

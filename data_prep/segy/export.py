"""Export of a data set as SEG-Y: for each sample a file of its records and one of its model."""

import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py

from data_prep.segy.headers import TRACE_HEADER
from data_prep.segy.layout import FILE_HEADERS
from data_prep.segy.write import require_fits, write_gathers, write_section
from fwi.files import claimed, refuse_links, remove_leftovers
from fwi.manifest import DataSet, Entry
from fwi.origin import Drawn
from fwi.shards import DAMAGE, ShardError, open_shard
from fwi.survey import Survey

FOLDER = "segy"
"""Where the files are, in the data set's folder."""


def export(data: DataSet, on_progress: Callable[[int], None] = lambda done: None) -> Path:
    """Write ``train-00000-3-gathers.segy`` and, where the model is known, ``train-00000-3-velocity.segy``.

    Files that exist are kept, so that a killed export goes on where it was, and several processes share the
    work. One sample is in memory at a time.

    Args:
        data: the data set.
        on_progress: called with the number of samples done, including those of an earlier export.

    Returns:
        The folder of the files.

    Raises:
        SegyError: SEG-Y's fields cannot hold the survey or the grid.
        ShardError: a shard is missing or damaged.
        ValueError: the folder of the files is a link.
        OSError: the disk is too small, or the folder not writable.
    """
    require_fits(data.survey)
    refuse_links(data.folder, FOLDER)
    folder = data.folder / FOLDER
    folder.mkdir(exist_ok=True)
    remove_leftovers(folder, "*.segy")
    _refuse_if_disk_too_small(data, folder)
    done = 0
    for entry in data.entries:
        missing = _missing(folder, entry)
        done += entry.samples - len(missing)
        on_progress(done)
        for _ in _written(data, entry, missing, folder):
            done += 1
            on_progress(done)
    return folder


def size(survey: Survey, samples: int) -> int:
    """Size of the files of some number of samples [bytes]."""
    shots, nt, receivers = survey.gather_shape
    traces = shots * receivers * (TRACE_HEADER + nt * 4) + survey.grid.nx * (
        TRACE_HEADER + survey.grid.nz * 4
    )
    return samples * (2 * FILE_HEADERS + traces)


def _written(data: DataSet, entry: Entry, samples: list[int], folder: Path) -> Iterator[int]:
    """Write some of a shard's samples, and give the number of each once it is written."""
    if not samples:
        return
    path = data.folder / entry.file
    with open_shard(path) as shard:
        for sample in samples:
            with claimed(_gathers_path(folder, entry, sample)) as ours:
                if ours and not _gathers_path(folder, entry, sample).exists():
                    _write(data, entry, shard, sample, folder)
            yield sample


def _write(data: DataSet, entry: Entry, shard: h5py.File, sample: int, folder: Path) -> None:
    try:
        gathers, number = shard["gathers"][sample], int(shard["seed"][sample])
        velocity = shard["velocity"][sample] if "velocity" in shard else None
    except DAMAGE as error:
        command = f"fwi verify {shlex.quote(str(data.folder))}"
        raise ShardError(f"{shard.filename}: damaged ({error}); run '{command}'") from None
    versions = data.provenance.get("versions", {})
    provenance = "\n".join(
        [
            f"Simulated by salt-fwi: data set {data.folder.name}, {entry.file}, sample {sample}",
            f"Model: number {number} of {_source(entry)}",
            f"SHA-256 of {entry.file}: {entry.sha256}",
            f"Versions: {', '.join(f'{name} {version}' for name, version in versions.items())}",
        ]
    )
    path = _gathers_path(folder, entry, sample)
    if velocity is not None:  # the gathers come last: where they are, the sample is done
        section = path.with_name(path.name.replace("gathers", "velocity"))
        write_section(section, velocity, data.survey.grid.spacing, provenance)
    write_gathers(path, gathers, data.survey, provenance)


def _source(entry: Entry) -> str:
    """Where a shard's models come from, in words."""
    if not isinstance(entry.origin, Drawn):
        return f"file {entry.origin.source.file}"
    salt = entry.origin.salt
    return f"salt preset {salt.preset_name}, seed {salt.seed}, {entry.split}"


def _missing(folder: Path, entry: Entry) -> list[int]:
    return [n for n in range(entry.samples) if not _gathers_path(folder, entry, n).exists()]


def _gathers_path(folder: Path, entry: Entry, sample: int) -> Path:
    return folder / f"{Path(entry.file).stem}-{sample}-gathers.segy"


def _refuse_if_disk_too_small(data: DataSet, folder: Path) -> None:
    needed = size(data.survey, sum(len(_missing(folder, entry)) for entry in data.entries))
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(
            f"{folder}: SEG-Y needs {needed / 1e9:.3g} GB more, and {free / 1e9:.3g} GB are free; make room, "
            "or leave out --segy"
        )

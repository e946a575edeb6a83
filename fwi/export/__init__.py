"""Handing a trained network on: a folder that others load with salt-fwi, plain PyTorch or ONNX Runtime.

>>> fwi.export.export("salt-half", Path("handed-on"))
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from fwi import zoo
from fwi.export.card import card, readme
from fwi.export.formats import FORMATS, Format
from fwi.export.graph import InverterGraph
from fwi.files import read_regular, write_whole
from fwi.inverter import find
from fwi.inverter_file import FILE
from fwi.provenance import versions
from fwi.run import load_run

FormatName = Literal["torch", "onnx"]
MANIFEST = "export.json"
"""Name of the file that says what a folder of an export holds."""
CARD, README = "card.md", "README.md"
SIZES = ((2, 3, 20), (1, 7, 31))
"""Numbers of records, shots and receivers at which a written graph is compared with the network."""
FARTHEST = 0.1
"""Largest difference [m/s] between a written graph and the network: float32 makes some thousandths."""


class ExportError(ValueError):
    """A network cannot be exported, or the folder holds something else."""


class Exported(NamedTuple):
    """The files that an export has written, and what it has left out."""

    files: tuple[Path, ...]
    """The files, the card first."""
    differences: dict[str, float]
    """Largest difference of the section from the network's [m/s], by format."""
    left_out: dict[str, list[str]]
    """Formats that were left out, with the packages that are missing."""


def export(
    network: Path | str, folder: Path, formats: Sequence[FormatName] | None = None, half: bool = False
) -> Exported:
    """Write a trained network in every form in which others may want to load it.

    The folder holds the inverter's safetensors file, its card, a README, and a file of each format, which is
    loaded again and compared with the network at two sizes before anything is written. Nothing is pickled.

    Args:
        network: folder of a run, name of a network of the zoo, or an inverter file.
        folder: where to; empty, or the folder of an earlier export of this network, which is written anew.
        formats: names of the formats of ``FORMATS``; all whose packages are installed if left out.
        half: write the large tensors of the safetensors file in half precision; it is copied if not.

    Raises:
        ValueError: the network is not there; the folder holds something else; a package is missing; or a
            written graph gives other sections than the network.
    """
    run = load_run(network)
    in_zoo = not Path(network).exists() and str(network) in zoo.names()
    name = run.name if not run.has_folder else run.folder.resolve().name
    earlier = _require_own(folder, name)
    missing = {each: FORMATS[each].missing for each in FORMATS if FORMATS[each].missing}
    if surplus := [each for each in formats or () if each in missing]:
        raise ExportError(
            f"--formats {surplus[0]}: {', '.join(missing[surplus[0]])} not installed: "
            "pip install 'salt-fwi[export]', or leave the format out"
        )
    chosen = [each for each in FORMATS if (each in formats if formats is not None else each not in missing)]

    described = zoo.card(name).text if in_zoo else card(run, name)
    graph = InverterGraph(run.inverter)
    graphs, differences = {}, {}
    if chosen:
        program = graph.traced()
        for each in chosen:
            graphs[each] = FORMATS[each].write(graph, program)
            differences[each] = _difference(FORMATS[each], graphs[each], graph)

    files = {FORMATS[each].file: content for each, content in graphs.items()}
    listed = [CARD, README, FILE, *files]
    # The list comes first, so that an export that was interrupted is known as one, and written anew.
    content = {"network": name, "files": sorted({*listed, *earlier}), "versions": versions()}
    write_whole(folder / MANIFEST, json.dumps(content, indent=1))
    if half:
        run.inverter.save(folder / FILE, half=True)
    else:
        write_whole(folder / FILE, find(Path(network)).read_bytes())
    write_whole(folder / CARD, described)
    write_whole(folder / README, readme(graph, name, differences, half))
    for file, written in files.items():
        write_whole(folder / file, written)
    for file in set(earlier) - set(listed):
        (folder / file).unlink(missing_ok=True)
    write_whole(folder / MANIFEST, json.dumps({**content, "files": listed}, indent=1))
    left_out = missing if formats is None else {}
    return Exported(tuple(folder / file for file in listed), differences, left_out)


def _require_own(folder: Path, name: str) -> list[str]:
    """Refuse a folder that holds something else than an export of the network; list the files of that."""
    known = {CARD, README, FILE, *(each.file for each in FORMATS.values())}
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return []
    what = "is no folder" if not folder.is_dir() else "holds something else than an export"
    if (folder / MANIFEST).is_file():
        try:
            content: dict[str, Any] = json.loads(read_regular(folder / MANIFEST, 100_000))
            if content["network"] == name:
                return [file for file in content["files"] if file in known]
            what = f"holds an export of {content['network']}"
        except (ValueError, LookupError, TypeError):
            what = f"holds an export whose {MANIFEST} is damaged"
    raise ExportError(f"{folder} {what}: choose another --to, or empty it")


def _difference(kind: Format, content: bytes, graph: InverterGraph) -> float:
    """Return the largest difference of a written graph's sections from the network's [m/s].

    Raises:
        ExportError: it is larger than rounding explains.
    """
    farthest = 0.0
    for size in SIZES:
        records = graph.records(*size)
        found = kind.run(content, records)
        for name, wanted in graph(*records.given).items():
            difference = float(np.abs(found[name] - wanted.numpy()).max())
            if not difference <= FARTHEST:
                raise ExportError(
                    f"{kind.file}: its {name} is {difference:.3g} m/s off the network's, so that it is not "
                    "written: leave this format out (--formats), and tell the authors of it"
                )
            farthest = max(farthest, difference)
    return farthest

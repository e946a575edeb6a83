"""The card of a verified data set: a README.md beside the shards that describes the set, and a figure."""

import os
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import numpy as np
from numpy.typing import NDArray

from data_prep.salt.statistics import PERCENTILES, summarise, velocity_histogram
from data_prep.verify.inspection import CARD, FIGURE, Inspection
from fwi import plots
from fwi.config import SPLITS, SaltConfig
from fwi.files import write_whole
from fwi.manifest import DataSet
from fwi.origin import Drawn, FieldRecords, Simulated, preset_of
from fwi.survey import Survey

MARK = "<!-- written by 'fwi verify', which replaces it -->"
"""First line of a card; a README.md without it was written by somebody else."""

UNITS = {
    "crest_depth": " [m]",
    "base_depth": " [m]",
    "width": " [m]",
    "roughness": " [m]",
    "lateral_change": " [m/s per m]",
    "slowest": " [m/s]",
    "fastest_sediment": " [m/s]",
}
"""Units of the statistics that have one."""

BINS = 30
"""Number of bars of the velocity histogram in the figure."""

SPEED_STEP = 500.0
"""Width of a bar of the velocity histogram in the table [m/s]."""


class Row(NamedTuple):
    """A row of the table of statistics: 10th, 50th and 90th percentile over the models, as text."""

    name: str
    """What is measured, with its unit."""
    low: str
    """10th percentile."""
    middle: str
    """50th percentile."""
    high: str
    """90th percentile."""


def write(found: Inspection) -> bool:
    """Write the card and its figure into the data set's folder.

    Args:
        found: results of the verification of a sound set.

    Returns:
        Whether the card was written; a README.md that is not a card is left alone.
    """
    path = found.data.folder / CARD
    if os.path.lexists(path) and not _is_ours(path):
        return False
    plots.save(_figure(found), found.data.folder / FIGURE)
    write_whole(path, text(found))
    return True


def withdraw(folder: Path) -> bool:
    """Remove the card of an earlier verification from a set that is no longer sound.

    Returns:
        Whether there was a card; a README.md that is not a card is left alone.
    """
    if not _is_ours(folder / CARD):
        return False
    for name in (CARD, FIGURE):
        (folder / name).unlink(missing_ok=True)
    return True


def text(found: Inspection) -> str:
    """The card as Markdown."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("data_prep"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    data = found.data
    modelled = bool(found.models)
    return environment.get_template("card.md.j2").render(
        mark=MARK,
        name=data.folder.resolve().name,
        total=found.samples,
        contents="velocity models and their shot gathers" if modelled else "shot gathers",
        splits=[f"{data.size(split)} {split}" for split in SPLITS if data.size(split)],
        shards=len(data.entries),
        size=_bytes(sum(entry.bytes for entry in data.entries)),
        figure=FIGURE,
        geometry=_geometry(found),
        statistics=statistics(found),
        measured=measured(found),
        example=data.entries[0].file,
        fields="gathers, velocity, salt, seed" if modelled else "gathers and seed",
        origins=_origins(data),
        made=_made(data),
        when=f"{found.when:%Y-%m-%d %H:%M} UTC",
        verified=verified(found),
        notes=found.notes,
    )


def statistics(found: Inspection) -> list[Row]:
    """Statistics of the models, a row each; no rows if there are no models."""
    if not found.models:
        return []
    presets = (preset_of(entry.origin) for entry in found.data.entries)
    salt = next(filter(None, presets), SaltConfig())
    summary = summarise(np.stack(found.models), found.data.survey.grid.spacing, salt.threshold)
    rows = [
        Row(name.replace("_", " ") + UNITS.get(name, ""), *map(number, percentiles))
        for name, percentiles in summary.items()
    ]
    return rows + _histogram(found)


def measured(found: Inspection) -> str:
    """Describe on which models the statistics were measured."""
    count = len(found.models)
    return "all of them" if count == found.samples else f"{count} models, evenly spread over the set"


def verified(found: Inspection) -> list[str]:
    """Describe what was verified, a sentence each."""
    alone = (
        "no model, nor its mirror image, is" if found.models else "no records, nor their mirror image, are"
    )
    lines = [
        f"size and SHA-256 of {len(found.data.entries)} shards are those of the manifest",
        f"{found.samples} samples hold no NaN or infinity; {found.dead} of {found.traces} traces are dead, "
        f"{found.clipped} clipped",
        f"{alone} in two splits"
        + (", of this set or of those it was compared with" if found.against else ""),
    ]
    if found.redrawn:
        lines.append(f"{found.redrawn} models, drawn again from their preset, are equal to the last bit")
    if found.resimulated:
        worst = max(one.nrms for one in found.resimulated)
        lines.append(
            f"{len(found.resimulated)} models, drawn at random and simulated again, give the stored records "
            f"within NRMS {worst:.2g}"
        )
    return lines + compared(found)


def compared(found: Inspection) -> list[str]:
    """Describe what the samples were compared with, whatever the result, a sentence each."""
    lines = []
    for other in found.against:
        count = sum(entry.samples for entry in other.entries)
        lines.append(
            f"every sample was compared by content, mirrored too, with the {count} of {other.folder}"
        )
    if found.resimulated:
        count = len(found.resimulated)
        lines.append(f"{count} samples to simulate again were drawn with --seed {found.seed}")
    return lines


def number(value: float) -> str:
    """Format a number with three digits, or with all digits before the decimal point."""
    if not np.isfinite(value):
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _is_ours(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with open(path, "rb") as file:
        return file.read(len(MARK)) == MARK.encode()


def _histogram(found: Inspection) -> list[Row]:
    """The velocity histogram: share of a model's cells in each range of speeds, a row per bar."""
    slowest, fastest = found.data.survey.grid.velocity
    edges = np.arange(SPEED_STEP * (slowest // SPEED_STEP), fastest + SPEED_STEP, SPEED_STEP)
    shares = [velocity_histogram(model, edges) for model in found.models]
    bars = np.percentile(shares, PERCENTILES, axis=0).T
    return [
        Row(f"cells at {low:.0f}..{high:.0f} m/s", *map(number, bar))
        for (low, high), bar in zip(pairwise(edges), bars, strict=True)
    ]


def _geometry(found: Inspection) -> list[tuple[str, str]]:
    recipe, survey = found.data.recipe, found.data.survey
    grid, config, physics = survey.grid, survey.config, recipe["physics"]
    dispersion = "corrected for" if physics["correct_dispersion"] else "not corrected for"
    lines = [
        ("grid", f"{grid.nz} x {grid.nx} cells (depth, x) of {grid.spacing:g} m"),
        ("shots", f"{config.shots}, at {_span(survey.shot_x)} m, {survey.shot_depth:g} m deep"),
        ("receivers", f"{_receivers(survey)}, {survey.receiver_depth:g} m deep"),
        ("time", f"{len(survey.time)} samples of {survey.recorded_dt:g} s"),
        ("wavelet", f"{config.wavelet.kind}, {config.wavelet.frequency:g} Hz peak frequency"),
        ("top", f"{config.top}"),
    ]
    if any(isinstance(entry.origin, Simulated) for entry in found.data.entries):
        steps = (
            f"{config.nt} steps of {config.dt:g} s, order {physics['order']} in space, absorbing layer of "
            f"{physics['pml_width']} cells, time dispersion {dispersion}"
        )
        lines.append(("simulation", steps))
    lines += [
        ("gathers", f"`(sample, shot, time, receiver)`, {recipe['storage']['dtype']}, pressure"),
        ("largest amplitude", number(found.amplitude)),
    ]
    if found.models:
        slowest, fastest = found.velocity
        lines += [
            ("velocity", f"`(sample, depth, x)`, float32, {slowest:.0f} .. {fastest:.0f} m/s"),
            ("salt", "`(sample, depth, x)`, uint8, 1 where there is salt"),
        ]
    return lines


def _receivers(survey: Survey) -> str:
    config = survey.config
    if config.spread == "fixed":
        return f"{config.receivers}, at {_span(survey.receiver_x[0])} m, for every shot"
    offsets = np.abs(survey.receiver_x[0] - survey.shot_x[0])
    return f"{config.receivers} behind each shot, at offsets of {_span(offsets)} m"


def _span(positions: NDArray[np.float64]) -> str:
    if len(positions) == 1:
        return f"{positions[0]:g}"
    return f"{positions[0]:g} .. {positions[-1]:g}"


def _origins(data: DataSet) -> list[str]:
    """Describe each preset or file that models or records come from, with its licence."""
    lines = []
    for entry in data.entries:
        if isinstance(entry.origin, Drawn):
            salt, known = entry.origin.salt, preset_of(entry.origin)
            preset = known.preset.model_dump(mode="json", exclude_defaults=True) if known else salt.preset
            options = f" with {preset}" if preset else ""
            name = known.preset.name if known else "of an older version"
            line = f"random models of the preset `{name}`{options}, seed {salt.seed}: nobody else's"
        else:
            file = entry.origin.source.file
            licence = data.provenance.get("licence", f"unknown: ask the author of {file}")
            line = f"`{file}`; licence: {licence}"
            if isinstance(entry.origin, FieldRecords):  # each change on a line of its own below the file
                line = "\n  - ".join([line, *entry.origin.source.changes])
        lines.append(line)
    return list(dict.fromkeys(lines))


def _made(data: DataSet) -> list[tuple[str, str]]:
    provenance = data.provenance
    machine = provenance.get("machine", {})
    timed = [entry for entry in data.entries if entry.seconds is not None]
    time = "not noted"
    if timed:
        seconds, count = sum(entry.seconds or 0 for entry in timed), sum(entry.samples for entry in timed)
        spent = f"{seconds / 3600:.3g} h" if seconds >= 3600 else f"{seconds:.3g} s"
        time = f"{spent} of one core, {seconds / count:.3g} s a sample"
        if len(timed) < len(data.entries):
            time += f" ({len(timed)} of {len(data.entries)} shards were timed)"
    packages = ", ".join(f"{name} {version}" for name, version in provenance.get("versions", {}).items())
    return [
        ("begun", provenance.get("created", "not noted")),
        ("command", f"`{provenance.get('command', 'not noted')}`"),
        ("time", time),
        ("machine", f"{machine.get('processor', 'not noted')}, {machine.get('cpus', '?')} cores"),
        ("versions", packages or "not noted"),
    ]


def _bytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e8 else f"{size / 1e6:.2f} MB"


def _figure(found: Inspection) -> Any:
    survey = found.data.survey
    middle = survey.config.shots // 2
    histogram = None
    if found.models:
        edges = np.linspace(*survey.grid.velocity, BINS + 1)
        histogram = edges, velocity_histogram(np.stack(found.models), edges)
    columns = [plots.SampleColumn(*shown) for shown in found.shown]
    return plots.samples(
        columns,
        survey.grid.spacing,
        survey.grid.velocity,
        survey.receiver_x[middle],
        survey.recorded_dt,
        histogram,
    )

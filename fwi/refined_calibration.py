"""Calibration of the intervals of refined sections, on refined validation sections of a run.

Each section is kept in the run's folder as it is refined, so that a calibration that was stopped goes on.
"""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from fwi import interrupts
from fwi.calibrate import CASES, LARGEST, TRUST, key_of, read
from fwi.data import ShotDataset
from fwi.files import locked, read_own, refuse_links, sha256, write_whole
from fwi.interval_fit import calibrate_refined, fewest_sections
from fwi.intervals import KEY, Calibration
from fwi.inverter_file import FILE
from fwi.refined_section import settings_of
from fwi.refined_split import finished
from fwi.run import Progress, Run, silent

Array = NDArray[np.float32]

FORMAT = "refined 1"
"""Version of refinements and of the files that keep them, which are made anew where they have another."""
DECIDING = ("grid", "survey", "physics", "model", "check", "refine")
"""Sections of the study that a refined section depends on."""


class Kept(NamedTuple):
    """What is kept of a refinement."""

    sections: Array
    """Start, refined section, and where it came from other starts [m/s], shape ``(section, depth, x)``."""
    accepted: bool
    """Whether the evidence was for the refined section."""


class RefinedCalibration(NamedTuple):
    """A calibration with half-widths for refined sections, and what they were measured on."""

    calibration: Calibration
    """The calibration of the intervals."""
    refined: int
    """Number of validation sections that were refined."""
    written: Path
    """The file that tells of it."""

    def __str__(self) -> str:
        scale = self.calibration.refined
        accepted = scale.sections if scale else 0
        return (
            f"{accepted} of {self.refined} refined sections were accepted; intervals for "
            f"{self.calibration.coverage:.0%} are calibrated on these"
        )


def calibrate_refined_run(
    run: Run, validation: ShotDataset, samples: int, progress: Progress = silent
) -> RefinedCalibration:
    """Refine validation sections of a run, and calibrate the intervals of refined sections on them.

    A refined section is returned, and has an interval of its own, only if it was accepted. So only accepted
    ones are calibrated on, and the guarantee is for these. The calibration is kept in the run's inverter, and
    told in its ``trust.json``.

    Args:
        run: a run whose network's intervals are calibrated.
        validation: the study's validation samples.
        samples: how many of them, evenly spread, are refined, with the settings of the run's study.
        progress: shows the progress.

    Raises:
        ValueError: the network's intervals are not calibrated, there are too few sections for the guarantee,
            or samples are not of the run's survey.
        KeyboardInterrupt: a refinement was interrupted.
    """
    calibration, command = run.calibration, f"fwi calibrate --run {shlex.quote(str(run.folder))}"
    if calibration is None:
        raise ValueError(
            f"{run.folder}: calibrate the intervals of the network's own sections first: {command}"
        )
    needed = fewest_sections(calibration.coverage, calibration.confidence)
    enough = f"a coverage of {calibration.coverage:.0%} needs {needed} that are accepted"
    if len(validation) < needed:
        raise ValueError(f"{len(validation)} validation samples are too few to refine: {enough}")
    if samples < needed:
        raise ValueError(f"{samples} refined sections are too few: {enough}, and not all will be")
    run.require(validation.survey, ", ".join(map(str, validation.folders)))
    refuse_links(run.folder, CASES)
    with locked(run.folder):
        numbers = np.unique(np.linspace(0, len(validation) - 1, min(samples, len(validation))).astype(int))
        key = key_of(run.inverter, [FORMAT, validation.digest(), settings_of(run.study)], DECIDING)
        chosen = {}
        with progress("refine", len(numbers), "sections") as advance:
            for done, number in enumerate(numbers.tolist(), start=1):
                interrupts.check()
                kept = _refined(run, validation, number, key)
                if kept.accepted:
                    chosen[number] = kept
                advance(done)
        if len(chosen) < needed:
            raise ValueError(
                f"{len(chosen)} of {len(numbers)} refined sections were accepted, and {enough}: refine more"
            )
        made = _fitted(run, validation, chosen, calibration)
        return RefinedCalibration(made, len(numbers), _save(run, made))


def _refined(run: Run, validation: ShotDataset, number: int, key: str) -> Kept:
    """Refine the network's section of a sample, or read what was kept of that."""
    path = run.folder / CASES / f"refined-{key[:16]}-{number:06d}.safetensors"
    if kept := _kept(path, (run.study.grid.nz, run.study.grid.nx)):
        return kept
    study, journal = run.study, path.with_suffix(".journal")
    refined = finished(
        run.refine(
            None,
            validation[number].gathers.float().numpy(),
            validation.survey,
            config=study.refine,
            physics=study.physics,
            check=study.check,
            journal=journal,
        )
    )
    sections = np.stack([refined.start, refined.candidate, *refined.starts.values()]).astype(np.float32)
    write_whole(path, save({"sections": sections, "accepted": np.array([refined.accepted])}))
    journal.unlink(missing_ok=True)
    return Kept(sections, refined.accepted)


def _kept(path: Path, shape: tuple[int, int]) -> Kept | None:
    """Read what was kept of a refinement; None where there is nothing, or it is damaged."""
    try:
        found = load(read_own(path, LARGEST))
        sections, accepted = found["sections"], bool(found["accepted"].all())
    except (OSError, ValueError, LookupError, SafetensorError):
        return None
    whole = sections.ndim == 3 and len(sections) >= 2 and sections.shape[1:] == shape
    return Kept(sections, accepted) if whole and np.isfinite(sections).all() else None


def _fitted(
    run: Run, validation: ShotDataset, chosen: Mapping[int, Kept], calibration: Calibration
) -> Calibration:
    """Fit the half-widths on refined sections, by the number of their sample."""
    samples = [validation[number] for number in chosen]
    made = calibrate_refined(
        calibration,
        starts=[kept.sections[0] for kept in chosen.values()],
        candidates=[kept.sections[1] for kept in chosen.values()],
        others=[list(kept.sections[2:]) for kept in chosen.values()],
        spreads=[run.inverter.spread(each.gathers.float().numpy(), validation.survey) for each in samples],
        truths=[each.velocity.numpy() for each in samples],
    )
    return made.model_copy(update={"refined_by": settings_of(run.study)})


def _save(run: Run, calibration: Calibration) -> Path:
    """Keep a calibration in the run's inverter, and in its ``trust.json`` if that is of these weights."""
    file, told = run.folder / FILE, run.folder / TRUST
    try:
        trust = read(run.folder)
    except (OSError, ValueError):
        trust = None
    run.inverter.calibration |= {KEY: calibration.model_dump(mode="json")}
    run.inverter.save(file)
    if trust is None:
        return file
    update = {"inverter": sha256(file), "uncertainty": calibration}
    write_whole(told, trust.model_copy(update=update).model_dump_json(indent=1))
    return told

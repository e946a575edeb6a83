"""``fwi calibrate``: how far a run's sections can be trusted, measured on sections with known errors."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from data_prep.make import devices
from data_prep.salt import PRESETS, generate
from experiments.progress import progress
from fwi import run_folder
from fwi.calibrate import TRUST, calibrate_run
from fwi.config import SaltConfig, SinglePreset, StudyConfig
from fwi.data import Sample, ShotDataset
from fwi.manifest import DataSet
from fwi.origin import Drawn
from fwi.provenance import provenance
from fwi.refined_calibration import calibrate_refined_run
from fwi.run import Run, load_run
from fwi.shards import ShardError
from fwi.trust.calibration import HOME
from fwi.trust.collect import Source
from fwi.trust.judge import Trust
from fwi.trust.verdict import meaning

STREAM = 3
"""Random stream of the salt models that verdicts are calibrated on: no split of a study has it."""


def calibrate(
    run: Path,
    models: int = 200,
    presets: tuple[str, ...] | None = None,
    samples: int | None = None,
    refined: int | None = None,
) -> None:
    """Calibrate the verdicts of a run: sections that are wrong are to be doubted, and few others.

    It takes the network's sections of the study's validation records, damaged ones of these, and its sections
    of fresh models of other geologies, all with the figures of their physics check. Half of them fit the
    verdict, the others set its threshold. It writes trust.json, and the calibration into the run's inverter.
    A calibration that was stopped goes on when it is repeated.

    Args:
        run: the run's folder, into which the calibration is written.
        models: how many fresh models of each preset are simulated; 0 for the validation records alone.
        presets: the presets of the fresh models; if not given, all whose speeds the study's grid.velocity can
            hold, with sediments kept within it.
        samples: how many validation samples are taken, evenly spread; all if not given.
        refined: refine the sections of so many validation samples, as 'fwi refine' does, and calibrate the
            intervals of refined sections, beside what is calibrated already. Each takes minutes.
    """
    if models < 0 or (samples is not None and samples < 1):
        raise ValueError("--models takes 0 or more, and --samples 1 or more")
    if refined is not None and (presets is not None or samples is not None):
        raise ValueError("--presets and --samples are for the verdict: give --refined N without them")
    trained = load_run(run)
    written = trained.folder / TRUST
    data = DataSet.read(trained.own_data)
    data.verify("validation")
    validation = ShotDataset([data], "validation")
    if refined is not None:
        found = calibrate_refined_run(trained, validation, refined, progress)
        run_folder.note(run, "calibrate", provenance())
        print(f"{found}\nwritten: {found.written}")
        return
    others = fresh(trained, models, presets, home=_drawn_from(data)) if models else []
    made = calibrate_run(trained, validation, _training(data), others, samples, progress)
    run_folder.note(run, "calibrate", provenance())
    print(f"{table(made.trust)}\n\n{meaning(made.trust)}\nwritten: {written}")


def fresh(
    run: Run, models: int, presets: Sequence[str] | None, home: SaltConfig | None = None
) -> list[Source]:
    """Draw models of several presets, whose records are simulated as those of the study.

    Args:
        run: the run.
        models: number of models of each preset.
        presets: names of presets; those that fit if None.
        home: the salt models of the study's records, if these were drawn; fresh ones of their preset are at
            home too.

    Raises:
        ValueError: a preset is unknown or does not fit the grid's range of speeds.
    """
    study, sources = run.study, []
    known = [name for name in PRESETS if name != "mixed"]
    for name in known if presets is None else presets:
        if name not in known:
            raise ValueError(f"--presets {name}: no preset of one geology; known: {', '.join(known)}")
        preset = within(name, study.grid.velocity)
        if preset is None and presets is not None:
            slowest, fastest = study.grid.velocity
            raise ValueError(
                f"--presets {name}: its salt is faster or its sediments are slower than grid.velocity "
                f"{slowest:g} .. {fastest:g} m/s: leave it out"
            )
        if preset is not None:
            salt = SaltConfig(preset=preset, seed=study.salt.seed)
            at_home = home is not None and home.preset.name == name
            if home is not None and at_home:
                salt = home
            sources.append(_drawn(study, HOME if at_home else name, salt, models))
    return sources


def _drawn_from(data: DataSet) -> SaltConfig | None:
    """The salt models that validation samples were drawn from; None of an imported data set."""
    origins = [entry.origin for entry in data.split("validation")]
    drawn = [origin for origin in origins if isinstance(origin, Drawn)]
    return drawn[0].salt.config() if drawn and len(drawn) == len(origins) else None


def within(name: str, velocity: tuple[float, float]) -> SinglePreset | None:
    """Return a preset with its sediments kept within a range of speeds [m/s]; None where that cannot be."""
    preset = SaltConfig.model_validate({"preset": name}).preset
    slowest, fastest = preset.sediment_speeds  # type: ignore[union-attr]
    if preset.speeds[1] > velocity[1] or fastest <= velocity[0]:
        return None
    narrowed: SinglePreset = preset.model_copy(  # type: ignore[assignment]
        update={"sediment_speeds": (max(slowest, velocity[0]), fastest)}
    )
    return narrowed


def table(trust: Trust) -> str:
    """Format how the verdict does on each kind of section, a kind per line."""
    heads = ("wrong", "doubted", "at least", "good", "believed")
    lines = [f"{'sections that nothing was fitted on':<38}" + "".join(f"{head:>10}" for head in heads)]
    for name, kind in trust.kinds.items():
        caught = f"{1 - kind.missed / kind.wrong:.0%}" if kind.wrong else "-"
        least = f"{kind.caught:.0%}" if kind.wrong else "-"
        believed = "-" if kind.believed is None else f"{kind.believed:.0%}"
        cells = (kind.wrong, caught, least, kind.sections - kind.wrong, believed)
        lines.append(f"{f'{name}: {kind.sections}':<38}" + "".join(f"{cell:>10}" for cell in cells))
    return "\n".join(lines)


def _training(data: DataSet) -> ShotDataset | None:
    """The training samples of the study, if they are still there and whole."""
    try:
        data.verify("train")
        return ShotDataset([data], "train")
    except ShardError:
        return None


def _drawn(study: StudyConfig, kind: str, salt: SaltConfig, count: int) -> Source:
    place = devices.place("auto", workers=1)

    def read(numbers: Sequence[int]) -> Sample:
        models = [generate(study.grid, salt, STREAM, number) for number in numbers]
        velocity = np.stack([model.velocity for model in models])
        records = np.stack(list(devices.simulated(study, velocity, place)))
        stored = records.astype(study.storage.dtype)
        parts = (stored, velocity, np.stack([model.salt for model in models]))
        return Sample(*(torch.from_numpy(part) for part in parts))

    return Source(kind, count, read, identity=salt.model_dump_json())

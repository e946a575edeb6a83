"""Calibration of a run: what its verdicts rest on is measured, and kept with its weights.

The figures of each few samples are kept in the run's folder as they are found, so that a calibration that was
stopped goes on, and one on more models makes only what is missing.
"""

import contextlib
import hashlib
import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ValidationError

from fwi import interrupts, intervals, uncertainty
from fwi.config import TrustConfig
from fwi.data import ShotDataset
from fwi.files import locked, read_own, refuse_links, sha256, write_whole
from fwi.intervals import KEY, Calibration
from fwi.inverter import Inverter
from fwi.inverter_file import FILE
from fwi.risk_control import TooFewSectionsError
from fwi.run import Progress, Run, silent
from fwi.trust.calibration import HOME, calibrate
from fwi.trust.cases import Cases
from fwi.trust.collect import Source, collect, feature_space, of_dataset
from fwi.trust.judge import SECTION, Trust, TrustError
from fwi.trust.seen import FeatureSpace

TRUST = "trust.json"
"""Name of the calibrated verdict with its diagnostics, in the folder of a run."""
CASES = "calibration"
"""Name of the folder, in that of a run, with the figures of the sections that it was calibrated on."""
SAMPLES_AT_ONCE = 8
"""Number of samples whose figures are kept together."""
AFTER_TRAINING = 40
"""Largest number of validation samples that are taken at the end of a training."""
FORMAT = "1"
"""Version of the figures and damages, which are measured anew where what was kept has another."""
JUDGED = ("grid", "survey", "physics", "model", "check")
"""Sections of the study that figures depend on."""
LARGEST = 20_000_000
"""Bytes of the largest file of figures or diagnostics."""


class Calibrated(BaseModel):
    """The content of ``trust.json``."""

    inverter: str
    """SHA-256 of the inverter's file that holds this calibration."""
    trust: Trust
    """The calibrated verdict."""
    diagnostics: dict[str, Any] = {}
    """How the calibration went, as ``trust.json`` holds it."""
    uncertainty: Calibration | None = None
    """Calibration of the intervals, where there were sections enough."""


def calibrate_run(
    run: Run,
    validation: ShotDataset,
    training: ShotDataset | None = None,
    others: Sequence[Source] = (),
    samples: int | None = None,
    progress: Progress = silent,
) -> Calibrated:
    """Calibrate what a run says of its sections, and keep it in the run's inverter and ``trust.json``.

    Args:
        run: the run.
        validation: the study's validation samples, which are also damaged.
        training: training samples, whose features are those that the network knows; those of validation take
            their place if left out.
        others: samples of other kinds, of the run's survey.
        samples: how many validation samples are taken; all of them if left out.
        progress: shows the progress.

    Raises:
        ValueError: there are too few sections, or samples are not of the run's survey.
    """
    run.require(validation.survey, ", ".join(map(str, validation.folders)))
    limits, salt_speed = run.study.trust, run.study.salt.threshold
    count = len(validation) if samples is None else min(samples, len(validation))
    numbers = np.unique(np.linspace(0, len(validation) - 1, count).astype(int)).tolist()
    sources = [of_dataset(HOME, validation, numbers, damages=True), *others]
    space = feature_space(run.inverter, training or validation)
    refuse_links(run.folder, CASES)
    with locked(run.folder):
        cases = _collected(run, sources, space, limits, salt_speed, progress)
        trust, diagnostics = calibrate(cases, space, limits, salt_speed)
        inverter = run.inverter
        spans = _uncertainty(inverter, validation)
        inverter.calibration |= {SECTION: trust.model_dump(mode="json"), **spans}
        inverter.save(run.folder / FILE)
        made = Calibrated(
            inverter=sha256(run.folder / FILE),
            trust=trust,
            diagnostics=diagnostics,
            uncertainty=spans.get(KEY),
        )
        write_whole(run.folder / TRUST, made.model_dump_json(indent=1))
    return made


def read(folder: Path) -> Calibrated:
    """Read ``trust.json`` of a run.

    Raises:
        FileNotFoundError: the run has not been calibrated.
        TrustError: the file is damaged, or tells of other weights than those of the run.
    """
    path, remedy = folder / TRUST, f"run fwi calibrate --run {shlex.quote(str(folder))}"
    content = read_own(path, LARGEST)
    try:
        made = Calibrated.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise TrustError(
            f"{path}: damaged, or of another version ({where}: {first['msg']}): {remedy}"
        ) from None
    if not (folder / FILE).exists() or made.inverter != sha256(folder / FILE):
        raise TrustError(f"{path}: of other weights than {FILE}: {remedy}")
    return made


def _collected(
    run: Run,
    sources: Sequence[Source],
    space: FeatureSpace,
    limits: TrustConfig,
    salt_speed: float,
    progress: Progress,
) -> Cases:
    """Collect the cases of all sources, a few samples at a time; those that are kept are read."""
    check = run.physics(run.survey)
    found, done = [], 0
    with progress("calibrate", sum(source.samples for source in sources), "samples") as advance:
        for source in sources:
            key = _key(run.inverter, source, space, limits, salt_speed)
            for first in range(0, source.samples, SAMPLES_AT_ONCE):
                interrupts.check()
                numbers = range(first, min(first + SAMPLES_AT_ONCE, source.samples))
                path = run.folder / CASES / f"{source.kind}-{key[:8]}-{first:06d}-{len(numbers)}.json"
                cases = _kept(path, key)
                if cases is None:
                    cases = collect(run.inverter, check, source, numbers, space, limits, salt_speed)
                    _keep(path, key, cases)
                found.append(cases)
                advance(done := done + len(numbers))
    return Cases.joined(found)


def key_of(inverter: Inverter, settings: Sequence[object], sections: Sequence[str] = JUDGED) -> str:
    """Identify all that a result depends on: settings, sections of the study, and weights.

    Args:
        inverter: the inverter.
        settings: plain values.
        sections: names of sections of its study.
    """
    study = inverter.study.model_dump(mode="json")
    content = hashlib.sha256(json.dumps([*settings, {name: study[name] for name in sections}]).encode())
    for name, tensor in sorted(inverter.state_dict().items()):
        content.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    return content.hexdigest()


def _key(
    inverter: Inverter, source: Source, space: FeatureSpace, limits: TrustConfig, salt_speed: float
) -> str:
    """Identify all that the figures and errors of a source depend on."""
    settings = [FORMAT, source.identity, space.model_dump(), limits.model_dump(), salt_speed]
    return key_of(inverter, settings)


def _keep(path: Path, key: str, cases: Cases) -> None:
    content = {
        "key": key,
        "kind": cases.kind.tolist(),
        "own": cases.own.tolist(),
        "sample": cases.sample.tolist(),
        "figures": {name: values.tolist() for name, values in cases.figures.items()},
        "wrong": cases.wrong.tolist(),
        "mae": cases.mae.tolist(),
    }
    write_whole(path, json.dumps(content))


def _kept(path: Path, key: str) -> Cases | None:
    """Read what was kept; None where there is nothing, or nothing that belongs to these weights."""
    try:
        content = json.loads(read_own(path, LARGEST))
        if content["key"] != key:
            return None
        return Cases(
            np.array(content["kind"]),
            np.array(content["own"], dtype=bool),
            np.array(content["sample"], dtype=np.int64),
            {name: np.array(values, dtype=np.float64) for name, values in content["figures"].items()},
            np.array(content["wrong"], dtype=bool),
            np.array(content["mae"], dtype=np.float64),
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _uncertainty(inverter: Inverter, validation: ShotDataset) -> dict[str, Any]:
    """Calibrate the intervals of an inverter; too few validation samples leave it without.

    Those of refined sections, which these weights have as well, are kept.
    """
    try:
        made = uncertainty.calibrate(inverter, validation)
    except TooFewSectionsError:
        return {}
    with contextlib.suppress(intervals.UncalibratedError):  # damaged: made anew
        before = intervals.read(inverter.calibration)
        kept = before and before.model_copy(update={"network": made.network})
        if kept and made == kept.model_copy(update={"refined": None, "refined_by": {}}):
            made = kept
    return {KEY: made.model_dump(mode="json")}

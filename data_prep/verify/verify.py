"""Verification of a data set: is it unchanged, and is it sound? Read sample by sample."""

import datetime
import functools
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data_prep.salt import generate
from data_prep.verify import conformity, soundness
from data_prep.verify.fingerprints import Fingerprints, Sample, refuse_incomparable
from data_prep.verify.inspection import Inspection, Problem, Resimulated, Shown, place, rows
from data_prep.verify.repair import jobs_of, remedy
from fwi import shards
from fwi.config import PhysicsConfig, StudyConfig
from fwi.manifest import ANEW, MANIFEST, DataSet, Entry
from fwi.misfit import gain_on_simulated, normalised_rms
from fwi.origin import Drawn, ImportedRecords, preset_of
from fwi.provenance import versions
from fwi.shards import DAMAGE, ShardError
from fwi.survey import SurveyError, differences

OnProgress = Callable[[int], None]

Made = Literal["models", "records"]
"""What is made again with this version, for comparison."""

SPREAD = 300
"""Number of models, evenly spread over the set, that give the statistics and are drawn again."""

SHOWN = 3
"""Number of samples, evenly spread over the set, that the card shows."""


def read_manifest(folder: Path) -> DataSet:
    """Read the manifest of a folder.

    Raises:
        ShardError: there is no valid manifest; if there are shards, the message says how to restore it.
    """
    there = sorted(path.name for path in folder.glob("*.h5"))
    if there and not (folder / MANIFEST).exists():
        raise ShardError(
            f"{folder}: {MANIFEST} is missing beside {len(there)} shards, {there[0]} the first: "
            "repeat the 'fwi simulate' or 'fwi import' that made them; it takes up those that are whole, and "
            "names one that is not, which you then delete"
        )
    return DataSet.read(folder)


def inspect(
    data: DataSet,
    study: StudyConfig | None = None,
    resimulate: int = 4,
    seed: int = 0,
    against: Sequence[DataSet] = (),
    on_progress: OnProgress = lambda done: None,
) -> Inspection:
    """Read a whole data set and note what is wrong with it.

    Args:
        data: the data set.
        study: the study whose survey the set must have; None accepts any survey.
        resimulate: number of samples, drawn at random, whose models are simulated again.
        seed: random seed with which these samples are drawn.
        against: other sets of the same grid, which must not hold a model of this set in another split.
        on_progress: called with the number of samples read so far, those of the other sets first.

    Raises:
        ShardError: another set cannot be compared with this one, or is damaged.
        SurveyError: this version refuses to simulate the survey of the set.
    """
    found = Inspection(data, datetime.datetime.now(datetime.UTC), seed=seed, against=list(against))
    before, fingerprints = 0, Fingerprints()
    for other in against:
        refuse_incomparable(data, other)
        fingerprints.meet_all(other, functools.partial(_report, on_progress, before))
        before += sum(entry.samples for entry in other.entries)
    if study is not None:
        conformity.compare_with(study, found)
    conformity.note_strangers(found)
    for what in conformity.manifest_faults(data):
        found.problems.append(Problem(MANIFEST, f"{what}; {ANEW}"))
    reading, done = _Reading(found, resimulate, fingerprints), 0
    for entry in data.entries:
        reading.shard(entry, done, functools.partial(_report, on_progress, before))
        done += entry.samples
        on_progress(before + done)
    reading.judge()
    if not done:
        what = "lists no samples; make some with 'fwi simulate' or 'fwi import'"
        found.problems.append(Problem(MANIFEST, what))
    for remark, places in reading.remarks.items():
        found.notes.append(f"{remark}: {len(places)}, the first {places[0]}")
    return found


def _report(on_progress: OnProgress, before: int, done: int) -> None:
    on_progress(before + done)


class _Tally:
    """The findings in one shard."""

    def __init__(self, file: h5py.File, entry: Entry) -> None:
        self.file, self.entry, self.preset = file, entry, preset_of(entry.origin)
        self.simulated = "velocity" in file and not isinstance(entry.origin, ImportedRecords)
        self.faults: dict[str, list[int]] = defaultdict(list)
        """Samples for each fault that disappears when the shard is made again."""
        self.strange: dict[tuple[Made, str], list[int]] = defaultdict(list)
        """Samples whose models or records this version makes differently, for each description of how."""
        self.copies: dict[tuple[Path, str, str], list[tuple[int, int]]] = defaultdict(list)
        """Pairs of samples with the same model, here and in the other shard of a folder, file and split."""


class _Reading:
    """One pass over the samples, with the data that they are compared with."""

    def __init__(self, found: Inspection, resimulate: int, fingerprints: Fingerprints) -> None:
        self.found, self.data, self.survey = found, found.data, found.data.survey
        self.remarks: dict[str, list[str]] = defaultdict(list)
        """Samples for each remark that is not a problem."""
        total = sum(entry.samples for entry in self.data.entries)
        self.spread, self.shown = _evenly(SPREAD, total), _evenly(SHOWN, total)
        drawn = np.random.default_rng(found.seed).choice(total, min(resimulate, total), replace=False)
        self.resimulate = set(drawn.tolist())
        self.fingerprints = fingerprints
        self.strange: list[tuple[Entry, Made, str]] = []
        """Shards whose models or records this version makes differently, with a description of how."""
        self.alike: set[Made] = set()
        """Whether this version makes models, or records, as they are stored in some sample of the set."""
        self.reached = soundness.reached(self.survey)
        self.jobs = jobs_of(self.data)

    def shard(self, entry: Entry, before: int, on_progress: OnProgress) -> None:
        """Read a shard; ``before`` is the number of samples in the shards before it."""
        try:
            damage = self.data.damage(entry)
            if not damage:
                with shards.open_shard(self.data.folder / entry.file) as file:
                    if conformity.at_odds(file, self.data, entry):
                        return  # the manifest is wrong, and among the problems already
                    misfit = conformity.misfit(file, self.data, entry, self.jobs.get(entry.file))
                    damage = f"not the shard of the manifest: {'; '.join(misfit)}" if misfit else ""
                    tally = _Tally(file, entry)
                    for row in range(0 if damage else entry.samples):
                        on_progress(before + row)
                        self._sample(row, before + row, tally)
        except SurveyError:  # nothing of this set can be simulated
            raise
        except (*DAMAGE, ShardError) as error:
            damage = f"cannot be read ({error})"
        if damage:
            self._problem(entry, damage)
        else:
            self._sum_up(tally)

    def _problem(self, entry: Entry, what: str) -> None:
        mend = remedy(self.data, entry, self.jobs.get(entry.file))
        self.found.problems.append(Problem(entry.file, f"{what}; {mend}", remake=True))

    def _sum_up(self, tally: _Tally) -> None:
        for what, samples in tally.faults.items():
            self._problem(tally.entry, f"{what} in {rows(samples)}")
        for (made, what), samples in tally.strange.items():
            self.strange.append((tally.entry, made, f"{what} in {rows(samples)}"))
        for (folder, file, split), pairs in tally.copies.items():
            here, others = (rows(list(side)) for side in zip(*pairs, strict=True))
            there, mend = str(folder / file), "do not train on one of the sets and test with the other"
            if folder == self.data.folder:
                there, mend = file, "delete one of the files and make it again, of other models if need be"
            what = (
                f"the model of {here} ({tally.entry.split} split) is, perhaps mirrored, that of {others} of "
                f"{there} ({split} split), so scores would measure memory; {mend}"
            )
            self.found.problems.append(Problem(tally.entry.file, what))

    def judge(self) -> None:
        """Distinguish shards that were changed, and can be made again, from those of other versions."""
        now = differences(self.data.provenance.get("versions", {}), versions())
        for entry, made, what in self.strange:
            if made in self.alike or not now:
                self._problem(entry, f"{what}: it was changed")
            else:
                why = f"it was made with other versions ({'; '.join(now)})"
                what = f"{what}: {why}; delete it and make it, or the whole set, again"
                self.found.problems.append(Problem(entry.file, what))

    # -- a sample

    def _sample(self, row: int, number: int, tally: _Tally) -> None:
        file, entry = tally.file, tally.entry
        gathers = torch.from_numpy(file["gathers"][row]).float()
        velocity = file["velocity"][row] if "velocity" in file else None
        salt = file["salt"][row] if "salt" in file else None
        self.found.samples += 1
        usable = self._records(gathers, row, tally)
        if number in self.shown:
            gather = gathers[len(gathers) // 2].numpy()
            self.found.shown.append(Shown(place(entry, row), gather, velocity, salt))
        if velocity is None or salt is None:
            self._meet(soundness.fingerprint(gathers.numpy(), (0, 2)), row, tally)
            return
        self._meet(soundness.fingerprint(velocity, (1,)), row, tally)
        if not self._model(velocity, salt, row, tally):
            return
        if number in self.spread:
            self.found.models.append(velocity)
            self._redraw(velocity, salt, row, tally)
        if number in self.resimulate and usable:
            self._resimulate(gathers, velocity, row, tally)

    def _records(self, gathers: Tensor, row: int, tally: _Tally) -> bool:
        """Check the records of a sample; returns whether they can be compared with simulated ones."""
        looks, found = soundness.look_at(gathers), self.found
        found.traces += looks.dead.size
        found.dead += int(looks.dead.sum())
        found.clipped += int(looks.clipped.sum())
        found.amplitude = max(found.amplitude, looks.peak)
        if not looks.finite:
            tally.faults["records that are NaN or infinite (float16 ends at 65504)"].append(row)
            return False
        where = place(tally.entry, row)
        # What is simulated is not clipped, and silent only where no wave has come yet.
        for what, traces, wrong in (
            ("dead traces", looks.dead, looks.dead & self.reached),
            ("clipped traces", looks.clipped, looks.clipped),
        ):
            if tally.simulated and wrong.any():
                tally.faults[what].append(row)
            elif traces.any():
                self.remarks[f"samples with {what}"].append(where)
        return True

    def _model(self, velocity: NDArray[np.float32], salt: NDArray[np.uint8], row: int, tally: _Tally) -> bool:
        """Check the model of a sample; returns whether it can be simulated."""
        faults = soundness.model_faults(velocity, salt, self.survey.grid.velocity)
        if not faults and not soundness.is_fastest(velocity, salt):
            faults.append("salt that is not the fastest of the model")
        for fault in faults:
            tally.faults[fault].append(row)
        if not faults:
            slowest, fastest = self.found.velocity
            self.found.velocity = min(slowest, float(velocity.min())), max(fastest, float(velocity.max()))
        return not faults

    def _meet(self, fingerprint: bytes, row: int, tally: _Tally) -> None:
        """Search for the model of a sample among those read before."""
        sample = Sample(self.data.folder, tally.entry, row)
        other = self.fingerprints.meet(fingerprint, sample)
        if other is None or other == sample:
            return
        if other.entry.split != tally.entry.split:
            tally.copies[other.folder, other.entry.file, other.entry.split].append((row, other.row))
        else:
            where = f"{place(tally.entry, row)}, which is that of {place(other.entry, other.row)}"
            if other.folder != self.data.folder:
                where += f" of {other.folder}"
            self.remarks["samples with, perhaps mirrored, a model of their own split again"].append(where)

    def _redraw(
        self, velocity: NDArray[np.float32], salt: NDArray[np.uint8], row: int, tally: _Tally
    ) -> None:
        origin = tally.entry.origin
        if tally.preset is None or not isinstance(origin, Drawn):
            return
        number = int(tally.file["seed"][row])
        model = generate(self.survey.grid, tally.preset, origin.stream, number)
        if np.array_equal(model.velocity, velocity) and np.array_equal(model.salt, salt):
            self.found.redrawn += 1
            self.alike.add("models")
        else:
            tally.strange["models", "models or salt masks that the preset does not draw"].append(row)

    def _resimulate(self, gathers: Tensor, velocity: NDArray[np.float32], row: int, tally: _Tally) -> None:
        with torch.inference_mode():
            simulated = self._propagator(torch.from_numpy(velocity)[None])[0]
        precision, where = self.data.recipe["storage"]["dtype"], place(tally.entry, row)
        simulated = simulated.to(getattr(torch, precision)).float()
        nrms = float(normalised_rms(gathers, simulated))
        self.found.resimulated.append(Resimulated(where, nrms))
        same = nrms <= soundness.SAME_RECORDS[precision]
        if tally.simulated and same:
            self.alike.add("records")
        elif tally.simulated:
            tally.strange["records", f"records that are not those of the model (NRMS {nrms:.3g})"].append(row)
        elif not same:
            gain = float(gain_on_simulated(gathers, simulated))
            self.found.notes.append(
                f"{where}: records as imported, NRMS {nrms:.3g} from those simulated, which fit best with a "
                f"gain of {gain:.3g}"
            )

    @cached_property
    def _propagator(self) -> Any:
        from fwi.physics import Propagator

        return Propagator(self.survey, PhysicsConfig.model_validate(self.data.recipe["physics"]))


def _evenly(count: int, total: int) -> set[int]:
    """Numbers evenly spread over a range, including its ends."""
    return set(np.linspace(0, total - 1, min(count, total)).astype(int).tolist())

"""Refinement: full-waveform inversion (FWI) of records from a section that is nearly right.

>>> refined = refine(section, gathers, survey, study.physics, study.refine, study.check)
>>> refined.section, refined.reason
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fwi.config import CheckConfig, PhysicsConfig, RefineConfig
from fwi.misfit import normalised_rms, weighted_by_time
from fwi.refine.explained import Explained
from fwi.refine.grids import Grids
from fwi.refine.inputs import admissible_records, admissible_section, admissible_spread
from fwi.refine.journal import Journal
from fwi.refine.minimise import Evaluation, minimise
from fwi.refine.noise import noise_level, noise_share
from fwi.refine.objective import preference
from fwi.refine.record_misfit import Numbers
from fwi.refine.refined import Iteration, Refined
from fwi.refine.simulator import Simulator
from fwi.refine.source import SourceMatch, direct_window, match_source, surface_speed
from fwi.survey import Survey

Array = NDArray[np.float32]

FEWEST_SHOTS = 4
"""Shots below which none is held out: without one of three, too much of the section is not seen."""

NOISY = 0.01
"""Share of noise in the weighted records' energy from which they count as noisy."""

NOISY_POWER = 1.0
"""Largest power of the time for noisy records, whose late parts are noise above all."""

LOWEST_BAND = 0.5
"""Lowest end of a first band, as a share of the peak frequency: below, a Ricker wavelet has little."""


def refine(
    section: Array,
    gathers: Array,
    survey: Survey,
    physics: PhysicsConfig,
    config: RefineConfig,
    check: CheckConfig,
    spread: Array | None = None,
    starts: Mapping[str, Array] | None = None,
    watch: Callable[[Iteration, Array], None] = lambda _, __: None,
    journal: Path | None = None,
) -> Refined:
    """Refine a section by full-waveform inversion of its records.

    The first stage leaves some shots out. Whether their misfit falls, although they were not fitted, is the
    evidence by which the result is accepted or rejected. Later stages fit all shots. Each stage first matches
    the
    source, and corrects for the errors of the refinement's grid (see ``fwi.refine.grids``).

    An interruption (Ctrl-C) ends the refinement; what was found until then is judged in the same way and
    returned.

    Args:
        section: the section to be refined [m/s], shape ``(depth, x)``.
        gathers: its records, shape ``(shot, time, receiver)``; traces that are zero throughout are left out.
        survey: the records' survey.
        physics: how the wave equation is solved for gradients.
        config: weights, stages and budget.
        check: the finer grid and the order of finite differences with which errors of the refinement's own
            grid are measured.
        spread: how far the section may be off in each cell [m/s], shape ``(depth, x)``; it is changed most
            where this is large. Only ratios between cells matter. The same everywhere if left out.
        starts: other sections to begin with, by name; a few gradients of each decide which of them is refined
            further.
        watch: function of each iteration and its section, to show progress with.
        journal: file that keeps the gradients, from which the same call goes on after an interruption.

    Raises:
        ValueError: section or records are not of the survey's shape, or hold impossible values.
        SurveyError: the survey cannot be simulated.
    """
    refinement = _Refinement(section, gathers, survey, physics, config, check, spread, watch, journal)
    return refinement.run(starts or {})


class _Refinement:
    """The state that the stages of one refinement share."""

    def __init__(
        self,
        section: Array,
        gathers: Array,
        survey: Survey,
        physics: PhysicsConfig,
        config: RefineConfig,
        check: CheckConfig,
        spread: Array | None,
        watch: Callable[[Iteration, Array], None],
        journal: Path | None,
    ) -> None:
        self.survey, self.config, self.watch = survey, config, watch
        self.spread = admissible_spread(spread, survey)
        self.start = admissible_section(section, survey)
        self.recorded = admissible_records(gathers, survey)
        self.simulator = Simulator(survey, physics)
        self.grids = Grids(self.simulator, physics, check)
        self.as_on_finer: bool | None = None
        self.explained: tuple[Array, Explained] | None = None
        arrays = (self.start, self.recorded, *([] if self.spread is None else [self.spread]))
        self.journal = Journal(journal, _digest(arrays, survey, physics, config, check))
        parts = {"physics": physics, "check": check, "refine": config}
        self.settings = {name: part.model_dump(mode="json") for name, part in parts.items()}
        self.live = np.flatnonzero(self.recorded.any((1, 2)))
        self.held_out = _held_out(self.live, config.held_out)
        self.noise = noise_level(torch.from_numpy(self.recorded), survey)
        self.power = self._power(config.power)
        self.history: list[Iteration] = []
        self.gradients = 0.0
        self.candidate = self.start

    def run(self, starts: Mapping[str, Array]) -> Refined:
        before = self._explain(self.start)
        after, ends, stopped = None, {}, "budget"
        try:
            first = np.setdiff1d(self.live, self.held_out)
            first_part = self.config.first_stage
            if highest := self._first_band(before, first):
                self._stage(f"up to {highest:.2g} Hz", first, first_part / 2, highest)
            if starts:
                ends = self._race({"section": self.candidate, **starts}, first)
            if len(self.held_out):
                stopped = self._stage("first stage", first, first_part)
                after = self._explain(self.candidate)
            stopped = self._stage("all shots", self.live)
        except KeyboardInterrupt:
            stopped = "interrupted"
        return self._outcome(before, after, ends, stopped)

    def _power(self, wanted: float) -> float:
        """The power of the time that the misfit weights with: at most ``NOISY_POWER`` for noisy records."""
        everything = weighted_by_time(torch.ones(self.recorded.shape), self.survey.recorded_dt, wanted)
        share = noise_share(torch.from_numpy(self.recorded), everything, self.noise)
        return wanted if share < NOISY else min(wanted, NOISY_POWER)

    def _stage(
        self,
        name: str,
        shots: Numbers,
        until: float = 1.0,
        highest: float | None = None,
        most: int | None = None,
    ) -> str:
        """Fit some shots until a share of the budget is spent, or the most gradients; say why it ended."""
        misfit = self._explain(self.candidate).misfit(self.power, highest)
        noise = 0.0 if highest else self.config.noise * misfit.of_noise(self.noise, shots)
        each, best, begun = len(shots) / len(self.live), math.inf, len(self.history)

        def objective(section: Array) -> Evaluation:
            value, gradient = self.journal.gradient(section, lambda model: misfit(model, shots))
            penalty, slope = preference(section, self.config.smoothness)
            return Evaluation(value, penalty, gradient + slope)

        def stop(section: Array, found: Evaluation) -> str:
            nonlocal best
            self.gradients += each
            if found.objective < best:
                best, self.candidate = found.objective, section
            self.history.append(
                Iteration(self.gradients, name, found.objective, found.misfit, self.journal.seconds)
            )
            self.watch(self.history[-1], section)
            if found.misfit <= noise:
                return "noise"
            spent = self._spent(self.gradients + each) > until or len(self.history) - begun == most
            return "budget" if spent else ""

        return minimise(objective, self.candidate, self.survey.grid.velocity, stop, self.spread)

    def _spent(self, gradients: float) -> float:
        """The share of the budget that some gradients, and the time until now, are."""
        minutes = self.config.minutes
        share = self.journal.seconds / (60 * minutes) if minutes else 0.0
        return max(share, (gradients - 1e-9) / self.config.gradients)

    def _race(self, starts: Mapping[str, Array], shots: Numbers) -> dict[str, Array]:
        """Refine each start a little, and keep the one that explains the shots held out best."""
        ends, misfits = {}, {}
        judged = self.held_out if len(self.held_out) else shots
        for name, start in starts.items():
            self.candidate = start
            self._stage(f"race: {name}", shots, most=self.config.race)
            ends[name] = self.candidate
            misfits[name] = self._explain(self.candidate).unexplained(self.power, judged)
        self.candidate = ends[min(misfits, key=misfits.__getitem__)]
        return ends

    def _explain(self, section: Array) -> "Explained":
        """Simulate a section, and find the source with which it explains the direct arrival best.

        Of the refinement's grid and the finer one, the one whose direct arrival is closer to that of the
        records is taken as true: records that were simulated on the refinement's grid have its errors too.
        The last section's is kept: a stage begins with the section that the one before has ended with.
        """
        if self.explained is not None and self.explained[0] is section:
            return self.explained[1]
        coarse, finer = self.grids(section)
        if self.as_on_finer is None:
            by_grid = [self._match(section, gathers)[1] for gathers in (coarse, finer)]
            self.as_on_finer = by_grid[1] <= by_grid[0]
        true = finer if self.as_on_finer else coarse
        source = self._match(section, true)[0]
        explained = Explained(self.simulator, self.recorded, true, true - coarse, source)
        self.explained = section, explained
        return explained

    def _match(self, section: Array, simulated: Array) -> tuple[SourceMatch, float]:
        """Match the source on the direct arrival; also return the NRMS of what remains of it."""
        gathers, recorded = torch.from_numpy(simulated), torch.from_numpy(self.recorded)
        window = direct_window(self.survey, surface_speed(torch.from_numpy(section), self.survey))
        source = match_source(
            recorded,
            gathers,
            self.survey.recorded_dt,
            self.config.source,
            self.survey.config.wavelet.frequency,
            window,
        )
        window = window * recorded.any(1, keepdim=True)
        return source, float(normalised_rms(window * source.apply(gathers), window * recorded))

    def _first_band(self, start: "Explained", shots: Numbers) -> float | None:
        """The highest frequency [Hz] at which the start is late or early by less than half a period.

        From there on, FWI takes a wave for its neighbour. None if that is beyond the peak frequency.
        """
        shift = start.time_shift(shots, self.power, self.noise)
        peak = self.survey.config.wavelet.frequency
        return max(0.5 / shift, LOWEST_BAND * peak) if shift > 0.5 / peak else None

    def _outcome(
        self, before: "Explained", after: "Explained | None", ends: dict[str, Array], stopped: str
    ) -> Refined:
        seen = len(self.held_out) > 0
        last = self._explain(self.candidate)
        judged = after or last  # interrupted in its first stage, the candidate has not seen those shots yet
        held_out = [
            each.unexplained(self.power, self.held_out) if seen else math.nan for each in (before, judged)
        ]
        noise = last.misfit(self.power).of_noise(self.noise, self.held_out) if seen else 0.0
        accepted, reason = self._judge(held_out[0], held_out[1], noise)
        return Refined(
            section=self.candidate if accepted else self.start,
            start=self.start,
            candidate=self.candidate,
            accepted=accepted,
            reason=reason,
            history=tuple(self.history),
            before=before.matched,
            after=last.matched,
            recorded=self.recorded,
            held_out=tuple(self.held_out.tolist()),
            held_out_before=held_out[0],
            held_out_after=held_out[1],
            source=last.source,
            starts=ends,
            stopped=stopped,
            gradients=self.gradients,
            seconds=self.journal.seconds,
            settings=self.settings,
        )

    def _judge(self, before: float, after: float, noise: float) -> tuple[bool, str]:
        """Decide whether the shots held out speak for the refined section.

        Args:
            before: misfit of the start with these shots.
            after: that of the section after the first stage.
            noise: that of noise alone, which no section explains.
        """
        if self.candidate is self.start:
            return False, "nothing was refined"
        if math.isnan(before):
            return True, f"no shots were held out to judge it by (fewer than {FEWEST_SHOTS}, or held_out: 0)"
        accepted = after - noise <= self.config.accept * (before - noise)
        of = f"{len(self.held_out)} shot{'s' * (len(self.held_out) > 1)} held out"
        change = f"the misfit of {of} went from {before:.3g} to {after:.3g}"
        wanted = f"{'at most' if accepted else 'more than'} {self.config.accept:.0%} of it"
        beyond = f" beyond the {noise:.3g} of noise" if noise > 0.01 * before else ""
        return accepted, f"{change} ({wanted}{beyond} is accepted)"


def _held_out(live: Numbers, share: float) -> Numbers:
    """Choose shots to hold out, evenly spread; at least one, unless the share is 0 or shots are few."""
    if share == 0 or len(live) < FEWEST_SHOTS:
        return live[:0]
    count = max(1, round(share * len(live)))
    chosen: Numbers = live[np.floor((np.arange(count) + 0.5) * len(live) / count).astype(int)]
    return chosen


def _digest(
    arrays: Iterable[Array],
    survey: Survey,
    physics: PhysicsConfig,
    config: RefineConfig,
    check: CheckConfig,
) -> str:
    """Checksum of all that gradients depend on; a refinement may go on with more time."""
    settings = [survey.to_dict(), *(each.model_dump(mode="json") for each in (physics, config, check))]
    settings[2] = {key: value for key, value in settings[2].items() if key != "minutes"}
    content = hashlib.sha256(json.dumps(settings).encode())
    for array in arrays:
        content.update(np.ascontiguousarray(array).data)
    return content.hexdigest()

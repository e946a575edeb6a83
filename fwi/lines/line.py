"""A line of any length and scale: inverted, checked and refined by a trained network.

The line's survey has the rows of cells, the samples and the wavelet of the network's, in other lengths and
times (see ``fwi.lines.scaling``), and as many columns as it is long. The network inverts it in windows of its
own size, whose sections are blended.
"""

import dataclasses
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fwi import intervals
from fwi.config import CheckConfig, PhysicsConfig, RefineConfig
from fwi.intervals import Interval, Spread, UncalibratedError
from fwi.lines.blending import blend
from fwi.lines.scaling import scaled
from fwi.lines.verdict import LineVerdict, Stretch
from fwi.lines.windows import Window, windows
from fwi.run import Run
from fwi.survey import Survey
from fwi.trust import judge
from fwi.trust.verdict import Verdict

if TYPE_CHECKING:
    from fwi.refine import Refined

Array = NDArray[np.float32]

SAME = 1e-6
"""Share by which scaled lengths, times and frequencies of a line may differ from the network's."""


class Line:
    """Records of a line, and the network that inverts them.

    Args:
        run: the network.
        gathers: the records, shape ``(shot, time, receiver)``; missing traces are zero throughout.
        survey: their survey, in the line's own lengths and times: a fixed spread over a grid of the network's
            rows. A network that takes no survey but its own takes a line of that survey alone.

    Raises:
        ValueError: no factor makes the line one of the network's, the records have another shape than their
            survey, or no window of the line has a trace.
    """

    def __init__(self, run: Run, gathers: Array, survey: Survey) -> None:
        self.run, self.gathers, self.survey = run, np.asarray(gathers, dtype=np.float32), survey
        self.network = run.survey
        self.factor = self.network.grid.spacing / survey.grid.spacing
        if self.gathers.shape != survey.gather_shape:
            raise ValueError(
                f"records of shape {self.gathers.shape} do not fit their survey, (shot, time, receiver) = "
                f"{survey.gather_shape}: name the survey that they were recorded with"
            )
        #: Whether the records are of the network's own grid, time axis and wavelet.
        self.is_own = survey.differences_in_kind(self.network) == [] and (
            survey == self.network or run.inverter.any_survey
        )
        if not self.is_own:
            self._require_scaled()
        self.windows = self._windows()
        if not self.windows:
            raise ValueError(
                f"no stretch of {self.network.length / self.factor:.0f} m has both a shot and receivers that "
                "recorded it: the offsets are beyond the network's, or the line is empty"
            )

    @property
    def live(self) -> NDArray[np.bool_]:
        """Which traces were recorded, shape ``(shot, receiver)``."""
        recorded: NDArray[np.bool_] = np.any(self.gathers, axis=1)
        return recorded

    @property
    def columns(self) -> int:
        """Number of columns of the line's section."""
        return self.survey.grid.nx

    @property
    def outside(self) -> NDArray[np.bool_]:
        """Which columns are in no window, since nothing was recorded around them, shape ``(x,)``.

        The section has the nearest columns there.
        """
        return ~self._inverted[1]

    @property
    def gaps(self) -> list[tuple[float, float]]:
        """Where the stretches in which nothing was recorded begin and end [m]."""
        edges = np.flatnonzero(np.diff(np.pad(self.outside, 1).astype(int))).reshape(-1, 2)
        return [(float(self.survey.x[first]), float(self.survey.x[end - 1])) for first, end in edges]

    def invert(self) -> Array:
        """Invert the line.

        Returns:
            P-wave speed [m/s], shape ``(depth, x)``, on the grid of the line's survey.
        """
        section: Array = self.spread.section
        return section

    @property
    def spread(self) -> Spread:
        """The line's section with what hints at its errors: see ``Inverter.spread``."""
        return self._inverted[0]

    @cached_property
    def interval(self) -> Interval | None:
        """Calibrated interval of the section that ``invert`` returns; None for a network without one.

        Where nothing was recorded it is the whole range of speeds.
        """
        calibration = self.run.calibration
        if calibration is None:
            return None
        # The calibrated half-widths of top and base are lengths of the network.
        found = intervals.interval(self.spread, calibration)
        found.lower[:, self.outside], found.upper[:, self.outside] = calibration.velocity
        return found._replace(top=found.top / self.factor, base=found.base / self.factor)

    def check(self, section: Array) -> LineVerdict:
        """Judge a section of the line by its records, window by window: see ``Run.check``.

        Each stretch of the line is simulated by itself, as sections were on which the verdict is calibrated,
        with at most as many shots as the network was trained for.

        Args:
            section: the section [m/s], shape ``(depth, x)``, blended, refined or of another origin.

        Raises:
            ValueError: the section is not of the line's grid.
        """
        if section.shape != (self.survey.grid.nz, self.columns):
            raise ValueError(
                f"section of shape {section.shape}, the line's is {(self.survey.grid.nz, self.columns)}"
            )
        wide = self._padded(section)
        # A verdict that is calibrated does not look at the mean model, which costs as much as the section.
        against_mean = self.is_own and judge.SECTION not in self.run.inverter.calibration
        found = []
        for window in self._windows(overlap=0.0):
            window = window if self.is_own else window.thinned(self.network.config.shots)
            part = wide[:, self._columns(window)], window.of(self.gathers), window.survey
            verdict = self.run.check(*part, against_mean=against_mean)
            found.append(Stretch(window.first, self._in_metres(verdict, window)))
        return LineVerdict(tuple(found), self.survey)

    def refine(
        self,
        section: Array | None = None,
        *,
        config: RefineConfig | None = None,
        physics: PhysicsConfig | None = None,
        check: CheckConfig | None = None,
        **options: Any,
    ) -> "Refined":
        """Mend a section of the whole line at once by full-waveform inversion: see ``fwi.refine.refine``.

        Args:
            section: the section to begin with [m/s], shape ``(depth, x)``; that of the network if None.
            config: settings of the refinement; the run's if left out.
            physics: how the wave equation is solved; the run's if left out.
            check: the finer grid by which the errors of the refinement's are known; the run's if left out.
            options: further options of ``fwi.refine.refine``: ``starts``, ``watch`` and ``journal``.
        """
        from fwi.refine import refine  # with scipy's optimisers, which inverting does without

        if self.is_own:
            settings = {"config": config, "physics": physics, "check": check}
            return self.run.refine(section, self.gathers, self.survey, **settings, **options)
        study, own = self.run.study, self.spread
        section = own.section if section is None else section
        if "head" in own.sources and np.allclose(section, own.section, atol=1):
            options = {"spread": own.sources["head"].mean(axis=0), **options}
        return refine(
            section,
            self.gathers,
            self.survey,
            physics or study.physics,
            config or study.refine,
            check or study.check,
            **options,
        )

    def refined_interval(self, refined: "Refined") -> Interval:
        """Return the interval of the section that a refinement returns: see ``Run.refined_interval``.

        Raises:
            UncalibratedError: the intervals are not calibrated for refined sections, or not for this one.
        """
        if not self.is_own:
            raise UncalibratedError(
                "intervals of refined sections are calibrated for records of the network's own grid and scale"
            )
        return self.run.refined_interval(refined, self.gathers, self.survey)

    @cached_property
    def _inverted(self) -> tuple[Spread, NDArray[np.bool_]]:
        """The blended section of the line, and which of its columns are in a window."""
        spreads = [
            self.run.inverter.spread(window.of(self.gathers), self._own(window.survey))
            for window in self.windows
        ]
        start = self._start
        moved = [window._replace(first=window.first + start) for window in self.windows]
        blended, covered = blend(moved, spreads, max(self.columns, self.network.grid.nx))
        shown = slice(start, start + self.columns)
        sources = {name: source[..., shown] for name, source in blended.sources.items()}
        covered = covered[shown]
        return _filled(Spread(blended.section[:, shown], sources), covered), covered

    def _windows(self, **options: float) -> list[Window]:
        if self.is_own:
            shots, _, receivers = self.survey.gather_shape
            return [Window(0, self.survey, np.arange(shots), np.arange(receivers))]
        return windows(self.survey, self.network, self.live, **options)

    @property
    def _start(self) -> int:
        """Column of the network's section at which a line that is shorter begins; 0 of a longer one."""
        return max(0, -self.windows[0].first)

    def _columns(self, window: Window) -> slice:
        """Columns of a window in a section that is padded to the network's size at least."""
        first = window.first + self._start
        return slice(first, first + self.network.grid.nx)

    def _padded(self, section: Array) -> Array:
        after = max(0, self.network.grid.nx - self.columns - self._start)
        return np.pad(section, ((0, 0), (self._start, after)), mode="edge")

    def _own(self, survey: Survey) -> Survey | None:
        return None if survey == self.network else survey

    def _in_metres(self, verdict: Verdict, window: Window) -> Verdict:
        """Return a verdict in the lengths and times of the line."""
        if self.factor == 1 and window.first == 0:
            return verdict
        checked = verdict.checked
        misfit = checked.misfit._replace(shift=checked.misfit.shift / self.factor)
        return dataclasses.replace(
            verdict,
            checked=dataclasses.replace(checked, misfit=misfit),
            survey=window.in_metres_of(self.survey),
            start=window.first * self.survey.grid.spacing,
        )

    def _require_scaled(self) -> None:
        """Refuse a line of which no factor makes one of the network's."""
        if not self.run.inverter.any_survey:
            self.run.inverter.require(self.survey)
        there, own = (_measures(survey) for survey in (scaled(self.survey, self.factor), self.network))
        different = [
            f"{name}: {there[name]:g} against {value:g}"
            for name, value in own.items()
            if abs(there[name] - value) > SAME * max(abs(value), SAME)
        ]
        same = self.survey.config.top == self.network.config.top
        if different or not same or self.survey.config.spread != "fixed":
            raise ValueError(
                f"no factor of lengths and times makes the line one of {self.run.name}'s "
                f"({'; '.join(different) or 'another spread or upper edge'}): bring its records to one with "
                "data_prep.lines.read_line"
            )


def _measures(survey: Survey) -> dict[str, float]:
    """What the network's survey and a scaled line have in common."""
    grid, config = survey.grid, survey.config
    return {
        "rows": grid.nz,
        "cell (m)": grid.spacing,
        "slowest (m/s)": grid.velocity[0],
        "fastest (m/s)": grid.velocity[1],
        "sample interval (s)": survey.recorded_dt,
        "samples": survey.gather_shape[1],
        "peak frequency (Hz)": config.wavelet.frequency,
        "peak time (s)": config.wavelet.peaks_at,
        "depth of the sources (m)": survey.shot_depth,
        "depth of the receivers (m)": survey.receiver_depth,
    }


def _filled(spread: Spread, covered: NDArray[np.bool_]) -> Spread:
    """Continue the nearest columns into those that no window has."""
    if covered.all():
        return spread
    there = np.flatnonzero(covered)
    nearest = there[np.abs(np.arange(len(covered))[:, None] - there).argmin(axis=1)]
    return Spread(
        spread.section[:, nearest], {name: source[..., nearest] for name, source in spread.sources.items()}
    )

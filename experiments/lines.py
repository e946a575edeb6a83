"""Records of a file for a trained network, whatever line they are of: read, and told."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_prep.lines import choose_network, read_line
from data_prep.records import describe_survey, read_for, refuse_silence, require_sample
from data_prep.segy.regularise import Spreading
from fwi import plots, zoo
from fwi.config import StudyConfig
from fwi.inverter import survey_of
from fwi.line_report import LinePage
from fwi.lines import Line, LineVerdict
from fwi.run import Run, load_run
from fwi.survey import Survey


class Field(NamedTuple):
    """What a user states of how the records of SEG-Y are read for a network."""

    frequency: float | None = None
    """Peak frequency to which they are low-passed [Hz]; their own if None."""
    spreading: Spreading = "line"
    """``line`` for records of 2-D simulation, ``point`` for those of the field."""
    shift: float | None = None
    """Seconds to add to their times; measured on the direct arrival if None."""

    @property
    def flags(self) -> dict[str, object]:
        """The flags of what is not left to its default."""
        own = zip(self._fields, self, self._field_defaults.values(), strict=True)
        return {f"--{name}": value for name, value, default in own if value != default}


class Opened(NamedTuple):
    """Records of a file, and the network that they were read for."""

    path: Path
    trained: Run
    why: str
    """The network, and why it was taken; empty where it was named."""
    gathers: NDArray[np.float32]
    """Pressure, shape ``(sample, shot, time, receiver)``."""
    survey: Survey
    """Their survey, in the file's own lengths and times."""
    changes: tuple[str, ...]
    """What was done to the records, a sentence each."""
    warnings: tuple[str, ...] = ()
    """What the network was not trained for, a sentence each."""
    start: float = 0.0
    """Position of the survey's first column on the file's line [m]."""

    @property
    def study(self) -> StudyConfig:
        """The network's study, on the grid and survey of the line."""
        return self.trained.study.model_copy(update={"grid": self.survey.grid, "survey": self.survey.config})

    def line(self, sample: int) -> Line:
        """The line of one sample.

        Raises:
            ValueError: its record is not of its survey's shape, zero throughout, or beyond the network.
        """
        gathers = self.gathers[sample]
        if gathers.shape == self.survey.gather_shape:  # which the line refuses otherwise
            refuse_silence(gathers, f"{self.path}, sample {sample}")
        return Line(self.trained, gathers, self.survey)

    def samples(self, chosen: int | None) -> Sequence[int]:
        """Numbers of the samples: all, or the chosen one.

        Raises:
            ValueError: the file does not hold it.
        """
        if chosen is None:
            return range(len(self.gathers))
        require_sample(chosen, len(self.gathers), self.path)
        return [chosen]


AS_THEY_ARE = Field()


def open_records(
    path: Path, run: Path | None, made_for: Path | None = None, field: Field = AS_THEY_ARE
) -> Opened:
    """Read the records of a file for a network, and print which they are and what was done to them.

    Args:
        path: the file.
        run: the network; the one of the zoo that suits the file if None.
        made_for: YAML with the grid and survey of a .npy.
        field: what is stated of how they are read.

    Raises:
        ValueError: the file cannot be read, or is nothing for the network.
    """
    why = ""
    if run is None:
        surveys = {name: survey_of(name) for name in zoo.names()}
        name, why = choose_network(
            path, surveys, frequency=field.frequency, made_for=made_for, spreading=field.spreading
        )
        run = Path(name)
    trained = load_run(run)
    if trained.inverter.any_survey:
        read = read_line(path, trained.survey, trained.study.physics, made_for=made_for, **field._asdict())
        survey = describe_survey(trained, read.survey, read.gathers)
        opened = Opened(
            path,
            trained,
            why,
            read.gathers,
            read.survey,
            (survey, *read.changes),
            read.warnings,
            read.start,
        )
    else:
        if field.flags:
            raise ValueError(
                f"{', '.join(field.flags)}: {trained.name} takes records of its own survey alone; networks "
                "with model.columns: offsets take lines of any scale"
            )
        records = read_for(trained, path, made_for)
        opened = Opened(path, trained, why, records.gathers, records.survey, records.changes)
    _tell(opened)
    return opened


def line_page(
    opened: Opened,
    line: Line,
    verdict: LineVerdict | None,
    records: str,
    told: Mapping[str, str],
    drawn: Mapping[str, Path],
) -> str:
    """Make the page of a line's section.

    Args:
        opened: the records.
        line: the line.
        verdict: its verdict; None where it was not checked.
        records: name of the records.
        told: further lines of its head, by title.
        drawn: pictures that were written, by caption.
    """
    grid, figures = line.survey.grid, {caption: path.read_bytes() for caption, path in drawn.items()}
    if verdict is not None:
        worst, survey = verdict.worst, verdict.worst.survey
        shot = survey.config.shots // 2
        compared = plots.gathers(
            worst.checked.recorded[shot], worst.simulated[shot], survey.receiver_x[shot], survey.recorded_dt
        )
        at = worst.start + survey.shot_x[shot]
        caption = f"The shot at {at:.0f} m as recorded, and as the section explains it."
        figures[caption] = plots.png(compared)
    section = (
        f"{grid.nz} x {grid.nx} cells of {grid.spacing:.4g} m: {line.survey.length / 1000:.4g} km along the "
        f"line, {line.survey.bottom:.0f} m deep"
    )
    facts = {
        "Records": f"{records}: {line.survey.layout(line.live)}",
        "Network": opened.why or opened.trained.name,
        "Section": section,
        **{f"{title[0].upper()}{title[1:]}": how for title, how in told.items()},
    }
    return LinePage(opened.path.stem, facts, opened.changes, opened.warnings, verdict, figures).html()


def _tell(opened: Opened) -> None:
    lines = [f"network: {opened.why}"] if opened.why else []
    lines += [*opened.changes, *(f"warning: {warning}" for warning in opened.warnings)]
    if lines:
        print("\n".join([str(opened.path), *(f"  {line}" for line in lines)]))

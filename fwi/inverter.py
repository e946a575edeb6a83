"""The inverter: everything that turns recorded gathers into a velocity section, in one module and one file.

>>> inverter = fwi.load("inverter.safetensors")
>>> section = inverter.invert(gathers)
"""

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import SafetensorError
from torch import Tensor, nn

from fwi import intervals, inverter_file, networks, zoo
from fwi.config import CheckConfig, PhysicsConfig, RefineConfig, StudyConfig, up_to_date
from fwi.intervals import Interval, Spread
from fwi.networks.midpoints import Midpoints
from fwi.networks.offsets import CommonOffsets, Places
from fwi.networks.rehearsal import require_mirrorable, without_values
from fwi.normalisation import Normalisation
from fwi.provenance import versions
from fwi.survey import Survey

if TYPE_CHECKING:
    from fwi.refine import Refined

Array = NDArray[np.float32]

BATCH = 16
"""Largest number of records that pass through the network at once."""
SETTINGS: dict[str, tuple[str, ...] | None] = {
    "grid": None,
    "survey": None,
    "physics": None,
    "model": None,
    "check": None,
    "refine": None,
    "data": ("amplitude", "knee"),
    "train": ("precision", "channels_last"),
}
"""Sections of the study that an inverter keeps, with the settings it keeps where these are not all."""
HALVED = 300_000
"""Number of values above which a tensor is written in half precision where that is wanted. The small ones, of
the finest levels, take little room, and rounding them would change a section by 3 m/s instead of 0.5."""
SECTION = "section"
"""Name of the section among what is computed of a record."""
MEAN_MODEL = "mean_model"
"""Name of the mean model among the tensors."""


class InverterError(ValueError):
    """A file that holds no inverter, or a damaged one."""


class DivergedError(ValueError):
    """Weights that make speeds which are not finite."""


class Inverter(nn.Module):
    """The inversion from recorded gathers to velocity: normalisation, sorting, network and output.

    Weights have the same names whether records are sorted by midpoint or not.

    Args:
        study: the study, of which the sections of ``SETTINGS`` are kept.
        normalise: normalisation measured on the training records; a placeholder if left out, for an inverter
            whose weights are loaded afterwards.
        mean_model: mean of the training models [m/s], shape ``(depth, x)``, to which the physics check
            compares sections.

    Raises:
        ValueError: the network cannot serve the survey.
    """

    def __init__(
        self, study: StudyConfig, normalise: Normalisation | None = None, mean_model: Array | None = None
    ) -> None:
        super().__init__()
        self.study, self.mean_model = study, mean_model
        self.calibration: dict[str, Any] = {}
        """What was measured on validation sections of these very weights, as plain values by name."""
        self.survey = Survey(study.grid, study.survey)
        self.normalise = normalise or Normalisation(study.data.amplitude, study.data.knee)
        self.sort = _sorting(study, self.survey)
        self.network = networks.build(study.model, self.survey)

    @property
    def any_survey(self) -> bool:
        """Whether the inverter takes records of other shots and receivers than those of its own survey."""
        return isinstance(self.sort, CommonOffsets)

    def require(self, survey: Survey) -> None:
        """Refuse a survey whose records cannot be inverted.

        An inverter of any survey takes all shots and receivers over the same grid that record the same
        wavelet at the same times, from the same depth. Others take their own survey alone.

        Raises:
            ValueError: the survey is another; the message lists what differs.
        """
        compare = Survey.differences_in_kind if self.any_survey else Survey.differences
        if differences := compare(self.survey, survey):
            hint = (
                "" if self.any_survey else "; one with model.columns: offsets takes any shots and receivers"
            )
            raise ValueError(
                f"the records' survey is not the one that the network was trained for "
                f"({'; '.join(differences)}): bring them to it, or train another network{hint}"
            )

    def forward(
        self,
        gathers: Tensor,
        survey: Survey | Places | None = None,
        mirrored: bool = False,
        spread: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Invert a batch in the precision of the surrounding autocast; differentiable.

        Args:
            gathers: pressure as recorded, shape ``(batch, shot, time, receiver)``; a trace that is zero
                throughout counts as missing where the inverter takes any survey.
            survey: survey of the records, or the places of its traces (``CommonOffsets.places_of``), for an
                inverter of any survey; its own if left out.
            mirrored: invert the mirrored records and mirror the section back. An inverter of one survey needs
                a symmetric one.
            spread: return the spread of the section as well; only with ``model.uncertainty``.

        Returns:
            P-wave speed [m/s], shape ``(batch, depth, x)``, in float32; with ``spread`` also how far the
            truth may be below and above it [m/s], before calibration, shape ``(batch, 2, depth, x)``.
        """
        gathers = self.normalise(gathers)
        if mirrored and not self.any_survey:
            gathers = gathers.flip(1, 3)
        own = survey is None or survey == self.survey
        record = self.sort(gathers) if own else self.sort(gathers, survey)
        if mirrored and self.any_survey:  # mirroring a survey keeps its offsets and mirrors its midpoints
            record = record.flip(3)
        if self.study.train.channels_last:
            record = record.contiguous(memory_format=torch.channels_last)
        if not spread:
            velocity: Tensor = self.network(record)
            return velocity.flip(-1) if mirrored else velocity
        both: tuple[Tensor, Tensor] = self.network(record, spread=True)
        return (both[0].flip(-1), both[1].flip(-1)) if mirrored else both

    def invert(self, gathers: Array, survey: Survey | None = None, mirror: bool | None = None) -> Array:
        """Invert records in the inverter's precision.

        Args:
            gathers: pressure, shape ``(shot, time, receiver)``, or ``(batch, shot, time, receiver)``.
            survey: survey of the records; the inverter's own if left out.
            mirror: average the section with that of the mirrored records; as ``model.mirror`` if left out.

        Returns:
            P-wave speed [m/s], shape ``(depth, x)``, or ``(batch, depth, x)``.

        Raises:
            ValueError: the survey is one that the inverter cannot serve or mirror, the records have another
                shape than the survey's, or hold NaN or infinite samples, or the inverted speeds are not
                finite.
        """
        velocity: Array = self._invert(gathers, survey, mirror, spread=False).section
        return velocity

    def spread(self, gathers: Array, survey: Survey | None = None, mirror: bool | None = None) -> Spread:
        """Invert records as ``invert`` does, and return what hints at the errors with the section.

        Args:
            gathers: pressure, shape ``(shot, time, receiver)``, or ``(batch, shot, time, receiver)``.
            survey: survey of the records; the inverter's own if left out.
            mirror: average with the mirrored records, as in ``invert``.

        Returns:
            The section or sections, and the sources ``head``, of a network with ``model.uncertainty``, and
            ``mirror``, of a section that is averaged with that of the mirrored record: their difference.

        Raises:
            ValueError: as of ``invert``.
        """
        return self._invert(gathers, survey, mirror, spread=True)

    def interval(self, gathers: Array, survey: Survey | None = None) -> Interval:
        """Return the calibrated interval of the section that ``invert`` returns of the same records.

        Args:
            gathers: pressure, shape ``(shot, time, receiver)``, or ``(batch, shot, time, receiver)``.
            survey: survey of the records; the inverter's own if left out.

        Returns:
            Lowest and highest speed, top and base of salt; with a leading axis for a batch.

        Raises:
            ValueError: the intervals are not calibrated, or as of ``invert``.
        """
        calibration = intervals.read(self.calibration)
        if calibration is None:
            raise ValueError(
                "the intervals of this network are not calibrated: calibrate them on validation sections "
                "with 'fwi calibrate --run RUN'"
            )
        return intervals.interval(self.spread(gathers, survey), calibration)

    def _invert(self, gathers: Array, survey: Survey | None, mirror: bool | None, spread: bool) -> Spread:
        parts = torch.split(self.batch(gathers, survey), BATCH)
        mirror = self.study.model.mirror if mirror is None else mirror
        if mirror:
            require_mirrorable(self.study.model, self.survey)
        head = spread and self.network.spread is not None
        found = []
        with torch.inference_mode(), self.autocast():
            for part in parts:
                hints = self.hints(part.to(self.device), survey, head, mirror)
                found.append({name: each.cpu() for name, each in hints.items()})
        whole = {name: torch.cat([each[name] for each in found]) for name in found[0]}
        arrays = {
            name: each.reshape(*np.shape(gathers)[:-3], *each.shape[1:]).numpy()
            for name, each in whole.items()
        }
        section = arrays.pop(SECTION)
        if not np.isfinite(section).all():
            raise DivergedError(
                "the network has diverged: its weights make NaN or infinite speeds of these records; train "
                "another --run, with a lower train.learning_rate"
            )
        return Spread(section, arrays)

    def hints(
        self, records: Tensor, survey: Survey | Places | None, head: bool, mirror: bool
    ) -> dict[str, Tensor]:
        """Return a batch's section and what hints at its errors, by name, in the surrounding autocast.

        Args:
            records: pressure, shape ``(batch, shot, time, receiver)``.
            survey: survey of the records, or the places of its traces, as ``forward`` takes it.
            head: return the spread that the head predicts; only with ``model.uncertainty``.
            mirror: average with the mirrored records, and return the difference of the two sections.

        Returns:
            The section under the name ``SECTION`` [m/s], shape ``(batch, depth, x)``; the sources of
            ``fwi.intervals.Spread`` ``head`` and ``mirror`` [m/s], shape ``(batch, 2, depth, x)``.
        """

        def once(mirrored: bool) -> dict[str, Tensor]:
            if not head:
                return {SECTION: self(records, survey, mirrored).float()}
            section, spread = self(records, survey, mirrored, spread=True)
            return {SECTION: section.float(), "head": spread}

        hints = once(mirrored=False)
        if mirror:
            other = once(mirrored=True)
            apart = (hints[SECTION] - other[SECTION]).abs()
            hints = {name: (each + other[name]) / 2 for name, each in hints.items()}
            hints["mirror"] = apart[:, None].expand(-1, 2, -1, -1)
        return hints

    def refine(
        self,
        section: Array | None,
        gathers: Array,
        survey: Survey | None = None,
        *,
        config: RefineConfig | None = None,
        physics: PhysicsConfig | None = None,
        check: CheckConfig | None = None,
        **options: Any,
    ) -> "Refined":
        """Mend a section by full-waveform inversion of its records: see ``fwi.refine``.

        Where the network predicts how far its section is off, that section is changed most there.

        Args:
            section: the section to begin with [m/s], shape ``(depth, x)``; that of the network if None.
            gathers: the record, shape ``(shot, time, receiver)``.
            survey: survey of the record; the inverter's own if left out.
            config: settings of the refinement; those of the inverter's study if left out.
            physics: how the wave equation is solved; as for the training records if left out.
            check: the finer grid by which the errors of the refinement's are known; as the study says if left
                out.
            options: further options of ``fwi.refine.refine``: ``starts``, ``watch`` and ``journal``.

        Raises:
            ValueError: section or record do not fit the survey.
        """
        from fwi.refine import refine, starts  # with scipy's optimisers, which inverting does without

        own, config = self.spread(gathers, survey), config or self.study.refine
        if "head" in own.sources and (section is None or np.allclose(section, own.section, atol=1)):
            options = {"spread": own.sources["head"].mean(axis=-3), **options}
        start: Array = own.section if section is None else section
        if config.starts:
            mirrored = functools.partial(self.invert, gathers, survey, mirror=True)
            others = starts.chosen(config.starts, start, self.study.grid.velocity, mirrored)
            options = {"starts": others, **options}
        return refine(
            start,
            gathers,
            survey or self.survey,
            physics or self.study.physics,
            config,
            check or self.study.check,
            **options,
        )

    def batch(self, gathers: Array, survey: Survey | None = None) -> Tensor:
        """Turn records into a batch for the network.

        Args:
            gathers: records, shape ``(shot, time, receiver)`` or ``(sample, shot, time, receiver)``.
            survey: their survey; None for the network's own.

        Returns:
            The batch, shape ``(batch, shot, time, receiver)``, on the inverter's device.

        Raises:
            ValueError: the inverter cannot serve the survey, the records have another shape than the
                survey's, or samples that are not finite.
        """
        if survey is not None:
            self.require(survey)
        shape = (survey or self.survey).gather_shape
        gathers = np.array(gathers, dtype=np.float32)  # a copy, which of a mapped file may be written to
        if gathers.shape[-3:] != shape or gathers.ndim not in (3, 4):
            whose = "their survey" if survey is not None else "the run's survey"
            remedy = (
                "name their survey as well"
                if self.any_survey and survey is None
                else "bring them to that survey, or train for theirs"
            )
            raise ValueError(
                f"records of shape {gathers.shape} do not fit {whose}, (shot, time, receiver) = {shape}: "
                f"{remedy}"
            )
        if not np.isfinite(gathers).all():
            raise ValueError("the records hold NaN or infinite samples: mend or mute those traces first")
        return torch.from_numpy(gathers.reshape(-1, *shape))

    def autocast(self) -> torch.autocast:
        """Context in which operations compute in the inverter's precision."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=in_bf16(self.study.train.precision))

    @property
    def device(self) -> torch.device:
        """Device that holds the weights."""
        return next(self.parameters()).device

    def lay_out(self) -> "Inverter":
        """Convert the weights to the memory order of the study."""
        last = self.study.train.channels_last
        order = torch.channels_last if last else torch.contiguous_format
        return self.to(memory_format=order)  # type: ignore[call-overload, no-any-return]

    def ready(self) -> "Inverter":
        """Prepare for inversion: on the GPU if there is one, in its memory order, in evaluation mode."""
        return self.to("cuda" if torch.cuda.is_available() else "cpu").lay_out().eval()

    def save(self, path: Path | str, weights: Mapping[str, Tensor] | None = None, half: bool = False) -> None:
        """Write the inverter as one safetensors file, whole or not at all; ``fwi.load`` reads it.

        Args:
            path: the file.
            weights: weights to write in place of the inverter's own, by name and of the same shapes, such as
                their moving average; the calibration, which is that of the own ones, is left out then.
            half: write the network's large tensors, which hold most of its parameters, in half precision, for
                a file of little more than half the size. A few cells of a section move by up to 1 m/s.
        """
        tensors = {name: each.contiguous().cpu() for name, each in (weights or self.state_dict()).items()}
        if half:
            large = [name for name, each in self.named_parameters() if each.numel() > HALVED]
            tensors |= {name: tensors[name].half() for name in large}
        if self.mean_model is not None:
            tensors[MEAN_MODEL] = torch.from_numpy(np.ascontiguousarray(self.mean_model))
        settings = self.study.model_dump(mode="json")
        kept = {
            section: settings[section] if some is None else {key: settings[section][key] for key in some}
            for section, some in SETTINGS.items()
        }
        notes = {"settings": json.dumps(kept), "versions": json.dumps(versions())}
        if self.calibration and weights is None:
            notes["calibration"] = json.dumps(self.calibration)
        inverter_file.write(Path(path), notes, tensors)


def load(path: Path | str) -> Inverter:
    """Load an inverter, ready to invert, onto the GPU if there is one. It runs no code of the file.

    Args:
        path: a file written by ``Inverter.save``, the folder of a run with such a file, or the name of a
            network of the zoo, such as ``salt-half``. A file or folder of that name goes before the zoo.

    Raises:
        InverterError: the file is missing, damaged or no inverter.
    """
    path = find(Path(path))
    try:
        notes, tensors = inverter_file.read(path)
        study = StudyConfig.model_validate(up_to_date(json.loads(notes["settings"])))
        mean_model = tensors.pop(MEAN_MODEL, None)
        # Sizes are compared before memory is allocated.
        network = without_values(study.model, Survey(study.grid, study.survey))
        wanted = {f"network.{name}": each.shape for name, each in network.state_dict().items()}
        found = {name: each.shape for name, each in tensors.items() if name.startswith("network.")}
        if different := sorted({name for name, _ in wanted.items() ^ found.items()}):
            raise ValueError(f"{different[0]} does not belong to the network of its settings")
        inverter = Inverter(study, mean_model=None if mean_model is None else mean_model.numpy())
        inverter.load_state_dict(tensors)
        inverter.calibration = json.loads(notes.get("calibration", "{}"))
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise InverterError(f"{path}: its settings are not valid here ({where}: {problem['msg']})") from None
    except (OSError, ValueError, TypeError, RuntimeError, RecursionError, SafetensorError) as error:
        why = str(error).strip().splitlines()[-1].strip() if str(error) else type(error).__name__
        raise InverterError(f"{path}: not an inverter, or damaged ({why})") from None
    return inverter.ready()


def survey_of(name: str) -> Survey:
    """Read the survey that a network of the zoo was trained on, without its weights."""
    notes = inverter_file.read_notes(zoo.path(name))
    study = StudyConfig.model_validate(up_to_date(json.loads(notes["settings"])))
    return Survey(study.grid, study.survey)


def find(path: Path) -> Path:
    """Find the file of an inverter: of a run, of the zoo, or as it is named.

    Raises:
        InverterError: there is none.
    """
    if path.is_dir():
        path = path / inverter_file.FILE
    elif not path.exists() and str(path) in zoo.names():
        path = zoo.path(str(path))
    if not path.exists():
        raise InverterError(
            f"{path}: no such file; training writes one into the folder of its run, or 'fwi convert' where "
            f"an earlier version has trained; the zoo has {', '.join(zoo.names())}"
        )
    return path


def _sorting(study: StudyConfig, survey: Survey) -> nn.Module:
    match study.model.columns:
        case "midpoints":
            return Midpoints(survey)
        case "offsets":
            return CommonOffsets(survey, study.model.offsets)
    return nn.Identity()


def in_bf16(wanted: str) -> bool:
    """Whether to compute in bf16: if configured, or if ``auto`` finds hardware for it."""
    if wanted != "auto":
        return wanted == "bf16"
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported())

"""Types and limits that all sections of the configuration share."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

LARGEST, SMALLEST = 1e9, 1e-12
"""Limits of every length, time, speed and weight of a study, in any unit: sums and squares stay finite."""
MOST_CELLS = 100_000
"""Largest number of cells along a side of the grid, and of shots and receivers along the line."""
LONGEST_PATH = 4096
"""Length in bytes of the longest path that Linux accepts."""
MOST_LEVELS = 17
"""Largest number of levels of a network: each level halves the map, and the last one leaves one cell of
the largest grid."""


def _no_truth(value: object) -> object:
    if isinstance(value, bool):  # Python would take it as 1 or 0
        raise ValueError(f"is to be a number, got {str(value).lower()} (as yes, no, on and off are read)")
    return value


def _not_next_to_nothing(value: float) -> float:
    if value < SMALLEST:
        raise ValueError(f"is next to nothing: take {SMALLEST:g} or more, got {value!r}")
    return value


def ascending(limits: tuple[float, float]) -> tuple[float, float]:
    """Refuse a range whose second limit is below its first."""
    if limits[0] > limits[1]:
        raise ValueError(f"must ascend, got {limits[0]:g} .. {limits[1]:g}: swap the two")
    return limits


NOT_TRUTH = BeforeValidator(_no_truth)
"""Validator of numbers that refuses ``yes`` and ``true``, which Python takes as 1."""

Finite = Annotated[float, Field(ge=-LARGEST, le=LARGEST), NOT_TRUTH]
NotNegative = Annotated[float, Field(ge=0, le=LARGEST), NOT_TRUTH]
Positive = Annotated[float, Field(gt=0, le=LARGEST), NOT_TRUTH, AfterValidator(_not_next_to_nothing)]
Count = Annotated[int, Field(ge=1, le=1_000_000), NOT_TRUTH]
Channels = Annotated[int, Field(ge=1, le=100_000), NOT_TRUTH]
Share = Annotated[float, Field(ge=0, le=1), NOT_TRUTH]


def _is_a_path(path: Path) -> Path:
    if "\0" in str(path):
        raise ValueError("holds a zero byte, which no file's name may: write it anew")
    if len(str(path)) > LONGEST_PATH:
        raise ValueError(f"of {len(str(path))} characters, and no path is longer than {LONGEST_PATH}")
    return path


Folder = Annotated[Path, AfterValidator(_is_a_path)]


class Section(BaseModel):
    """Base of all sections: immutable, no unknown keys, documented by the string under each field.

    No number is infinite or undefined, and every number has a range.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


def by_name(entry: object) -> object:
    """Expand a plain name such as ``se`` to ``{name: se}``."""
    return {"name": entry} if isinstance(entry, str) else entry

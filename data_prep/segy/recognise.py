"""Recognition of SEG-Y and SU files, and of their content: a velocity section or shots.

The content is recognised by the geometry in the headers or, if there is none, by the samples.
"""

from pathlib import Path
from typing import Literal

import numpy as np

from data_prep.foreign.containers import SUFFIXES
from data_prep.segy.headers import STANDARD, HeaderBytes, SegyError
from data_prep.segy.layout import detect
from data_prep.segy.scan import look_at
from data_prep.segy.strangers import StrangerError

SEGY = (".segy", ".sgy", ".su")
"""Suffixes of files that are taken as SEG-Y or SU, whatever their content."""

Holds = Literal["velocity", "shots"]

LOOKED_AT = 64
"""Number of traces inspected, drawn at random: evenly spread ones might all be of one receiver."""

TOGETHER = 0.95
"""Share of traces with source and receiver at one place above which a file is a section."""

POSITIVE = 0.8
"""Share of positive samples above which they are speeds: records oscillate about zero."""


def is_segy(file: Path, raw: bool = False) -> bool:
    """Whether a file is SEG-Y or SU, by its suffix, or else by its content unless that is raw.

    Raises:
        StrangerError: the file holds records in a seismic format that is not read.
    """
    suffix = file.suffix.lower()
    if suffix in SEGY or raw or suffix in SUFFIXES:
        return suffix in SEGY
    try:
        detect(file)
    except StrangerError:
        raise
    except SegyError:
        return False
    return True


def recognise(path: Path, header_bytes: HeaderBytes = STANDARD) -> tuple[Holds, str]:
    """Recognise what a file holds; the second value is the reason, in words that go on after "since".

    Raises:
        SegyError: the file is no SEG-Y or SU, or damaged.
    """
    layout = detect(path, header_bytes)
    rng = np.random.default_rng(0)
    traces = np.sort(rng.choice(layout.traces, min(LOOKED_AT, layout.traces), replace=False, shuffle=False))
    columns, samples = look_at(layout, traces, header_bytes)
    source, receiver = (
        np.stack([columns[f"{who}_x"], columns[f"{who}_y"]]) for who in ("source", "receiver")
    )
    if source.any() and receiver.any():
        where = f"(bytes {header_bytes.source_x} and {header_bytes.receiver_x})"
        if (source == receiver).all(axis=0).mean() > TOGETHER:
            return "velocity", f"source and receiver are at one place {where}"
        return "shots", f"receivers are away from their sources {where}"
    sounding = samples[samples != 0]
    share = float((sounding > 0).mean()) if sounding.size else 0.0
    reason = f"{100 * share:.0f} % of its samples other than zero are positive, and its headers do not tell"
    return ("velocity" if share > POSITIVE else "shots"), reason

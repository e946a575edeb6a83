"""Whether a file is SEG-Y, and whether it holds a velocity section or shots.

What it holds is told by its geometry or, where the headers have none, by its samples.
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
"""Suffixes by which a file is SEG-Y or SU, whatever its content."""

Holds = Literal["velocity", "shots"]

LOOKED_AT = 64
"""Traces by which it is told, drawn at random: evenly spread, they might all be of one receiver."""

TOGETHER = 0.95
"""Share of traces whose source and receiver are at one place from which all are; a few may be spoiled."""

POSITIVE = 0.8
"""Share of positive samples from which they are speeds: records swing about zero."""


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
    """What a file holds, and what tells it, in words that go on after "since".

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
    said = f"{100 * share:.0f} % of its samples other than zero are positive, and its headers do not tell"
    return ("velocity" if share > POSITIVE else "shots"), said

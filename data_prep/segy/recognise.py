"""Whether a file holds a velocity section or shots: its geometry tells, or else its samples."""

from pathlib import Path
from typing import Literal

import numpy as np

from data_prep.segy.headers import STANDARD, HeaderBytes
from data_prep.segy.layout import detect
from data_prep.segy.traces import look_at

Holds = Literal["velocity", "shots"]

LOOKED_AT = 64
"""Traces by which it is told, drawn at random: evenly spread, they might all be of one receiver."""

TOGETHER = 0.95
"""Share of traces whose source and receiver are at one place from which all are; a few may be spoiled."""

POSITIVE = 0.8
"""Share of positive samples from which they are speeds: records swing about zero."""


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

"""Unusual amplitudes: spikes, clipped traces, and shots that are far louder than the others."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from data_prep.segy.scan import LISTED, Loudness, listed

SPIKE = 1000.0
"""A trace this many times louder than usual has a spike: distance alone makes no such difference."""

LOUD_SHOT = 10.0
"""A shot this many times louder than usual was scaled otherwise: charges and coupling differ by less."""

CLIPPED = 5
"""Samples at exactly its peak from which a trace counts as clipped; a wave has one, or a few by chance."""


def odd(shots: Mapping[int, NDArray[np.int64]], loudness: Loudness) -> list[str]:
    """Describe what is unusual in the loudness of traces, a sentence each.

    Args:
        shots: numbers of the live traces, counted from 0, shape ``(trace,)``, by the number of their shot.
        loudness: how loud all traces of the file are.
    """
    findings = []
    levels = {number: _usual(loudness.peak[traces]) for number, traces in shots.items()}
    usual = _usual(np.array([*levels.values()]))
    loud = [number for number, level in levels.items() if level > LOUD_SHOT * usual]
    if loud:
        named = ", ".join(map(str, loud[:LISTED])) + (" ..." if len(loud) > LISTED else "")
        most = max(levels[number] for number in loud) / usual
        findings.append(
            f"{len(loud)} shots are far louder than the others, up to {most:.3g} times: {named}; scale them "
            "alike or leave them out"
        )

    traces = np.concatenate([traces for number, traces in shots.items() if number not in loud])
    peak = loudness.peak[traces]
    spikes = np.sort(traces[np.isfinite(peak) & (peak > SPIKE * _usual(peak))])
    if spikes.size:
        findings.append(
            f"{spikes.size} traces are over {SPIKE:g} times louder than usual, as by a spike: "
            f"{listed(spikes)}; mute them or leave them out"
        )

    traces = np.concatenate([*shots.values()])
    clipped = np.sort(traces[loudness.at_peak[traces] >= CLIPPED])
    if clipped.size:
        findings.append(
            f"{clipped.size} traces look clipped, {CLIPPED} or more of their samples at exactly their peak: "
            f"{listed(clipped)}"
        )
    return findings


def _usual(values: NDArray[np.floating]) -> float:
    """Median of the finite values, the lower of two middle ones; 0 if none is finite."""
    finite = values[np.isfinite(values)]
    return float(np.percentile(finite, 50, method="lower")) if finite.size else 0.0

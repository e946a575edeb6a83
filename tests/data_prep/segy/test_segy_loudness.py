"""What is odd about finite samples: spikes, clipped traces, shots of another scale."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from recordings import line_of_shots

from data_prep.segy.shots import open_shots

RECORDING = line_of_shots(shots=5, nt=200)
"""Shots 7 to 11 of six receivers, of white noise."""


def findings(samples: NDArray[np.float32], folder: Path) -> tuple[str, ...]:
    return open_shots(RECORDING.spoiled(samples=samples).write(folder / "shots.sgy")).findings


def test_ordinary_traces_of_unlike_loudness_are_not_odd(tmp_path: Path) -> None:
    offset = np.tile(np.geomspace(1, 200, 6), 5)  # amplitudes fall off with distance

    assert findings(RECORDING.samples / offset[:, None].astype(np.float32), tmp_path) == ()


def test_a_spike_is_told_with_its_trace(tmp_path: Path) -> None:
    samples = RECORDING.samples.copy()
    samples[[8, 20], 30] = 1e5

    (found,) = findings(samples, tmp_path)

    assert found.startswith("2 traces are over 1000 times louder than usual, as by a spike: 9, 21;")


@pytest.mark.parametrize("factor", [50, 1000, 1e6])
def test_a_shot_far_louder_than_the_others_is_told_once(tmp_path: Path, factor: float) -> None:
    samples = RECORDING.samples.copy()
    samples[12:18] *= factor

    (found,) = findings(samples, tmp_path)

    assert "1 shots are far louder than the others" in found
    assert float(found.split("up to ")[1].split(" times")[0]) == pytest.approx(factor, rel=0.5)
    assert "times: 9;" in found


def test_of_two_shots_the_far_louder_one_is_told(tmp_path: Path) -> None:
    two = RECORDING.chosen(range(12))
    two.samples[6:] *= 100

    (found,) = open_shots(two.write(tmp_path / "shots.sgy")).findings

    assert "times: 8;" in found


def test_clipped_traces_are_told(tmp_path: Path) -> None:
    samples = RECORDING.samples.copy()
    samples[[3, 4]] = samples[[3, 4]].clip(-1.5, 1.5)

    (found,) = findings(samples, tmp_path)

    assert found == "2 traces look clipped, 5 or more of their samples at exactly their peak: 4, 5"


def test_loudness_is_that_of_live_and_finite_traces(tmp_path: Path) -> None:
    samples = RECORDING.samples.copy()
    samples[:20] = 0
    samples[25, 3], samples[26, 3] = np.nan, np.inf

    found = findings(samples, tmp_path)

    assert not [finding for finding in found if "louder" in finding or "clipped" in finding]

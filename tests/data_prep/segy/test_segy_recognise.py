"""Velocity sections told from shots: by geometry where the headers have one, else by the samples."""

from pathlib import Path

import numpy as np
import pytest
from recordings import Recording, Values, line_of_shots

from data_prep.segy.headers import HeaderBytes
from data_prep.segy.recognise import recognise
from data_prep.segy.write import write_section

PUBLIC = Path(__file__).resolve().parents[4] / "shared/data/segy"
NO_PLACES: dict[int, Values] = {73: 0, 81: 0}
SHOTS = line_of_shots(nt=60)


def section(velocity: np.ndarray, headers: dict[int, Values]) -> Recording:
    x = 20 * np.arange(velocity.shape[1])
    return Recording(
        velocity.T.astype(np.float32), {71: 1, 115: len(velocity), 117: 20_000, 181: x, **headers}
    )


def speeds() -> np.ndarray:
    return np.random.default_rng(0).uniform(1600, 4400, (24, 36))


def test_sources_at_their_receivers_make_a_section_whatever_the_samples(tmp_path: Path) -> None:
    velocity = speeds()
    velocity[:8] = 0  # rows that nobody filled
    velocity[8:16] *= -1
    places: dict[int, Values] = {73: 20 * np.arange(36), 81: 20 * np.arange(36)}

    holds, reason = recognise(section(velocity, places).write(tmp_path / "a.sgy"))

    assert holds == "velocity"
    assert reason == "source and receiver are at one place (bytes 73 and 81)"


def test_receivers_away_from_their_sources_make_shots_whatever_the_samples(tmp_path: Path) -> None:
    offset = SHOTS.spoiled(samples=SHOTS.samples + 1000)

    holds, reason = recognise(offset.write(tmp_path / "a.sgy"))

    assert holds == "shots"
    assert reason == "receivers are away from their sources (bytes 73 and 81)"


def test_the_bytes_of_the_geometry_may_be_others(tmp_path: Path) -> None:
    elsewhere = SHOTS.spoiled({**NO_PLACES, 181: SHOTS.headers[73], 185: SHOTS.headers[81]})
    elsewhere = elsewhere.spoiled(samples=elsewhere.samples + 1000)
    path = elsewhere.write(tmp_path / "a.sgy")

    assert recognise(path)[0] == "velocity"
    assert recognise(path, HeaderBytes(source_x=181, receiver_x=185))[0] == "shots"


def test_without_geometry_positive_samples_make_a_section(tmp_path: Path) -> None:
    velocity = speeds()
    velocity[:8] = 0
    velocity[20, 3] = np.nan

    held, why = recognise(section(velocity, {}).write(tmp_path / "a.sgy"))
    shots, why_shots = recognise(SHOTS.spoiled(NO_PLACES).write(tmp_path / "b.sgy"))

    assert (held, shots) == ("velocity", "shots")
    assert "100 % of its samples other than zero are positive" in why
    share = 100 * (SHOTS.samples > 0).mean()
    assert why_shots.startswith(f"{share:.0f} % of its samples")


def test_own_sections_are_sections(tmp_path: Path) -> None:
    write_section(tmp_path / "a.segy", speeds(), 12.5, "")

    assert recognise(tmp_path / "a.segy")[0] == "velocity"


@pytest.mark.skipif(not PUBLIC.exists(), reason="the public recordings are not beside the repository")
@pytest.mark.parametrize("name", ["two_shots_2d.segy", "viking_four_shots.segy"])
def test_public_recordings_are_shots(name: str) -> None:
    assert recognise(PUBLIC / name)[0] == "shots"

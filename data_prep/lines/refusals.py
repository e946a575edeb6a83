"""Refusals, with numbers, of records that a network cannot invert."""

import math
from pathlib import Path

from data_prep.segy.line import metres
from data_prep.segy.placing import GeometryError, depths
from data_prep.segy.shots import RecordedShots
from fwi.survey import Survey
from fwi.survey_limits import oversized

MOST_MISSING = 0.5
"""Largest share of the network's times for which there may be no record."""

DEPTH_LIMIT = 0.25
"""Largest difference of depths from the network's, in wavelengths of the peak frequency at the slowest
speed."""


def refuse_no_frequency(frequency: float | None) -> None:
    """Refuse a stated peak frequency [Hz] that is not a positive number.

    Raises:
        GeometryError: it is not positive, or not finite.
    """
    if frequency is not None and not 0 < frequency < math.inf:
        raise GeometryError(f"--frequency {frequency:g}: expected a peak frequency in Hz, above 0")


def refuse_depths(file: RecordedShots, survey: Survey) -> None:
    """Refuse sources or receivers that are too far above or below those of the network.

    Args:
        file: the recorded shots.
        survey: the network's survey in the metres and seconds of the file.

    Raises:
        GeometryError: the depths differ by more than ``DEPTH_LIMIT``.
    """
    peak, slowest = survey.config.wavelet.frequency, survey.grid.velocity[0]
    most = DEPTH_LIMIT * slowest / peak
    for who, recorded, wanted in known_depths(file, survey):
        off = abs(recorded - wanted)
        if off > most * (1 + 1e-6):
            # At a lower frequency the network's depth is larger too.
            lower = peak * (most + wanted) / recorded if recorded > wanted else 0.0
            remedy = f"take a --frequency of {0.99 * lower:.3g} Hz or less, or " if lower else ""
            raise GeometryError(
                f"{file.path}: {who} are at {metres(recorded)} m, and those of the network at "
                f"{wanted:.4g} m: at {peak:.3g} Hz they may be {most:.3g} m apart, a quarter of a wavelength "
                f"at {slowest:g} m/s; {remedy}bring the records to another depth first"
            )


def missing(file: RecordedShots, survey: Survey, shift: float, highest: float = math.inf) -> float:
    """Return the share of the survey's times that have no record.

    Args:
        file: the recorded shots.
        survey: the network's survey in the metres and seconds of the file.
        shift: added to the records' times [s].
        highest: peak frequency of the records [Hz]; the message proposes no higher one.

    Raises:
        GeometryError: the share is more than ``MOST_MISSING``.
    """
    first, last = recorded_times(file, shift)
    end, peak = float(survey.time[-1]), survey.config.wavelet.frequency
    # Before the shot nothing is to be recorded: a shift leaves silence there, a late first sample a gap.
    early, late = min(max(file.start, 0.0), end), end - min(max(last, 0.0), end)
    share = (early + late) / end
    if share > MOST_MISSING:
        recorded = (1 - share) * end
        remedy = f"take a network whose records last {max(recorded, 0) * peak:.3g} periods or less"
        if recorded > 0 and (needed := (1 - MOST_MISSING) * peak * end / recorded) <= highest:
            remedy += f", or a --frequency of {1.01 * needed:.3g} Hz or more"
        raise GeometryError(
            f"{file.path}: the records last from {first:.4g} to {last:.4g} s, and the network needs "
            f"{end:.4g} s, {end * peak:.3g} periods of {peak:.3g} Hz: {100 * share:.3g} % of it is not "
            f"recorded, and at most {100 * MOST_MISSING:.0f} % may be; {remedy}"
        )
    return share if early + late >= survey.recorded_dt else 0.0


def recorded_times(file: RecordedShots, shift: float) -> tuple[float, float]:
    """Times of the first and the last recorded sample [s], once ``shift`` is added."""
    return file.start + shift, file.start + (file.nt - 1) * file.dt + shift


def known_depths(file: RecordedShots, survey: Survey) -> list[tuple[str, float, float]]:
    """Recorded depths beside those of the network [m]; those above the surface, as on land, are left out."""
    recorded, wanted = depths(file), (survey.shot_depth, survey.receiver_depth)
    each = zip(("sources", "receivers"), recorded, wanted, strict=True)
    return [(who, depth, of_network) for who, depth, of_network in each if depth >= 0]


def refuse_oversized(path: Path, survey: Survey) -> None:
    """Refuse records that do not fit into the machine's memory.

    Raises:
        GeometryError: they do not fit.
    """
    if mistakes := oversized(survey.grid, survey.config):
        raise GeometryError(f"{path}: take a part of the line:\n" + "\n".join(mistakes))

"""Calibration of foreign records: do they belong to their models, and by which gain do they differ?

Other modelling programs inject the source on a cell, or with another sign. They record the same waves at
another scale, by a factor that is the same for all records of a set. A least-squares fit over a few models
of the set finds this factor. The misfit that remains shows whether geometry, wavelet and pairing are right.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fwi.config import StudyConfig
from fwi.survey import Survey

if TYPE_CHECKING:
    from torch import Tensor

LARGEST_NRMS = 0.15
"""Largest misfit at which records count as those of their models.

Another finite-difference scheme causes a misfit of 0.1, a source that is half a cell off one of 0.2.
"""

STORABLE = {
    "float16": (6e-4, 6.5e4),
    "float32": (float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)),
}
"""Smallest and largest peak amplitude that each storage type holds.

The limits of float16 are ten times its smallest normal number, and its largest number.
"""

ALIASED_SHARE = 1e-3
"""Largest share of a record's energy above the Nyquist frequency of the samples that are kept."""


OF_SAMPLES, OF_SHOTS = (1, 2, 3), (0, 2, 3)
"""Axes of ``(sample, shot, time, receiver)`` to sum over for one figure of each sample, or of each shot."""


class RecordsError(ValueError):
    """Records that do not fit the study; the message gives the numbers, and values that would work."""


class Calibration(NamedTuple):
    """The gain that brings foreign records to the scale of the study, and the misfit that remains."""

    gain: float
    """Factor of the amplitudes, rounded to five digits; negative if the records have the opposite sign."""
    nrms: float
    """Largest NRMS of any sample between scaled and simulated records, rounded to three decimals."""


def calibrate(study: StudyConfig, velocity: NDArray[np.float32], records: NDArray[np.float32]) -> Calibration:
    """Simulate some models and fit the gain of their records.

    Args:
        study: the survey and physics to simulate with.
        velocity: models [m/s], shape ``(sample, depth, x)``.
        records: the foreign records of these models, shape ``(sample, shot, time, receiver)``.

    Raises:
        RecordsError: no gain makes them match; the message gives the misfit by shot, and the delay or the
            other peak time of the wavelet where that would mend it.
    """
    import torch

    from fwi.misfit import gain_on_recorded, normalised_rms

    simulated = _simulate(study, velocity)
    recorded = torch.tensor(records, dtype=torch.float64)
    gain = gain_on_recorded(recorded, simulated).item()
    nrms = normalised_rms(gain * recorded, simulated, over=OF_SAMPLES)
    if nrms.max() > LARGEST_NRMS:
        by_shot = normalised_rms(gain * recorded, simulated, over=OF_SHOTS)
        raise RecordsError(
            f"the records do not match their models: at the best gain, {gain:.3g}, their NRMS against "
            f"simulated ones is {nrms.max():.2f} (by shot {', '.join(f'{value:.2f}' for value in by_shot)}), "
            f"but {LARGEST_NRMS} where geometry, wavelet and pairing of the files are right. "
            f"{_delay_in_words(study, recorded, simulated)}Mend the study or the pairing; or state --gain (1 "
            "for none) to store them unchecked"
        )
    return Calibration(float(f"{gain:.5g}"), round(float(nrms.max()), 3))


def refuse_unstorable(where: str, peak: float, gain: float, dtype: str) -> None:
    """Refuse records that are not finite or all zero, or that storage would turn into zeros or infinities.

    Args:
        where: what the records are, for the message.
        peak: largest absolute value of the records before the gain is applied.
        gain: factor of the amplitudes.
        dtype: ``storage.dtype``.

    Raises:
        RecordsError: the records cannot be stored; the message gives a gain with which they can.
    """
    if not np.isfinite(peak):
        raise RecordsError(f"{where} hold a sample that is not finite; mend or leave them out")
    if peak == 0:
        raise RecordsError(f"{where} are zero throughout; mend or leave them out")
    faintest, loudest = STORABLE[dtype]
    if not faintest <= peak * abs(gain) <= loudest:
        other = ", or --storage.dtype float32" if dtype == "float16" else ""
        raise RecordsError(
            f"{where} reach {peak * abs(gain):.3g} with gain {gain:g}, which {dtype} cannot store: "
            f"--gain {1 / peak:.1g}{other}"
        )


def refuse_aliasing(study: StudyConfig, records: NDArray[np.float32], thinning: int) -> None:
    """Refuse to keep every n-th sample of records whose energy reaches above the new Nyquist frequency.

    Args:
        study: the study, whose ``survey.dt`` is the sample interval of the records.
        records: records before thinning, shape ``(sample, shot, time, receiver)``.
        thinning: the number n, where every n-th sample is kept.

    Raises:
        RecordsError: the thinned records would alias; the message gives the share of energy above the
            Nyquist frequency, and the largest n without aliasing.
    """
    samples = records.shape[2]
    fade = np.clip((samples - np.arange(samples)) / (0.1 * samples), 0, 1)  # lest the end be a jump
    spectrum = np.abs(np.fft.rfft(records * fade[:, None], axis=2)) ** 2
    energy = spectrum.sum((0, 1, 3))
    above = 1 - np.cumsum(energy) / energy.sum()

    def aliased(every: int) -> float:
        return float(above[min(samples // (2 * every), len(above) - 1)])

    if aliased(thinning) > ALIASED_SHARE:
        enough = max(every for every in range(1, thinning) if every == 1 or aliased(every) <= ALIASED_SHARE)
        raise RecordsError(
            f"survey.keep_every {thinning}: {aliased(thinning):.1%} of the records' energy is above "
            f"{0.5 / (thinning * study.survey.dt):g} Hz, the Nyquist frequency of the samples kept; take "
            f"{enough} (and survey.nt, dt as the records have them)"
        )


def _simulate(study: StudyConfig, velocity: NDArray[np.float32]) -> "Tensor":
    """Records of the models, shape ``(sample, shot, time, receiver)``."""
    import torch

    from fwi.physics import Propagator

    propagator = Propagator(Survey(study.grid, study.survey), study.physics)
    with torch.inference_mode():
        return torch.stack([propagator(torch.from_numpy(model[None]))[0] for model in velocity])


def _delay_in_words(study: StudyConfig, recorded: "Tensor", simulated: "Tensor") -> str:
    """Describe the delay with which the records would match; an empty text if no delay makes them match."""
    import torch

    from fwi.misfit import cross_correlation, gain_on_recorded, normalised_rms

    samples, interval = simulated.shape[2], Survey(study.grid, study.survey).recorded_dt
    stacked = cross_correlation(recorded, simulated).sum((0, 1, 3)).abs()
    lag = int(stacked.argmax()) - samples
    delayed = torch.zeros_like(recorded)
    if lag >= 0:
        delayed[:, :, lag:] = recorded[:, :, : samples - lag]
    else:
        delayed[:, :, :lag] = recorded[:, :, -lag:]
    gain = gain_on_recorded(delayed, simulated)
    nrms = normalised_rms(gain * delayed, simulated, over=OF_SAMPLES).max()
    if lag == 0 or nrms > LARGEST_NRMS:
        return ""
    peak_time = study.survey.wavelet.peaks_at - lag * interval
    return (
        f"{abs(lag) * interval:g} s {'later' if lag > 0 else 'earlier'} they would match to "
        f"{nrms:.2f}: set survey.wavelet.peak_time {peak_time:g}. "
    )

"""The wavelet of a line's records as recorded, and as they are to be shaped for the network."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_prep.lines.spectrum import Spectrum
from data_prep.segy.placing import GeometryError

Floats = NDArray[np.float64]
Response = Callable[[Floats], Floats]
"""Factors of the amplitudes at given frequencies [Hz]."""

MISFIT = 0.15
"""Share of the amplitudes by which the records' spectrum may miss a Ricker wavelet's and is left as it is."""

SAME = 0.1
"""Share by which a stated peak frequency may differ from a measured one that is taken for the same."""


class Wavelet(NamedTuple):
    """The peak frequency of records, as recorded and as wanted."""

    recorded: float
    """Peak frequency with which they were recorded [Hz]."""
    peak: float
    """Peak frequency that they are to have [Hz]."""
    shaped: bool
    """Whether they are shaped for it."""
    spectrum: Spectrum | None
    """Their spectrum as recorded; None where the wavelet is known."""

    @classmethod
    def wanted(cls, path: Path, known: float | Spectrum, stated: float | None) -> "Wavelet":
        """Choose the wavelet that records are to have.

        Args:
            path: the file, for the message.
            known: the peak frequency of the records [Hz], or the spectrum that tells it.
            stated: the peak frequency wanted [Hz]; that of the records if None.

        Raises:
            GeometryError: the wanted one is above that of the records.
        """
        spectrum = known if isinstance(known, Spectrum) else None
        recorded = known.peak if isinstance(known, Spectrum) else known
        same = SAME if spectrum else 1e-6
        if stated is None:
            return cls(recorded, recorded, False, spectrum)
        if stated > (1 + same) * recorded:
            raise GeometryError(
                f"{path}: --frequency {stated:g} Hz is above what was recorded, a peak frequency of "
                f"{recorded:.3g} Hz: take that or less, or leave it out"
            )
        shaped = stated < (1 - same) * recorded
        return cls(recorded, stated, shaped, spectrum)

    @property
    def matching(self) -> Response | None:
        """Filter that gives records of another wavelet the amplitudes of the closest Ricker wavelet."""
        spectrum = self.spectrum
        return None if spectrum is None or spectrum.misfit <= MISFIT else spectrum.matching

    @property
    def response(self) -> Response | None:
        """Filter that shapes records as recorded into those of the wanted peak frequency.

        For a lower peak frequency it is the ratio of the amplitude spectra of two Ricker wavelets, which is
        one at frequency zero and falls from there: a low-pass that raises nothing.
        """
        matching = self.matching
        if not self.shaped:
            return matching
        difference = self.recorded**-2 - self.peak**-2

        def low_pass(frequency: Floats) -> Floats:
            factors: Floats = np.exp(np.square(frequency) * difference)
            return factors if matching is None else factors * matching(frequency)

        return low_pass

    @property
    def weaker(self) -> float:
        """Amplitude in time that a wavelet of amplitude one has after the shaping."""
        return (self.peak / self.recorded) ** 3 if self.shaped else 1.0

    @property
    def brought(self) -> Spectrum | None:
        """The spectrum of the records once they are shaped; None where the wavelet is known."""
        if self.spectrum is None or self.response is None:
            return self.spectrum
        return self.spectrum.filtered(self.response)

"""The straight line on the map that a 2-D survey is taken to lie on."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.complex128]
"""Positions on the map [m] as complex numbers, east + 1j * north, so that a rotation is a multiplication."""


def metres(position: float | np.number) -> str:
    """Format a position, distance or depth [m] for a message, to the millimetre and never as minus zero."""
    return f"{round(float(position), 3) + 0.0:.10g}"


@dataclass(frozen=True)
class Line:
    """A line on the map, along which positions are measured.

    Args:
        origin: east and north of the position 0 [m].
        azimuth: where the line heads, clockwise from north [degrees].
    """

    origin: tuple[float, float]
    azimuth: float

    @classmethod
    def through(cls, places: Places) -> "Line":
        """Fit a line to positions on the map.

        The line runs east, or north if it is steeper than northeast, and begins at the first position. If all
        have the same northing (or easting), positions along the line are the eastings (or northings).
        """
        if (places.imag == places.imag[0]).all():
            return cls((0.0, float(places.imag[0])), 90.0)
        if (places.real == places.real[0]).all():
            return cls((float(places.real[0]), 0.0), 0.0)
        middle = places.mean()
        # The principal axis: squares of opposite directions agree, so their sum points along twice its angle.
        heading = np.sqrt(((places - middle) ** 2).sum())
        angle = float(np.angle(heading))
        if abs(angle) > math.pi / 4:
            angle = abs(angle) if angle > 0 else angle + math.pi
        turn = np.exp(1j * angle)
        origin = middle + turn * ((places - middle) / turn).real.min()
        return cls((float(origin.real), float(origin.imag)), (90 - math.degrees(angle)) % 360)

    def project(self, places: Places) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Positions along the line and distances from it, positive to its left [m]."""
        turned = (places - complex(*self.origin)) / self._heading
        return turned.real, turned.imag

    def places(self, x: NDArray[np.float64]) -> Places:
        """Return positions on the map.

        Args:
            x: positions along the line [m], shape ``(place,)``.
        """
        return np.asarray(complex(*self.origin) + x * self._heading, np.complex128)

    @property
    def _heading(self) -> complex:
        exact = {90.0: 1 + 0j, 0.0: 1j}  # so that eastings and northings stay the numbers they are
        return exact.get(self.azimuth) or complex(np.exp(1j * math.radians(90 - self.azimuth)))

"""Scaling of lengths and times together, which leaves speeds as they are.

The acoustic wave equation has no length of its own. A survey whose cells and times are all multiplied by one
factor, and whose frequencies are divided by it, records the same samples over the same speeds, up to one
factor of all amplitudes. So a line of 12.5 m cells at 16 Hz is one of 20 m cells at 10 Hz.
"""

from typing import Any

from fwi.survey import Survey

LENGTHS = ("shot_margin", "near_offset", "receiver_interval", "depth", "receiver_depth")
"""Settings of a survey that are lengths, besides lists of them [m]."""
PLACES = ("shot_x", "receiver_x")
"""Settings of a survey that are lists of positions [m]."""


def scaled(survey: Survey, factor: float) -> Survey:
    """Multiply all lengths and times of a survey by a factor, and divide its frequencies by it.

    Args:
        survey: the survey.
        factor: the factor, larger than 0.

    Returns:
        A survey that records the same samples of the same speeds, but for one factor of all amplitudes.
    """
    config = survey.config
    values: dict[str, Any] = {name: _times(getattr(config, name), factor) for name in LENGTHS}
    for name in PLACES:
        places = getattr(config, name)
        values[name] = None if places is None else tuple(place * factor for place in places)
    wavelet = {
        "frequency": config.wavelet.frequency / factor,
        "peak_time": _times(config.wavelet.peak_time, factor),
    }
    values |= {"dt": config.dt * factor, "wavelet": config.wavelet.model_copy(update=wavelet)}
    grid = survey.grid.model_copy(update={"spacing": survey.grid.spacing * factor})
    return Survey(grid, config.model_copy(update=values))


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor

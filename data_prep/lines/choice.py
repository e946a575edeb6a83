"""The choice of a network for the records of a file."""

from collections.abc import Mapping
from pathlib import Path

from data_prep.lines.known import is_known, known_survey, own_kind
from data_prep.lines.refusals import refuse_no_frequency
from data_prep.lines.spectrum import measure_spectrum
from data_prep.lines.wavelet import Wavelet
from data_prep.segy.headers import STANDARD, HeaderBytes
from data_prep.segy.placing import MISSING_SHARE
from data_prep.segy.regularise import Spreading
from data_prep.segy.shots import open_shots
from fwi.survey import Survey


def choose_network(
    path: Path,
    networks: Mapping[str, Survey],
    *,
    frequency: float | None = None,
    made_for: Path | None = None,
    spreading: Spreading = "line",
    header_bytes: HeaderBytes = STANDARD,
) -> tuple[str, str]:
    """Choose the network that reaches deepest with the time that was recorded.

    Networks see records in periods of the peak frequency: one of more periods reaches deeper, and needs
    records that last longer. Where they are too short for all, the one with the fewest periods is chosen.

    Args:
        path: the file, as for ``read_line``.
        networks: the surveys that the networks were trained on, by their names.
        frequency: peak frequency that the records are to have [Hz].
        made_for: YAML file with the grid and survey of a .npy.
        spreading: of SEG-Y: whether the records are those of a line source or of a point source.
        header_bytes: the byte at which each value of a trace header of SEG-Y begins.

    Returns:
        The network's name, and why it is chosen, in a sentence.

    Raises:
        ValueError: the file cannot be read, or there is no network.
    """
    if not networks:
        raise ValueError("there is no network to choose from")
    refuse_no_frequency(frequency)
    known = next(iter(networks.values()))
    if is_known(path):
        for name, network in networks.items():
            if own_kind(survey := known_survey(path, network, made_for), network) and frequency is None:
                return name, f"{name} was trained on records of this very kind"
        survey = known_survey(path, known, made_for)
        wavelet = Wavelet.wanted(path, survey.config.wavelet.frequency, frequency)
        end = float(survey.time[-1])
    else:
        file = open_shots(path, header_bytes)
        wavelet = Wavelet.wanted(path, measure_spectrum(file, spreading, frequency), frequency)
        end = file.start + (file.nt - 1) * file.dt
    needed = {name: _periods(network) for name, network in networks.items()}
    recorded = end * wavelet.peak
    enough = [name for name, periods in needed.items() if recorded >= (1 - MISSING_SHARE) * periods]
    chosen = (
        max(enough, key=lambda name: needed[name]) if enough else min(needed, key=lambda name: needed[name])
    )
    depths = {
        name: network.bottom * network.config.wavelet.frequency / wavelet.peak
        for name, network in networks.items()
    }
    why = (
        f"{chosen}: the records last {recorded:.3g} periods of {wavelet.peak:.3g} Hz, of which it takes "
        f"{needed[chosen]:.3g}, and it reaches {depths[chosen]:.4g} m"
    )
    others = [
        f"{name} takes {needed[name]:.3g} and reaches {depths[name]:.4g} m"
        for name in networks
        if name != chosen
    ]
    return chosen, "; ".join([why, *others])


def _periods(network: Survey) -> float:
    """Periods of the wavelet that a network's records last."""
    return float(network.time[-1]) * network.config.wavelet.frequency

"""Reading of a line for a trained network, whatever its spacing, frequency, length and recording time."""

from pathlib import Path

from data_prep.lines.field_records import read_field_records
from data_prep.lines.known import is_known
from data_prep.lines.known_records import read_known_records
from data_prep.lines.line import RecordedLine
from data_prep.lines.refusals import refuse_no_frequency
from data_prep.segy.headers import STANDARD, HeaderBytes
from data_prep.segy.recognise import SEGY, is_segy
from data_prep.segy.regularise import Spreading
from data_prep.segy.source import refuse_no_numbers
from fwi.config import PhysicsConfig
from fwi.survey import Survey


def read_line(
    path: Path,
    network: Survey,
    physics: PhysicsConfig,
    *,
    frequency: float | None = None,
    made_for: Path | None = None,
    spreading: Spreading = "line",
    shift: float | None = None,
    header_bytes: HeaderBytes = STANDARD,
) -> RecordedLine:
    """Read the records of a line for a network of any grid, time axis and wavelet, without printing.

    Args:
        path: shots as SEG-Y or SU; a shard; or a .npy of gathers, shape ``(shot, time, receiver)`` or
            ``(sample, shot, time, receiver)``, in which those of the network's own kind stay as they are.
        network: the survey that the network was trained on.
        physics: settings of the simulated direct arrival, on which time zero and polarity are measured.
        frequency: peak frequency that the records are to have [Hz], lower than they have, for which they are
            low-passed; that which they have if not given.
        made_for: YAML file with the grid and survey of a .npy; None assumes the network's.
        spreading: of SEG-Y: ``line`` for records of 2-D simulation, ``point`` for those of the field.
        shift: seconds to add to the records' times; those of SEG-Y are measured on the direct arrival if not
            given.
        header_bytes: the byte at which each value of a trace header of SEG-Y begins.

    Raises:
        ValueError: the file cannot be read, or the network cannot invert its records; the message gives the
            numbers.
    """
    refuse_no_frequency(frequency)
    refuse_no_numbers(shift=shift)
    if is_known(path):
        return read_known_records(path, network, frequency, made_for, shift)
    if not is_segy(path):
        raise ValueError(
            f"{path}: records are read from a shard (.h5), a .npy or SEG-Y ({', '.join(SEGY)}), not from "
            f"'{path.suffix}'"
        )
    return read_field_records(path, network, physics, frequency, spreading, shift, header_bytes)

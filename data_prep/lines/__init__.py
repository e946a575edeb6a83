"""Records of lines of any spacing, frequency, length and recording time, for a trained network."""

from data_prep.lines.choice import choose_network
from data_prep.lines.line import RecordedLine
from data_prep.lines.reading import read_line

__all__ = ["RecordedLine", "choose_network", "read_line"]

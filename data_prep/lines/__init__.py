"""Records of lines of any spacing, frequency, length and recording time, for a trained network."""

from data_prep.lines.reading import RecordedLine, read_line

__all__ = ["RecordedLine", "read_line"]

"""Lines of any length and scale, inverted by a trained network window by window.

>>> line = Line(fwi.load_run("salt-half"), gathers, survey)
>>> section = line.invert()
>>> verdict = line.check(section)
"""

from fwi.lines.line import Line
from fwi.lines.scaling import scaled
from fwi.lines.verdict import LineVerdict, Stretch
from fwi.lines.windows import Window, windows

__all__ = ["Line", "LineVerdict", "Stretch", "Window", "scaled", "windows"]

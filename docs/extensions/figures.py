"""Figures of the examples: those of pyplot, and those of ``fwi.plots``, which pyplot does not know."""

from typing import Any
from weakref import WeakSet

from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from sphinx_gallery.scrapers import matplotlib_scraper

_shown: "WeakSet[Figure]" = WeakSet()


def scraper(block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Take the figures of a block of code; the value of its last line, which a notebook shows, may be one."""
    value = block_vars["example_globals"].get("___")
    if isinstance(value, Figure) and value not in _shown:
        _shown.add(value)
        plt.figure(value)
    rst: str = matplotlib_scraper(block, block_vars, gallery_conf)
    return rst


def _get_sg_image_scraper() -> Any:
    return scraper

from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

scrapers = pytest.importorskip("sphinx_gallery.scrapers", reason="the site is built with the extra docs")


@pytest.fixture
def take(tmp_path: Path) -> Any:
    """Take the figures of a block of which the last line has a value."""
    import figures

    names = scrapers.ImagePathIterator(tmp_path / "image_{0:03}.png")
    settings = {"matplotlib_animations": (False, None), "image_srcset": [], "compress_images": []}

    def take(value: Any) -> str:
        block_vars = {"example_globals": {"___": value}, "image_path_iterator": names}
        return figures.scraper(None, block_vars, settings | {"src_dir": tmp_path})

    return take


def test_a_figure_that_pyplot_does_not_know_is_shown_once_where_it_is_the_value_of_a_block(take: Any) -> None:
    figure = Figure()
    figure.suptitle("Salt")

    shown, again = take(figure), take(figure)

    assert ":alt: Salt" in shown
    assert again == ""


def test_another_value_is_no_figure(take: Any) -> None:
    assert take(3) == ""

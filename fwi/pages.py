"""HTML pages: their templates, images that are part of them, and how they write numbers."""

import base64
from typing import NamedTuple

import jinja2


class Figure(NamedTuple):
    """An image that is part of the page."""

    source: str
    """The picture, as a data URI."""
    caption: str
    """What it shows."""


def template(name: str) -> jinja2.Template:
    """Load a template of the package by its file name; what it is given is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("fwi"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["number"] = number
    return environment.get_template(name)


def data_uri(image: bytes) -> str:
    """Turn a PNG into an address that holds it."""
    return "data:image/png;base64," + base64.b64encode(image).decode("ascii")


def number(value: float | None) -> str:
    """Three significant digits without exponent for everyday sizes; a dash for what is undefined."""
    if value is None:
        return "—"
    return f"{value:.0f}" if 99.95 <= abs(value) < 1e6 else f"{value:#.3g}"

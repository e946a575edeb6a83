"""Links within the site lead somewhere: to pages, places in them, pictures and notebooks.

Sphinx checks the references that it resolves itself. This reads the finished pages, so that links written by
hand, by the gallery or by an extension are checked too. Links to other sites take a network:
``sphinx-build -b linkcheck docs docs/_build/links``.
"""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urlsplit

from sphinx.application import Sphinx
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
PICTURES = (".png", ".svg", ".jpg")
BACK = re.compile(r'<a class="viewcode-back"[^>]*>\[docs\]</a>')
"""Links from the source to the reference, which lead astray where the package's face has a name."""


def setup(app: Sphinx) -> dict[str, Any]:
    """Check the links when the pages are written."""
    app.connect("html-page-context", _without_links_back)
    app.connect("build-finished", _check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


class Page(HTMLParser):
    """The links of a page, the places that others may link to, and pictures without a description."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.silent: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Take note of what an element links to, and of its name."""
        found = dict(attributes)
        self.places.update(name for key in ("id", "name") if (name := found.get(key)))
        link = found.get("href" if tag in ("a", "link") else "src")
        if link:
            self.links.append(link)
        # Sphinx describes a picture by its file if nobody does; an empty description is that of decoration.
        if tag == "img" and (found.get("alt", "unknown.png") or "").endswith(PICTURES):
            self.silent.append(str(found.get("src")))


def broken(folder: Path) -> list[str]:
    """Describe the links of a folder of pages that lead nowhere, and pictures without alt text."""
    written = (path for path in folder.rglob("*.html") if "_static" not in path.parts)
    pages = {path.resolve(): Page(path.read_text()) for path in written}
    found = []
    for path, page in pages.items():
        name = path.relative_to(folder.resolve())
        found += [f"{name}: the picture {picture} has no alt text" for picture in page.silent]
        for link in page.links:
            address, place = urldefrag(link)
            if urlsplit(link).scheme or link.startswith("//"):
                continue
            target = (path.parent / unquote(urlsplit(address).path)).resolve() if address else path
            target = target / "index.html" if target.is_dir() else target
            if not target.exists():
                found.append(f"{name}: {link} leads nowhere")
            elif place and target in pages and unquote(place) not in pages[target].places:
                found.append(f"{name}: {link}: the page has no such place")
    return sorted(set(found))


def _without_links_back(app: Sphinx, page: str, template: str, context: dict[str, Any], tree: Any) -> None:
    if page.startswith("_modules/") and "body" in context:
        context["body"] = BACK.sub("", context["body"])


def _check(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        for line in broken(Path(app.outdir)):
            LOGGER.warning(line, type="links")

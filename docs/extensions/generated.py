"""Parts of pages that the code writes: a fence ``{generated} part`` is replaced before the page is read.

A part is a function without arguments that returns Markdown. So headings, anchors and links of generated
parts are those of any page, and a test reads the same text that the site shows.
"""

import functools
import re
from collections.abc import Callable
from typing import Any

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

FENCE = re.compile(r"^```\{generated\} ([\w.-]+)\n```$", re.MULTILINE)


def parts() -> dict[str, Callable[[], str]]:
    """All parts by name."""
    import command_pages
    import study_pages
    import zoo_pages

    return command_pages.PARTS | study_pages.PARTS | zoo_pages.PARTS


@functools.cache
def part(name: str) -> str:
    """The text of a part."""
    return parts()[name]()


def filled(text: str) -> str:
    """Replace the fences of a page."""
    return FENCE.sub(lambda fence: part(fence[1]), text)


def setup(app: Sphinx) -> dict[str, Any]:
    """Fill pages as they are read, at each build."""
    app.connect("builder-inited", _make_all, priority=400)
    app.connect("source-read", _fill)
    app.connect("env-get-outdated", _generated_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _make_all(_: Sphinx) -> None:
    """Make all parts before autodoc writes into the annotations of classes, from which flags are read."""
    for name in parts():
        part(name)


def _fill(app: Sphinx, page: str, source: list[str]) -> None:
    if page.startswith("reference/"):
        source[0] = filled(source[0])


def _generated_pages(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    """Pages that follow the code, which Sphinx does not watch."""
    return [
        page
        for page in env.found_docs
        if page.startswith("reference/") and FENCE.search(env.doc2path(page).read_text())
    ]


def table(heads: list[str], rows: list[list[str]]) -> str:
    """Format a table of Markdown, whose last column says what the others mean."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "{.meanings}\n" + "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def text(words: str) -> str:
    """Bring a docstring into one line that a cell of a table holds."""
    plain = re.sub(r"\s+", " ", words.strip()).replace("``", "`")
    # Outside of code, what Markdown would take for markup is shown as it is.
    pieces = plain.split("`")
    for number in range(0, len(pieces), 2):
        escaped = re.sub(r"([*<>\[\]])", r"\\\1", pieces[number])
        pieces[number] = re.sub(r"(?<![\w-])--?[a-z][\w.-]*\b", r"`\g<0>`", escaped)
    return "`".join(pieces).replace("|", r"\|")


def code(value: str) -> str:
    """Show a value as code."""
    return "`" + value.replace("|", r"\|") + "`" if value else "-"


def anchored(name: str, shown: str, kind: str) -> str:
    """Show a name as code, as a link to its own place, such as ``#key-grid-nz``, that can be handed on."""
    place = anchor(kind, name)
    return f"[[{code(shown)}](#{place})]{{#{place}}}"


def anchor(kind: str, name: str) -> str:
    """The anchor of a key or flag."""
    return f"{kind}-{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}"

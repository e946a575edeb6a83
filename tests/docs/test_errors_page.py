"""The page of error messages quotes messages that the program has, and all of those that matter most."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reference" / "errors.md").read_text()
QUOTES = re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE)
FIELD = "\0"
CONTINUES = (
    "take a network whose records",
    "take a --frequency",
    ", or a --frequency",
    "take fewer",
    "take a smaller survey.near_offset",
)
"""Remedies that end messages of the page."""


def texts(node: ast.AST) -> str | None:
    """A string of the source, with a mark for each value that is filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
        return node.value if isinstance(node.value, str) else node.value.decode(errors="replace")
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else FIELD for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        parts = [texts(side) for side in (node.left, node.right)]
        return "".join(FIELD if part is None else part for part in parts)
    return None


def strings(file: Path) -> list[str]:
    """All strings of a file, docstrings left out."""
    tree = ast.parse(file.read_text())
    documents = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return [text for node in ast.walk(tree) if id(node) not in documents and (text := texts(node))]


def is_quoted(quote: str, text: str) -> bool:
    """Whether the words of a quote come in the text in this order."""
    pieces = [re.escape(piece.strip()) for piece in quote.split("...") if piece.strip()]
    return re.search(".*?".join(pieces), text, re.DOTALL) is not None


SOURCE = [
    text
    for package in ("fwi", "data_prep", "experiments")
    for file in sorted((ROOT / package).rglob("*.py"))
    for text in strings(file)
]


def test_the_page_quotes_messages_at_all():
    assert len(QUOTES) > 150


@pytest.mark.parametrize("quote", QUOTES)
def test_each_quoted_message_is_in_the_source(quote):
    assert any(is_quoted(quote, text) for text in SOURCE), f"no message says {quote!r}"


def messages(file: str) -> list[str]:
    """The messages of a file: strings of whole clauses."""
    found = [text for text in strings(ROOT / file) if len(text.replace(FIELD, "").split()) >= 4]
    return [text for text in found if not any(text != other and text in other for other in found)]


@pytest.mark.parametrize("file", ["data_prep/lines/refusals.py", "fwi/survey_limits.py"])
def test_every_refusal_of_a_line_and_of_a_survey_is_on_the_page(file):
    missing = [
        text
        for text in messages(file)
        if not any(is_quoted(quote, text) for quote in QUOTES) and not text.startswith(CONTINUES)
    ]

    assert not missing


def test_every_class_of_errors_is_on_the_page():
    classes = {
        node.name
        for package in ("fwi", "data_prep", "experiments")
        for file in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ClassDef) and node.name.endswith("Error") and not node.name.startswith("_")
    }

    assert not [name for name in sorted(classes) if f".{name}`" not in PAGE]


def test_every_message_comes_with_its_meaning_and_a_remedy():
    rows = re.findall(r"^\| `[^`]+` \|(.*)\|$", PAGE, re.MULTILINE)

    assert rows
    assert all(len(cell.strip()) > 3 for row in rows for cell in row.split(" | "))
    assert all(len(row.split(" | ")) == 2 for row in rows)

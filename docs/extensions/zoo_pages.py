"""The cards of the trained networks that come with the package."""

import re
from collections.abc import Callable

from generated import table, text

from fwi import zoo


def summary() -> str:
    """The networks in a table."""
    heads = ["section", "records", "trained on", "MAE at home", "MAE abroad"]
    rows = []
    for name in zoo.names():
        facts = zoo.card(name).facts
        size = zoo.path(name).stat().st_size / 1e6
        rows.append(
            [f"[`{name}`](#card-{name})", f"{size:.1f} MB", *(text(facts.get(head, "-")) for head in heads)]
        )
    return table(["network", "file", *heads], rows)


def cards() -> str:
    """Every card, its headings a level down."""
    return "\n\n".join(f"(card-{name})=\n{_lowered(zoo.card(name).text)}" for name in zoo.names())


def _lowered(card: str) -> str:
    """Headings a level down, but not the comments of code."""
    pieces = re.split(r"(^```.*?^```$)", card, flags=re.MULTILINE | re.DOTALL)
    return "".join(
        piece if piece.startswith("```") else re.sub(r"^#", "##", piece, flags=re.MULTILINE)
        for piece in pieces
    )


PARTS: dict[str, Callable[[], str]] = {"zoo.summary": summary, "zoo.cards": cards}

"""``fwi zoo``: the trained networks that come with the package, and their cards."""

import sys
from typing import Literal

import tyro

from experiments.terminal import unescaped
from fwi import zoo as networks
from fwi.zoo import Card

COLUMNS = ("section", "records", "wavelet", "trained on", "MAE at home", "MAE abroad")
"""What a line of the list tells of a network, beside its name and size: facts of its card."""


def zoo(
    what: tyro.conf.Positional[Literal["list", "show"]] = "list",
    name: tyro.conf.Positional[str | None] = None,
) -> None:
    """List the trained networks that come with fwi, or print the card of one.

    'fwi zoo' lists them; 'fwi zoo show NAME' prints a card: what the network was trained on, how far off it
    is at home and abroad, and what not to use it for. The names serve wherever a trained network is wanted:
    --run NAME, --train.start NAME, and fwi.load("NAME") in Python.

    Args:
        what: list or show.
        name: show: the network.
    """
    if what == "list":
        if name is not None:
            raise ValueError(f"'fwi zoo list' takes no name; 'fwi zoo show {name}' prints its card")
        print(table([networks.card(each) for each in networks.names()]))
        return
    if name is None:
        raise ValueError(f"'fwi zoo show' takes a name: one of {', '.join(networks.names())}")
    _print(networks.card(name))


def table(cards: list[Card]) -> str:
    """The networks as text, one a line."""
    rows: list[tuple[str, ...]] = [("name", "MB", *COLUMNS)]
    for card in cards:
        size = networks.path(card.name).stat().st_size / 1e6
        rows.append((card.name, f"{size:.1f}", *(card.facts.get(fact, "-") for fact in COLUMNS)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _print(card: Card) -> None:
    """Print a card as it is or, on a terminal, laid out."""
    if not sys.stdout.isatty():
        print(card.text.rstrip())
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console(file=unescaped(sys.stdout)).print(Markdown(card.text))

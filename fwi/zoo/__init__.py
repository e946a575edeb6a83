"""The zoo: trained networks that come with the package, each a file of weights and a card.

>>> inverter = fwi.load("salt-half")
>>> print(fwi.zoo.card("salt-half").text)
"""

import re
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent
"""Folder of the files of weights and of the cards."""
SUFFIX = ".safetensors"
"""Suffix of the files of weights; a card has the suffix ``.md``."""
FACTS = ("section", "records", "wavelet", "speeds", "network", "trained on", "MAE at home", "MAE abroad")
"""What the table at the head of a card tells."""
HEADINGS = (
    "Geology",
    "Surveys",
    "Corruption",
    "Training",
    "Scores",
    "Robustness",
    "Calibration",
    "What not to use it for",
    "Licence",
)
"""What a card tells, in this order."""


class Card(NamedTuple):
    """The card of a network."""

    name: str
    """Name of the network."""
    text: str
    """The card as it is written: Markdown."""

    @property
    def facts(self) -> dict[str, str]:
        """What the table at the head of the card tells, by name: see ``FACTS``."""
        head = self.text.partition("\n## ")[0]
        return dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", head, re.MULTILINE))

    @property
    def parts(self) -> dict[str, str]:
        """What the card tells, by heading: see ``HEADINGS``."""
        return dict(re.findall(r"^## (.+)\n+((?:(?!## ).*\n?)*)", self.text, re.MULTILINE))

    @property
    def commands(self) -> list[str]:
        """The commands that made the network, one after another."""
        blocks = re.findall(r"^```\n(.*?)^```$", self.parts.get("Training", ""), re.MULTILINE | re.DOTALL)
        return [line for block in blocks for line in re.sub(r"\\\n *", "", block).splitlines()]


def names() -> list[str]:
    """Names of all networks of the zoo."""
    return sorted(file.stem for file in FOLDER.glob(f"*{SUFFIX}"))


def path(name: str) -> Path:
    """Find the weights of a network.

    Raises:
        ValueError: the zoo has no network of that name; the message names those that it has.
    """
    if name not in names():
        raise ValueError(f"no network '{name}' in the zoo, which has {', '.join(names())}")
    return FOLDER / f"{name}{SUFFIX}"


def card(name: str) -> Card:
    """Read the card of a network.

    Raises:
        ValueError: the zoo has no network of that name, or no card of it.
    """
    file = path(name).with_suffix(".md")
    if not file.exists():
        raise ValueError(f"the network '{name}' of the zoo has no card: {file} is missing")
    return Card(name, file.read_text(encoding="utf-8"))

"""The zoo: trained networks that come with the package, each a file of weights and a card.

>>> inverter = fwi.load("salt-half")
"""

from pathlib import Path

SUFFIX = ".safetensors"
"""Suffix of the files of weights; a card has the suffix ``.md``."""


def names() -> list[str]:
    """Names of all networks of the zoo."""
    return sorted(file.stem for file in Path(__file__).parent.glob(f"*{SUFFIX}"))


def path(name: str) -> Path:
    """Find the weights of a network.

    Raises:
        ValueError: the zoo has no network of that name; the message names those that it has.
    """
    if name not in names():
        raise ValueError(f"no network '{name}' in the zoo, which has {', '.join(names())}")
    return Path(__file__).parent / f"{name}{SUFFIX}"

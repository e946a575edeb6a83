"""The folders that the examples write into."""

import shutil
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def fresh(gallery: dict[str, Any], script: str) -> None:
    """Remove what an earlier build of an example left: ``03_segy.py`` writes into ``segy`` alone."""
    name = Path(script).stem.lstrip("0123456789_")
    for source in EXAMPLES.glob(f"*/{Path(script).name}"):
        shutil.rmtree(source.parent / name, ignore_errors=True)

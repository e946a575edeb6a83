"""What an example finds when it begins: none of its earlier files, and processes that start as in a shell."""

import multiprocessing
import shutil
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def fresh(gallery: dict[str, Any], script: str) -> None:
    """Prepare the place of an example: ``03_segy.py`` writes into the folder ``segy`` alone."""
    name = Path(script).stem.lstrip("0123456789_")
    for source in EXAMPLES.glob(f"*/{Path(script).name}"):
        shutil.rmtree(source.parent / name, ignore_errors=True)
    # Examples run in processes whose way of starting others is unknown to those that they start.
    multiprocessing.set_start_method("spawn", force=True)

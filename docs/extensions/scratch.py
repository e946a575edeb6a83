"""What each example begins with: an empty folder to write into, and processes that it can start."""

import multiprocessing
import shutil
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def fresh(gallery: dict[str, Any], script: str) -> None:
    """Remove what an earlier build of an example left: ``03_segy.py`` writes into ``segy`` alone."""
    # Examples run in processes of joblib, whose own way of starting others is unknown to their children.
    multiprocessing.set_start_method("spawn", force=True)
    name = Path(script).stem.lstrip("0123456789_")
    for source in EXAMPLES.glob(f"*/{Path(script).name}"):
        shutil.rmtree(source.parent / name, ignore_errors=True)

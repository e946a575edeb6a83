"""What each example finds: no folder of an earlier build, and processes that start as in a shell."""

import multiprocessing
import shutil
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def fresh(gallery: dict[str, Any], script: str) -> None:
    """Remove what an earlier build of an example left: ``03_segy.py`` writes into ``segy`` alone.

    Examples run side by side in processes of joblib, whose own way of starting others only joblib knows: the
    processes that an example starts could not begin.
    """
    multiprocessing.set_start_method("spawn", force=True)
    name = Path(script).stem.lstrip("0123456789_")
    for source in EXAMPLES.glob(f"*/{Path(script).name}"):
        shutil.rmtree(source.parent / name, ignore_errors=True)

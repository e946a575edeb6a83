"""``fwi convert``: bring a run of an earlier version up to date."""

from pathlib import Path

import tyro

from fwi.provenance import provenance
from fwi.run_conversion import convert as converted
from fwi.run_folder import note


def convert(run: tyro.conf.Positional[Path]) -> None:
    """Bring a run folder of an earlier version to the form of this one, so that it can be used and resumed.

    Args:
        run: the run's folder.
    """
    written = converted(run)
    if not written:
        print(f"{run} is up to date")
        return
    note(run, "convert", provenance())
    print("\n".join(f"written: {path}" for path in written))

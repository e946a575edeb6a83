"""``fwi verify``: is a data set what it was, and what is in it?"""

from pathlib import Path

import tyro

from experiments.simulate import sizes
from fwi.shards import DataSet


def verify(folder: tyro.conf.Positional[Path]) -> None:
    """Check that every shard of a data set is there and unchanged.

    Args:
        folder: the data set.
    """
    data = DataSet.read(folder)
    data.verify()
    print(f"{folder}: {sizes(data)}; every checksum is right")

"""``fwi export``: hand a trained network on, for salt-fwi, plain PyTorch and ONNX Runtime."""

from pathlib import Path
from typing import Annotated

import tyro

from fwi.export import CARD, FormatName
from fwi.export import export as exported
from fwi.export.formats import FORMATS


def export(
    network: tyro.conf.Positional[Path],
    to: Path,
    formats: tuple[FormatName, ...] | None = None,
    half: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> None:
    """Write a trained network into a folder, in every form in which others may want to load it.

    The folder holds the weights as safetensors with their card, a program of torch.export for plain PyTorch,
    ONNX, and a README that shows how each is loaded.

    Args:
        network: folder of a run, name of a network of the zoo, or an inverter file.
        to: the folder; empty, or that of an earlier export of the same network, which is written anew.
        formats: which of torch and onnx to write beside the safetensors file; all whose packages are
            installed if not given.
        half: write the large tensors of the safetensors file in half precision.
    """
    made = exported(network, to, formats, half)
    for path in made.files:
        megabytes = path.stat().st_size / 1e6
        print(f"{path}  {megabytes:.2g} MB" if megabytes >= 0.1 else path)
    for name, difference in made.differences.items():
        print(f"{FORMATS[name].file}: loaded again, within {difference:.1g} m/s of the network")
    for name, missing in made.left_out.items():
        print(
            f"{name} is left out, for {', '.join(missing)} is not installed: pip install 'salt-fwi[export]'"
        )
    print(f"what the network is for: {to / CARD}")

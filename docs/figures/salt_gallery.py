"""Draw 24 models of each salt preset, and models of seg_eage beside the public SEG/EAGE slices.

    python docs/figures/salt_gallery.py [--preset NAME]

Writes gallery_<preset>.png and, for seg_eage, seg_eage_slices.png, for which it reads the slices from the
folder ``shared/data`` beside the repository; without them that figure is left as it is.
"""

import io
from pathlib import Path
from typing import Literal

import numpy as np
import tyro
from numpy.typing import NDArray
from PIL import Image

from data_prep.salt import PRESETS, generate
from fwi.config import GridConfig, SaltConfig

FIGURES = Path(__file__).resolve().parent
SLICES = FIGURES.parents[1] / "../shared/data/seg_salt_slices.npz"
GRID = GridConfig(nz=201, nx=301, spacing=10.0)
DPI = 200
"""So that a cell is more than a pixel: a stringer is one or two cells thick."""
EXTENT = (0.0, (GRID.nx - 1) * GRID.spacing / 1e3, (GRID.nz - 1) * GRID.spacing / 1e3, 0.0)


def salt_gallery(preset: Literal["yang_ma", "seg_eage", "gulf", "mixed"] | None = None) -> None:
    """Draw and save the figures.

    Args:
        preset: the only preset to draw; all if not given.
    """
    for name in PRESETS if preset is None else [preset]:
        models = [generate(GRID, SaltConfig(preset=name), 0, index).velocity for index in range(24)]  # type: ignore[arg-type]
        _draw(models, columns=4, titles=[], out=FIGURES / f"gallery_{name}.png")
        if name == "seg_eage" and SLICES.exists():
            with np.load(SLICES) as file:
                slices = {f"SEG/EAGE {key}": file[key].astype(np.float32) for key in sorted(file)}
            titles = [*slices, *["seg_eage"] * 9]
            _draw(
                [*slices.values(), *models[:9]], columns=3, titles=titles, out=FIGURES / "seg_eage_slices.png"
            )


def _draw(models: list[NDArray[np.float32]], columns: int, titles: list[str], out: Path) -> None:
    import matplotlib.pyplot as plt
    from cmcrameri import cm

    rows = len(models) // columns
    figure, grid = plt.subplots(
        rows, columns, figsize=(2.7 * columns, 1.85 * rows), sharex=True, sharey=True, layout="constrained"
    )
    for axis, velocity in zip(grid.flat, models, strict=True):
        image = axis.imshow(velocity / 1e3, cmap=cm.batlow, vmin=1.5, vmax=4.5, extent=EXTENT, aspect="auto")
        salt = velocity >= SaltConfig().threshold
        if salt.any():
            axis.contour(salt, [0.5], colors="black", linewidths=0.6, extent=EXTENT, origin="upper")
    for axis, title in zip(grid.flat, titles, strict=False):
        axis.set_title(title, fontsize="small", loc="left")
    for axis in grid[:, 0]:
        axis.set_ylabel("Depth (km)")
    for axis in grid[-1]:
        axis.set_xlabel("Distance (km)")
    figure.colorbar(image, ax=grid, label="Velocity (km/s)", shrink=0.5, aspect=40)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=DPI)
    plt.close(figure)
    # The colours of the map and some greys for the text: a third of the bytes of millions of colours.
    greys = np.repeat(np.linspace(0, 1, 16)[:, None], 3, axis=1)
    colours = np.r_[cm.batlow(np.linspace(0, 1, 240))[:, :3], greys]
    palette = Image.new("P", (1, 1))
    palette.putpalette((255 * colours).round().astype(np.uint8).tobytes())
    picture = Image.open(buffer).convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE)
    picture.save(out, optimize=True)


if __name__ == "__main__":
    tyro.cli(salt_gallery)

"""Draw salt_yang_ma.png: published and generated salt models side by side, and three of their distributions.

Run from the repository as ``python docs/figures/salt_statistics.py``. It reads the public models from the
folder ``shared/data`` beside the repository.
"""

from pathlib import Path

import numpy as np

from data_prep.salt import generate
from data_prep.salt.statistics import SaltStatistics, statistics
from fwi.config import GridConfig, SaltConfig, YangMaPreset

REPOSITORY = Path(__file__).resolve().parents[2]
GRID = GridConfig(nz=201, nx=301, spacing=10.0)
EXTENT = (0.0, (GRID.nx - 1) * GRID.spacing / 1e3, (GRID.nz - 1) * GRID.spacing / 1e3, 0.0)


def main() -> None:
    """Draw and save the figure."""
    import matplotlib.pyplot as plt
    from cmcrameri import cm

    with np.load(REPOSITORY / "../shared/data/fcnvmb_models.npz") as models:
        published = models["train"]
    domes = SaltConfig(preset=YangMaPreset(lens_share=0.0))
    lenses = SaltConfig(preset=YangMaPreset(lens_share=1.0))
    generated = np.stack(
        [generate(GRID, salt, 0, index).velocity for salt in (domes, lenses) for index in range(800)]
    )
    sets = {"Yang and Ma (2019)": published, "Generated": generated}

    figure = plt.figure(figsize=(12, 9), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(2.9, 1))

    sections = top.subplots(4, 4, sharex=True, sharey=True)
    shown = np.arange(8) * 200 + 50  # four domes, then four lenses
    for axes, (name, models) in zip(np.hsplit(sections, 2), sets.items(), strict=True):
        axes[0, 0].set_title(name, loc="left")
        for axis, velocity in zip(axes.flat, models[shown], strict=True):
            image = axis.imshow(velocity / 1e3, cmap=cm.batlow, vmin=2.0, vmax=4.5, extent=EXTENT)
            axis.contour(
                velocity >= 4450, [0.5], colors="white", linewidths=0.6, extent=EXTENT, origin="upper"
            )
    for axis in sections[:, 0]:
        axis.set_ylabel("Depth (km)")
    for axis in sections[-1]:
        axis.set_xlabel("Distance (km)")
    top.colorbar(image, ax=sections, label="Velocity (km/s)", shrink=0.6)

    measured = [
        SaltStatistics(*np.array([statistics(velocity, GRID.spacing) for velocity in models]).T)
        for models in sets.values()
    ]
    histograms = {
        "Salt area (% of the section)": [100 * each.area_share for each in measured],
        "Depth of the crest (km)": [each.crest_depth / 1e3 for each in measured],
        "Width of the salt (km)": [each.width / 1e3 for each in measured],
    }
    for axis, (label, values) in zip(bottom.subplots(1, 3), histograms.items(), strict=True):
        bins = np.histogram_bin_edges(np.concatenate(values), 25)
        axis.hist(values[0], bins, color="0.75", label="Yang and Ma (2019)")
        axis.hist(values[1], bins, histtype="step", color=cm.batlow(0.0), lw=1.5, label="Generated")
        axis.set(xlabel=label, ylabel="Models")
    axis.legend(loc="upper left", frameon=False)

    figure.savefig(REPOSITORY / "docs/figures/salt_yang_ma.png", dpi=90)


if __name__ == "__main__":
    main()

"""Draw data_way.png: the way of the data from a salt model, or a SEG-Y file, to a section that is believed.

Run from the repository as ``python docs/figures/data_way.py``; it takes a minute. All pictures are of one
salt model, its record with noise, and the network ``salt-demo``.
"""

from pathlib import Path

import numpy as np
import torch

import fwi
from data_prep.salt import generate
from fwi import plots
from fwi.config import SaltConfig
from fwi.corruption import noise
from fwi.plots.records import clip_of

FIGURE = Path(__file__).with_name("data_way.png")
SHOT = 7
"""The shot whose gathers are drawn."""
INK, SOFT, ACCENT = "#222222", "#8a8a8a", "#0b5c8a"
"""Colours of text, of what surrounds it, and of arrows."""


def main() -> None:
    """Compute the stations, and draw them with the arrows between them."""
    from cmcrameri import cm
    from matplotlib import pyplot as plt

    run = fwi.load_run("salt-demo")
    survey = run.survey
    truth = generate(survey.grid, SaltConfig(preset="yang_ma"), 4, 2)
    with torch.inference_mode():
        clean = fwi.Propagator(survey, run.study.physics)(torch.from_numpy(truth.velocity)[None])[0].numpy()
    gathers = noise.white(clean, survey, 30.0, np.random.default_rng(4))
    sorted_record = run.inverter.sort(run.inverter.batch(gathers))[0].detach().numpy()
    section = run.invert(gathers)
    interval = run.interval(gathers)
    verdict = run.check(section, gathers)
    settings = run.study.refine.model_copy(update={"gradients": 30, "power": 1.0})
    refined = run.refine(section, gathers, config=settings).section

    figure = plt.figure(figsize=(12, 6.0))
    page = figure.add_axes((0, 0, 1, 1))
    page.set(xlim=(0, 12), ylim=(0.6, 6.6))
    page.set_axis_off()

    def station(x: float, y: float, title: str, below: str):
        page.text(x + 1, y + 1.48, title, ha="center", va="bottom", fontsize=15, weight="bold", color=INK)
        page.text(x + 1, y - 0.1, below, ha="center", va="top", fontsize=12.5, color=INK, linespacing=1.25)
        axes = figure.add_axes((x / 12, (y - 0.6) / 6, 2 / 12, 1.4 / 6))
        axes.set(xticks=[], yticks=[])
        return axes

    def arrow(start, end, text="", at=None, bend=0.0, **style):
        options = {"arrowstyle": "-|>", "color": ACCENT, "lw": 1.8, "mutation_scale": 16, **style}
        options["connectionstyle"] = f"arc3,rad={bend}"
        page.annotate("", end, start, arrowprops=options)
        if text:
            x, y = at or ((start[0] + end[0]) / 2, start[1] + 0.12)
            page.text(x, y, text, ha="center", va="bottom", fontsize=12, color=ACCENT, linespacing=1.2)

    speeds = {
        "cmap": cm.batlow,
        "vmin": survey.grid.velocity[0],
        "vmax": survey.grid.velocity[1],
        "aspect": "auto",
    }
    time = np.arange(gathers.shape[1])[:, None] * survey.recorded_dt
    clip = clip_of([gathers[SHOT]], survey.recorded_dt)
    grey = {"cmap": "gray_r", "vmin": -clip, "vmax": clip, "aspect": "auto"}
    columns, cells = (0.35, 3.4, 6.55, 9.65), np.arange(survey.grid.nx)

    station(columns[0], 4.3, "1  Salt model", "random geology: presets,\nranges, or your own arrays").imshow(
        truth.velocity, **speeds
    )
    station(columns[1], 4.3, "2  Record", "a gather of each shot,\nkept in shards (HDF5)").imshow(
        gathers[SHOT] * time, **grey
    )
    middle = sorted_record[len(sorted_record) // 4]
    limit = np.percentile(np.abs(middle), 99)
    station(
        columns[2], 4.3, "3  Network", "traces sorted by midpoint and\noffset; an attention U-Net"
    ).imshow(middle, cmap="gray_r", vmin=-limit, vmax=limit, aspect="auto")
    axes = station(
        columns[3], 4.3, "4  Section", "speeds with their interval;\ntop of salt between the lines"
    )
    axes.imshow(section, **speeds)
    for depth in interval.top:
        axes.plot(cells, depth / survey.grid.spacing, color="black", linewidth=1)

    station(
        columns[3], 1.2, "5  Simulated again", "on a finer grid, with another\nscheme than the records"
    ).imshow(verdict.simulated[SHOT] * time, **grey)
    station(
        columns[2], 1.2, "6  Verdict", "how probably it is wrong, and\nwhere the records contradict it"
    ).imshow(
        verdict.contradiction,
        cmap=cm.lajolla_r,
        vmin=0,
        vmax=max(1, verdict.contradiction.max()),
        aspect="auto",
    )
    station(columns[1], 1.2, "7  Refinement", "full-waveform inversion that\nbegins with the section").imshow(
        refined, **speeds
    )
    page.text(
        1.35,
        1.9,
        "SEG-Y, .npy, figures,\none HTML page,\nthe network as a file",
        ha="center",
        va="center",
        fontsize=12.5,
        color=INK,
        linespacing=1.4,
        bbox={"boxstyle": "round,pad=0.7", "facecolor": "#f2f4f7", "edgecolor": SOFT},
    )
    page.text(1.35, 2.68, "8  Handed on", ha="center", va="bottom", fontsize=15, weight="bold", color=INK)

    upper, lower = 5.0, 1.9
    arrow((2.42, upper), (3.33, upper), "wave\nequation")
    arrow((5.47, upper), (6.48, upper), "train\nor invert")
    arrow((8.62, upper), (9.58, upper))
    arrow((10.65, 3.62), (10.65, 3.02), "")
    page.text(10.75, 3.3, "wave equation", ha="left", va="center", fontsize=12, color=ACCENT)
    arrow((9.58, lower), (8.62, lower), "compare")
    arrow((6.48, lower), (5.47, lower), "if it is\ndoubted")
    arrow((3.33, lower), (2.5, lower))
    arrow((4.4, 3.62), (7.1, 3.0), "the record, to compare with", at=(5.2, 3.02), bend=-0.12)
    arrow((4.4, 6.52), (4.4, 6.14))
    page.text(4.52, 6.42, "your own records: SEG-Y, .npy", ha="left", va="center", fontsize=12, color=ACCENT)
    plots.save(figure, FIGURE)


if __name__ == "__main__":
    main()

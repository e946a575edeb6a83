"""A U-Net as its maps, level below level, with what fills the slots of its attention."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fwi.plots.style import page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SLOT_COLOURS = {"attention": "#0072B2", "skip": "#E69F00", "bottleneck": "#009E73", "resample": "#CC79A7"}
CELLS, CHANNELS = 0.7, 0.45
"""Height of the map of most rows and width of the map of most channels, in distances between levels."""


def unet(maps: Mapping[str, Sequence[int]], filled: Mapping[str, str], title: str) -> "Figure":
    """Draw the maps of a U-Net as boxes, as tall as their rows and as wide as their channels, and its slots.

    A slot is a circle, filled where a mechanism stands; its colour is that of its kind.

    Args:
        maps: shape of each part's output, ``(channels, rows, columns)`` or ``(rows, columns)``, by the part's
            name: ``record``, ``stem``, ``encoder 0`` (the finest) onwards, ``decoder 0`` onwards, ``head``;
            others are left out.
        filled: the mechanism of each slot that has one, by the slot's place, as the network's ``attending()``
            names it: ``encoder 1``, ``skip 2``, ``bottleneck 0``, ``resample``.
        title: what is shown, such as the network's name.

    Raises:
        ValueError: the maps are not those of a U-Net.
    """
    levels = sum(name.startswith("encoder ") for name in maps)
    if levels < 2:
        raise ValueError(f"a U-Net has maps 'encoder 0', 'encoder 1', ..., got {', '.join(maps) or 'none'}")
    deepest = levels - 1

    # Where each map and each slot is: to the right in the order of computing, downwards by level.
    place = {"record": (-2.0, 0), "stem": (-1.0, 0), "head": (2.0 * deepest + 1, 0)}
    place |= {f"encoder {level}": (float(level), -level) for level in range(levels)}
    place |= {f"decoder {level}": (2.0 * deepest - level, -level) for level in range(deepest)}
    place = {name: at for name, at in place.items() if name in maps}
    slots = {name: ("attention", x + 0.5, y) for name, (x, y) in place.items() if "coder" in name}
    slots |= {f"skip {level}": ("skip", deepest, -level) for level in range(deepest)}
    stack = max(1, sum(name.startswith("bottleneck ") for name in filled))
    slots |= {f"bottleneck {k}": ("bottleneck", deepest + 1.0 + 0.5 * k, -deepest) for k in range(stack)}
    if "record" in place:
        slots["resample"] = "resample", -1.5, 0

    figure = page(1.15 * (2 * deepest + 4), 1.3 * levels + 0.8, "constrained")
    axes = figure.subplots()
    axes.set_title(title)
    way = sorted(place.values())
    axes.plot([x for x, _ in way], [y for _, y in way], color="0.8", zorder=0)
    for level in range(deepest):
        axes.plot([level, 2 * deepest - level], [-level, -level], color="0.8", zorder=0)
    sizes = {name: (1, *maps[name])[-3:] for name in place}  # a map without channels has one
    widest, tallest = max(size[0] for size in sizes.values()), max(size[1] for size in sizes.values())
    for name, (x, y) in place.items():
        channels, rows, columns = sizes[name]
        high, wide = CELLS * rows / tallest, max(CHANNELS * channels / widest, 0.02)
        corner = x - wide / 2, y - high / 2
        axes.bar(corner[0], high, wide, corner[1], align="edge", color="0.3")
        label = f"{name}\n{rows} x {columns}, {channels}"
        white = {"color": "white", "pad": 0.5}
        axes.text(x, y + high / 2 + 0.05, label, ha="center", va="bottom", fontsize=11, bbox=white)
    for name, (slot, x, y) in slots.items():
        inside = SLOT_COLOURS[slot] if name in filled else "white"
        axes.plot(x, y, "o", markersize=14, color=inside, markeredgecolor=SLOT_COLOURS[slot], zorder=3)
        axes.text(x, y - 0.17, filled.get(name, "none"), ha="center", va="top", fontsize=11)
    for slot, colour in SLOT_COLOURS.items():
        axes.plot([], [], "o", markersize=14, color=colour, label=slot)
    axes.legend(loc="lower left", title="Slot", title_fontsize=11, fontsize=11, frameon=False)
    axes.set(xlim=(-2.6, 2 * deepest + 1.6), ylim=(-deepest - 0.6, 1.0))
    axes.axis("off")
    return figure

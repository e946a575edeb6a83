import pytest

from fwi import plots

MAPS = {
    "record": (16, 100, 76),
    "stem": (48, 51, 76),
    "encoder 0": (24, 51, 76),
    "encoder 1": (48, 26, 38),
    "encoder 2": (96, 13, 19),
    "decoder 1": (48, 26, 38),
    "decoder 0": (24, 51, 76),
    "head": (51, 76),
    "spread": (2, 51, 76),
}


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def circles(axes, colour):
    """Places of the circles of a slot's colour, and whether each is filled."""
    drawn = [line for line in axes.lines if line.get_markeredgecolor() == colour and len(line.get_xdata())]
    return {(line.get_xdata()[0], line.get_ydata()[0]): line.get_color() == colour for line in drawn}


def test_boxes_are_in_proportion_to_rows_and_channels_and_carry_their_sizes():
    figure = plots.unet(MAPS, {}, "a network")

    boxes = [(bar.get_width(), bar.get_height()) for bar in figure.axes[0].patches]
    assert len(boxes) == len(MAPS) - 1  # the spread is no part of the way
    assert max(high for _, high in boxes) / min(high for _, high in boxes) == pytest.approx(100 / 13)
    assert "encoder 2\n13 x 19, 96" in texts(figure)
    assert "head\n51 x 76, 1" in texts(figure)


def test_a_slot_is_filled_where_a_mechanism_stands_and_says_which():
    filled = {
        "encoder 1": "se",
        "decoder 1": "se",
        "skip 1": "gate",
        "bottleneck 0": "self",
        "bottleneck 1": "ca",
    }

    figure = plots.unet(MAPS, filled, "a network")

    axes = figure.axes[0]
    assert circles(axes, "#0072B2") == {
        (0.5, 0): False,
        (1.5, -1): True,
        (2.5, -2): False,
        (3.5, -1): True,
        (4.5, 0): False,
    }
    assert circles(axes, "#E69F00") == {(2, 0): False, (2, -1): True}
    assert list(circles(axes, "#009E73").values()) == [True, True]
    assert circles(axes, "#CC79A7") == {(-1.5, 0): False}
    assert [text for text in texts(figure) if text in {"se", "gate", "self", "ca"}] == [
        "se",
        "se",
        "gate",
        "self",
        "ca",
    ]


def test_parts_of_another_network_are_refused():
    with pytest.raises(ValueError, match="encoder 0"):
        plots.unet({"stem": (48, 51, 76)}, {}, "a network")

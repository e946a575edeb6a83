"""The order of the examples: tutorials by their numbers, the gallery's families as one reads them."""

from sphinx_gallery.sorting import FileNameSortKey

FIRST = (
    "attention_channels",
    "attention_places",
    "attention_directions",
    "attention_cells",
    "attention_two_maps",
    "attention_levels",
    "attention_warps",
    "presets",
    "networks",
    "networks_encoders",
    "metrics",
    "corruptions_source",
    "corruptions_noise",
    "corruptions_amplitudes_and_places",
    "corruptions_missing",
)
"""Pages of the gallery that come first; the others follow by name."""


class TeachingOrder(FileNameSortKey):  # type: ignore[misc]
    """Sort scripts: those of ``FIRST`` in that order, then all others by name."""

    def __call__(self, filename: str) -> str:
        """Return a key that sorts as wanted."""
        name = filename.removesuffix(".py")
        return f" {FIRST.index(name):02d}" if name in FIRST else filename

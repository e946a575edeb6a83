"""The gallery of the site has a heading, and in its index a link, for every member of every registry."""

import re
from pathlib import Path
from typing import get_args

import pytest

from data_prep.salt import PRESETS
from fwi.attention import ATTENTION
from fwi.config import EncoderName
from fwi.corruption import CORRUPTIONS
from fwi.metrics import METRICS
from fwi.networks import NETWORKS

GALLERY = Path(__file__).resolve().parents[2] / "docs" / "examples" / "gallery"
UNDERLINED = re.compile(r"^# (.+)\n# [-~]{3,}$", re.MULTILINE)
REGISTRIES = {
    "attention_*.py": tuple(name for name in ATTENTION if name != "none"),
    "presets.py": tuple(PRESETS),
    "networks.py": tuple(NETWORKS),
    "networks_encoders.py": get_args(EncoderName),
    "metrics.py": tuple(METRICS),
    "corruptions_*.py": tuple(CORRUPTIONS),
}


def headings(pages: str) -> set[str]:
    """Return the names that the headings of some pages end in, as in "Coordinate attention: ``ca``"."""
    texts = [page.read_text(encoding="utf-8") for page in GALLERY.glob(pages)]
    lines = [heading for text in texts for heading in UNDERLINED.findall(text)]
    return {name for line in lines for name in re.findall(r": ``(\w+)``$", line)}


@pytest.mark.parametrize("pages", REGISTRIES)
def test_every_member_has_its_heading_and_no_heading_is_of_something_else(pages):
    assert headings(pages) == set(REGISTRIES[pages])


def test_the_index_links_every_member():
    index = (GALLERY / "GALLERY_HEADER.rst").read_text(encoding="utf-8")

    linked = re.findall(r":ref:`(\w+) <gallery-[\w-]+>`", index)

    members = [name for names in REGISTRIES.values() for name in names]
    assert sorted(linked) == sorted(members)


@pytest.mark.parametrize(("family", "file"), [("attention", "salt_task"), ("corruptions", "one_record")])
def test_a_page_that_imports_the_file_beside_it_offers_it_for_download(family, file):
    sharing = [
        page for page in GALLERY.glob("*.py") if f"from {file} import" in page.read_text(encoding="utf-8")
    ]

    assert len(sharing) == len(list(GALLERY.glob(f"{family}_*.py")))
    for page in sharing:
        assert f":download:`{file}.py </examples/gallery/{file}.py>`" in page.read_text(encoding="utf-8")

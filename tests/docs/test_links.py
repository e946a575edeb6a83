"""Links of the site and of the pages at the top of the repository lead somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")


@pytest.fixture
def broken():
    pytest.importorskip("sphinx", reason="the site is built with the extra docs")
    import links

    return links.broken


def test_a_site_whose_links_lead_somewhere_has_none_broken(broken, tmp_path):
    (tmp_path / "index.html").write_text('<a href="a.html#there">a</a> <img src="p.png" alt="A gather.">')
    (tmp_path / "a.html").write_text('<p id="there"><a href="https://example.org/x">out</a></p>')
    (tmp_path / "p.png").touch()

    assert broken(tmp_path) == []


@pytest.mark.parametrize(
    ("page", "complaint"),
    [
        ('<a href="gone.html">x</a>', "index.html: gone.html leads nowhere"),
        ('<a href="#gone">x</a>', "index.html: #gone: the page has no such place"),
        ('<img src="index.html" alt="_images/p.png">', "index.html: the picture index.html has no alt text"),
        ('<img src="index.html">', "index.html: the picture index.html has no alt text"),
    ],
)
def test_what_leads_nowhere_or_is_not_described_is_named(broken, tmp_path, page, complaint):
    (tmp_path / "index.html").write_text(page)

    assert broken(tmp_path) == [complaint]


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_pages_at_the_top_link_to_files_and_headings_that_exist(page):
    links = LINK.findall((ROOT / page).read_text())

    lost = [
        (file, heading)
        for file, heading in links
        if not (ROOT / file).exists() or (heading and heading not in headings(ROOT / (file or page)))
    ]

    assert lost == []


def headings(page: Path) -> set[str]:
    """Anchors that GitHub gives to the headings of a page."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}

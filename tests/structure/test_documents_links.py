"""Links in the documents lead somewhere, to places within pages too."""

import re

import pytest

from tests.structure.documents import ROOT, pages


def anchors(page):
    """The places of a page as GitHub names them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}


LINKS = [
    pytest.param(page, link, id=f"{page.relative_to(ROOT)}: {link}")
    for page in pages()
    for link in sorted(set(re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))))
    if "://" not in link
]


@pytest.mark.parametrize(("page", "link"), LINKS)
def test_a_link_leads_somewhere(page, link):
    path, _, place = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    assert target.exists()
    if place:
        assert place in anchors(target)

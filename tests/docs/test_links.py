"""What pages point to exists: other pages, headings in them, and the tests that they cite."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT, pages, prose

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_ELSEWHERE = re.compile(r"^[a-z]+:")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_CITED = re.compile(r"`([\w/]+\.py)?(?:::(\w+))?`")


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to headings."""
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _HEADING.findall(prose(page)))
    return {heading.replace(" ", "-") for heading in kept}


@pytest.mark.parametrize("page", pages(), ids=_name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in _LINK.findall(prose(page)):
        if _ELSEWHERE.match(link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), f"{link} leaves the repository"
        assert not anchor or anchor in _anchors(target), link


def test_every_decision_is_listed_once() -> None:
    """Numbers have gaps while branches are apart; a file that isn't listed is never found."""
    listed = _LINK.findall((DOCS / "decisions/README.md").read_text(encoding="utf-8"))
    files = sorted(path.name for path in (DOCS / "decisions").glob("0*.md"))
    assert [link for link in listed if link in files] == files


def test_the_tests_that_validation_cites_exist() -> None:
    """`file.py::name`, and `::name` for another one of the file before it."""
    path, count = Path(), 0
    for file, name in _CITED.findall(prose(DOCS / "validation.md")):
        path = ROOT / "tests" / file if file else path
        if file:
            assert path.is_file(), file
        if name:
            code = path.read_text(encoding="utf-8")
            assert re.search(rf"^\s*(async def|def|class) {name}\b", code, re.MULTILINE), name
        count += 1
    assert count > 50, "the pattern finds what is cited"

"""The generated pages are up to date and say what they should."""

from pathlib import Path

import pytest

from watchkeeper.reference import pages, write
from watchkeeper.settings import known_variables

FOLDER = Path(__file__).parent.parent / "docs" / "reference"


@pytest.fixture(scope="module")
def generated() -> dict[str, str]:
    return pages()


@pytest.mark.parametrize("name", ["configuration.md", "problems.md", "openapi.json"])
def test_the_page_is_up_to_date(generated: dict[str, str], name: str) -> None:
    is_same = FOLDER.joinpath(name).read_text(encoding="utf-8") == generated[name]
    assert is_same, "run: make reference"


def test_every_setting_has_a_line(generated: dict[str, str]) -> None:
    for variable in known_variables():
        assert generated["configuration.md"].count(f"| `{variable}` |") == 1


def test_the_pages_name_no_machine(generated: dict[str, str]) -> None:
    for text in generated.values():
        assert str(Path.home()) not in text
        assert str(FOLDER.parent.parent) not in text


def test_pages_are_written_into_a_new_folder(tmp_path: Path, generated: dict[str, str]) -> None:
    write(tmp_path / "new" / "reference")
    written = {path.name: path.read_text() for path in (tmp_path / "new/reference").iterdir()}
    assert written == generated

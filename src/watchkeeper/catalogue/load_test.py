"""Titles that were added for a load test alone."""

from collections.abc import Sequence

from sqlalchemy import text

from watchkeeper.core.database import UnitOfWork

_DELETE_TITLES = text(
    """
    DELETE FROM catalogue.titles
    WHERE source = :source AND household_id IS NULL
      AND split_part(external_id, '/', 1) = ANY (CAST(:owners AS text[]))
    """
)


async def delete_load_test_titles(unit: UnitOfWork, source: str, owners: Sequence[str]) -> None:
    """Remove the global titles of `source` whose reference begins with one of `owners` and a
    slash. One statement."""
    await unit.execute(_DELETE_TITLES, {"source": source, "owners": list(owners)})

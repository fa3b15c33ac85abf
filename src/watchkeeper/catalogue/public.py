"""The few names of the catalogue that other domains may use.

In SQL other domains may use, besides:

- ``catalogue.pub_titles`` (id, household_id, source, external_id, name, is_educational,
  is_classified): a household sees the rows whose household_id is null or its own;
- ``catalogue.pub_find_titles(household_ids uuid[], ids uuid[], sources text[], external_ids
  text[])`` -> (position, id, name, is_educational): looks each entry up by id, or by reference when
  its id is null, as its household sees it (a global title wins over the household's own);
  positions count from 1, what isn't found has no row;
- ``catalogue.pub_add_titles(ids uuid[], household_ids uuid[], sources text[], external_ids text[],
  names text[], now timestamptz)`` -> how many were added: remembers what a household's players
  mention, unclassified; does nothing for known ones, nor beyond 20 000 titles of one household.
"""

from watchkeeper.catalogue.repository import delete_own_titles as forget_titles
from watchkeeper.catalogue.repository import list_names as list_title_names
from watchkeeper.catalogue.rules import title_id_for
from watchkeeper.catalogue.service import (
    EVERY_TITLE,
    TITLE_CHANGED,
    Catalogue,
    add_global_titles,
    plan_titles,
)
from watchkeeper.catalogue.types import Title, TitleChange

__all__ = [
    "EVERY_TITLE",
    "TITLE_CHANGED",
    "Catalogue",
    "Title",
    "TitleChange",
    "add_global_titles",
    "forget_titles",
    "list_title_names",
    "plan_titles",
    "title_id_for",
]

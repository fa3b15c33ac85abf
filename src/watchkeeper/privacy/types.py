"""The words of exports and retention as frozen values."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class ExportFormat(StrEnum):
    """One JSON document, or a ZIP archive with one CSV file a table."""

    JSON = "json"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class ExportSubject:
    """Whose data are exported: a whole household's, or one profile's."""

    household_id: UUID
    profile_id: UUID | None = None

    @property
    def kind(self) -> str:
        """`household` or `profile`."""
        return "household" if self.profile_id is None else "profile"

    @property
    def id(self) -> UUID:
        """The id of what is exported."""
        return self.household_id if self.profile_id is None else self.profile_id

"""What the catalogue keeps of people: the titles that only one household's players mentioned."""

from watchkeeper.core.personal_data import PersonalTable

TABLES = (
    PersonalTable(
        name="catalogue.titles",
        columns="id source external_id name is_educational is_classified tags genres library "
        "duration_seconds created_at updated_at",
        key="id",
        # Titles that only one person watched are found by viewing time, which knows who did.
        of_profile=None,
    ),
)

NOT_PERSONAL: dict[str, str] = {}

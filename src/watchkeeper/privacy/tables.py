"""Every table that keeps something of people, domain by domain."""

from watchkeeper.accounts import personal_data as accounts
from watchkeeper.catalogue import personal_data as catalogue
from watchkeeper.core.personal_data import PersonalTable
from watchkeeper.viewing import personal_data as viewing

_DOMAINS = (accounts, catalogue, viewing)

TABLES: tuple[PersonalTable, ...] = tuple(table for domain in _DOMAINS for table in domain.TABLES)

_QUEUE_TABLES = (
    "jobs.pgqueuer",
    "jobs.pgqueuer_log",
    "jobs.pgqueuer_schedules",
    "jobs.pgqueuer_statistics",
    "jobs.periods",
)
_QUEUE = "holds ids of households at most, which a deletion takes out, and is gone within days"

NOT_PERSONAL: dict[str, str] = {
    name: reason for domain in _DOMAINS for name, reason in domain.NOT_PERSONAL.items()
} | dict.fromkeys(_QUEUE_TABLES, _QUEUE)
"""Tables that keep nothing of people, with the reason."""

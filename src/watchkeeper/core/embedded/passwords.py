"""The generated passwords of the database's two roles, in files that only their owner reads."""

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from watchkeeper.core.embedded.errors import DataDirUnusable, os_errors_explained
from watchkeeper.core.embedded.folder import DataFolder
from watchkeeper.core.embedded.settings import DATABASE, PORT, SERVICE_ROLE, SUPERUSER


@dataclass(frozen=True, slots=True)
class Passwords:
    """Passwords of the superuser and of the service's role: hexadecimal, 256 bits each."""

    superuser: str = field(repr=False)
    service: str = field(repr=False)

    def service_dsn(self, socket_folder: Path) -> str:
        """URL of the service's database for the service's role."""
        return _dsn(SERVICE_ROLE, self.service, DATABASE, socket_folder)

    def admin_dsn(self, socket_folder: Path, database: str = DATABASE) -> str:
        """URL for the superuser: maintenance and benches only."""
        return _dsn(SUPERUSER, self.superuser, database, socket_folder)


def _dsn(role: str, password: str, database: str, socket_folder: Path) -> str:
    # The port is spelled out, because drivers would else take it from the environment.
    return (
        f"postgresql://{role}:{password}@/{database}?host={quote(str(socket_folder))}&port={PORT}"
    )


def find_passwords(folder: DataFolder) -> Passwords | None:
    """Read the passwords; None when one of the files doesn't exist.

    Raises `DataDirUnusable` when they exist but can't be read.
    """
    superuser, service = _paths(folder)
    with os_errors_explained(folder.secrets):
        if not (superuser.exists() and service.exists()):
            return None
        found = Passwords(superuser.read_text().strip(), service.read_text().strip())
    for path, password in zip((superuser, service), (found.superuser, found.service), strict=True):
        if len(password) < 32 or not password.isalnum():
            raise DataDirUnusable(
                f"'{path}' doesn't hold a password: delete it, and the next start makes a new one."
            )
    return found


def create_passwords(folder: DataFolder) -> Passwords:
    """Make new passwords; the caller sets them in the cluster."""
    made = Passwords(secrets.token_hex(32), secrets.token_hex(32))
    superuser, service = _paths(folder)
    with os_errors_explained(folder.secrets):
        folder.secrets.mkdir(mode=0o700, exist_ok=True)
    folder.write_private(superuser, made.superuser + "\n")
    folder.write_private(service, made.service + "\n")
    return made


def _paths(folder: DataFolder) -> tuple[Path, Path]:
    return (
        folder.secrets / "postgres-superuser-password",
        folder.secrets / "postgres-service-password",
    )

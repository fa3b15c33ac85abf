"""What a failure of the database means: was the work wrong, interrupted, or merely too slow?"""

import asyncpg
from sqlalchemy.exc import DBAPIError

from watchkeeper.core.problems import (
    DatabaseBusy,
    DatabaseUnavailable,
    PoolExhausted,
    Unavailable,
)

DRIVER_FAILURES = (DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError, ConnectionError)
"""Everything by which a statement or a commit can fail below us."""

CONNECT_FAILURES = (*DRIVER_FAILURES, OSError, asyncpg.InternalClientError)
"""Everything by which a connection can fail to open; a missing socket is an `OSError`, and a
server that dies in the middle of the handshake makes the driver doubt itself."""

# SQLSTATE classes and codes (PostgreSQL documentation, appendix A).
_CONNECTION_EXCEPTION = "08"
_SHUTTING_DOWN_OR_STARTING = {"57P01", "57P02", "57P03"}
_ROLLED_BACK_BY_CONFLICT = {"40001", "40P01"}
_TOO_SLOW = {"55P03", "57014"}
_TOO_MANY_CONNECTIONS = "53300"
_UNABLE = {
    "25006",  # read-only: a standby, until the fail-over is complete
    "25P03",  # the transaction stood idle for too long
    "53000",
    "53100",  # disk full
    "53200",  # out of memory
    "57P04",  # database dropped
    "57P05",  # the session stood idle for too long
    "58030",  # input or output failed
}


def sqlstate_of(error: BaseException) -> str | None:
    """PostgreSQL's code of the failure, or None when it didn't come from the server."""
    original = getattr(error, "orig", None) or error
    state: str | None = getattr(original, "sqlstate", None)
    return state


def is_connection_lost(error: BaseException) -> bool:
    """Whether the server or the network went away; the same work may succeed once it is back."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if isinstance(error, OSError | asyncpg.InternalClientError):
        return True
    state = sqlstate_of(error)
    if state is None:
        cause = getattr(error, "orig", None) or error
        return "connection is closed" in str(cause) or "connection was closed" in str(cause)
    return state.startswith(_CONNECTION_EXCEPTION) or state in _SHUTTING_DOWN_OR_STARTING


def is_conflict(error: BaseException) -> bool:
    """Whether PostgreSQL rolled the transaction back in favour of another one."""
    return sqlstate_of(error) in _ROLLED_BACK_BY_CONFLICT


def problem_of(error: BaseException) -> Unavailable | None:
    """The 503 that tells the caller to come back, or None when the statement itself was wrong."""
    state = sqlstate_of(error)
    if state == _TOO_MANY_CONNECTIONS:
        return PoolExhausted(log=describe(error))
    if state in _TOO_SLOW or is_conflict(error):
        return DatabaseBusy(log=describe(error))
    if is_connection_lost(error) or state in _UNABLE:
        return DatabaseUnavailable(log=describe(error))
    return None


def describe(error: BaseException) -> str:
    """One line for the log. Parameters and rows, which may be personal, are on later lines."""
    # Below SQLAlchemy's error is its dialect's, and below that the driver's with a name that says
    # something.
    original = getattr(error, "orig", None)
    name = type((original.__cause__ or original) if original else error).__name__
    text = str(original or error).partition("\n")[0]
    return f"{name}: {text}" if text else name

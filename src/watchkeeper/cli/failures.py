"""Expected failures of commands, as lines for the terminal."""

import socket


class CommandFailedError(Exception):
    """A command can't do what was asked; the message is one sentence."""


def explain(error: Exception) -> list[str] | None:
    """The lines that tell a person what is wrong; None for what nobody expected, a bug."""
    if isinstance(error, CommandFailedError):
        return [str(error)]
    # Imported only now: a command that ends well needs none of these.
    from watchkeeper.core.embedded import EmbeddedError
    from watchkeeper.core.schema import NewerSchemaError
    from watchkeeper.core.secrets import SecretsError
    from watchkeeper.settings import SettingsError

    if isinstance(error, SettingsError):
        return error.faults
    if isinstance(error, EmbeddedError | NewerSchemaError | SecretsError):
        return [str(error)]
    sentence = _explain_database(error)
    if sentence is None and isinstance(error, OSError):
        sentence = f"The system refused: {error}"
    return [sentence] if sentence else None


def _explain_database(error: Exception) -> str | None:
    import asyncpg
    from sqlalchemy.exc import DBAPIError

    from watchkeeper.core.problems import DatabaseUnavailable, Problem

    if isinstance(error, DatabaseUnavailable):
        return f"The database can't be reached: {error.log or error.detail}"
    if isinstance(error, ConnectionError | TimeoutError | socket.gaierror):
        return f"The database can't be reached: {error}"
    if isinstance(error, Problem):
        return error.detail
    if isinstance(error, DBAPIError | asyncpg.PostgresError | asyncpg.InterfaceError):
        cause = getattr(error, "orig", None) or error
        return f"The database refused: {str(cause).splitlines()[0]}"
    return None

"""The role, database and extension that Watchkeeper needs in its embedded cluster."""

from pathlib import Path

import asyncpg

from watchkeeper.core.embedded.cluster import ClusterState
from watchkeeper.core.embedded.errors import DatabaseNotStarted
from watchkeeper.core.embedded.folder import DataFolder
from watchkeeper.core.embedded.passwords import Passwords
from watchkeeper.core.embedded.settings import DATABASE, SERVICE_ROLE

# Raised when a step is added; clusters that were provisioned before get all steps again.
PROVISIONED = 1

# All that asyncpg raises for a server that can't be reached or is just going away. The last one
# comes when the server is killed while a connection is being made.
CONNECTION_ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)

_CREATE_ROLE = f"""
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{SERVICE_ROLE}') THEN
        CREATE ROLE {SERVICE_ROLE};
    END IF;
END $$
"""


async def provision(folder: DataFolder, socket_folder: Path, passwords: Passwords) -> None:
    """Do what is missing; each step may be repeated, so a start that was killed goes on here.

    Raises `DatabaseNotStarted` when PostgreSQL refuses a step.
    """
    state = ClusterState.read(folder)
    if state.provisioned >= PROVISIONED:
        return
    try:
        await _provision_server(passwords, passwords.admin_dsn(socket_folder, "postgres"))
        await _provision_database(passwords.admin_dsn(socket_folder))
    except CONNECTION_ERRORS as error:
        raise DatabaseNotStarted(f"The new database can't be set up: {error}") from error
    ClusterState(durable=state.durable, provisioned=PROVISIONED).write(folder)


async def _provision_server(passwords: Passwords, dsn: str) -> None:
    # The statistics of statements would keep the text with the password.
    quiet = {"pg_stat_statements.track_utility": "off"}
    connection = await asyncpg.connect(dsn, server_settings=quiet)
    try:
        await connection.execute(_CREATE_ROLE)
        await connection.execute(
            f"ALTER ROLE {SERVICE_ROLE} LOGIN NOSUPERUSER PASSWORD '{passwords.service}'"
        )
        # No statement of the service may hold a household up for longer.
        await connection.execute(f"ALTER ROLE {SERVICE_ROLE} SET statement_timeout = '30s'")
        await connection.execute(f"ALTER ROLE {SERVICE_ROLE} SET lock_timeout = '10s'")
        await connection.execute(f"GRANT pg_read_all_stats TO {SERVICE_ROLE}")
        is_there = await connection.fetchval(
            "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", DATABASE
        )
        if not is_there:
            await connection.execute(f"CREATE DATABASE {DATABASE} OWNER {SERVICE_ROLE}")
    finally:
        await connection.close()


async def _provision_database(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        # The one extension of ours that the database's owner may not create.
        await connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    finally:
        await connection.close()

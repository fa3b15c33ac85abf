"""Alembic migrations, inside the package so that an installed wheel can migrate."""

from pathlib import Path
from typing import Any

from alembic import op


def run_sql_file(name: str) -> None:
    """Run a script of `migrations/sql` as it is: several statements, function bodies included."""
    script = (Path(__file__).parent / "sql" / name).read_text(encoding="utf-8")
    connection = op.get_bind()
    # The dialect begins its transaction with the first statement that it sees; the script goes
    # past it to the driver and must be inside.
    connection.exec_driver_sql("SELECT 1")
    driver: Any = connection.connection.dbapi_connection
    driver.run_async(lambda raw: raw.execute(script))

"""Database URLs: any usual spelling."""

import pytest
from sqlalchemy.dialects import postgresql  # noqa: F401 - registers the dialect

from watchkeeper.core.urls import DatabaseUrlError, driver_arguments, parse_database_url

PLAIN = {"host": "db.example.com", "port": 5432, "user": "me", "password": "p@ss", "database": "w"}


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("postgresql://me:p%40ss@db.example.com/w", PLAIN),
        ("postgres://me:p%40ss@db.example.com:5432/w", PLAIN),
        (" postgresql+asyncpg://me:p%40ss@db.example.com/w\n", PLAIN),
        ("postgresql+psycopg2://me:p%40ss@db.example.com/w?application_name=x", PLAIN),
        ("postgres://me:p%40ss@db.example.com/w?sslmode=require", PLAIN | {"ssl": "require"}),
        ("postgres://me:p%40ss@db.example.com/w?ssl=verify-full", PLAIN | {"ssl": "verify-full"}),
        ("postgresql://[::1]:6000/w", {"host": "::1", "port": 6000, "database": "w"}),
        (
            "postgresql:///w?host=/run/post gres&port=6001",
            {"host": "/run/post gres", "port": 6001, "database": "w"},
        ),
        (
            "postgresql://me@%2Frun%2Fpostgres/w",
            {"host": "/run/postgres", "port": 5432, "user": "me", "database": "w"},
        ),
        ("postgresql:///w", {"host": "localhost", "port": 5432, "database": "w"}),
    ],
)
def test_usual_spellings(text: str, arguments: dict[str, object]) -> None:
    url = parse_database_url(text)
    assert driver_arguments(url) == arguments
    # The pool connects with the dialect's reading of the same URL.
    _, options = url.get_dialect()().create_connect_args(url)
    for name in ("host", "port", "user", "password", "database", "ssl"):
        if name in options:
            assert str(options[name]) == str(arguments[name]), name


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "isn't a URL"),
        ("localhost", "isn't a URL"),
        ("postgresql://host:port/w", "isn't a URL"),
        ("sqlite:///w", "isn't PostgreSQL"),
        ("postgresql://host/", "names no database"),
        ("postgresql://host/w?sslmode=maybe", "'maybe' is unknown"),
        ("postgresql://host/w?sslrootcert=/x", "'sslrootcert' isn't supported"),
        ("postgresql:///w?host=a&host=b", "several hosts"),
        ("postgresql:///w?port=x", "port isn't a number"),
    ],
)
def test_what_cannot_be_used_is_said_in_a_sentence(text: str, reason: str) -> None:
    with pytest.raises(DatabaseUrlError, match=reason):
        parse_database_url(text)

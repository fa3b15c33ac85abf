"""Database URLs: any usual spelling in, one form for each driver out."""

from typing import Any
from urllib.parse import unquote

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

_SCHEMES = ("postgres", "postgresql", "pgsql")
_SSL_MODES = {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}
_SSL_PARAMETERS = {"ssl", "sslmode"}
_PLACES = {"host", "port"}
# Parameters of libpq that change nothing for us; providers like to put them into their URLs.
_WITHOUT_EFFECT = {"application_name", "channel_binding", "connect_timeout", "gssencmode"}


class DatabaseUrlError(ValueError):
    """The URL can't be used; the message never repeats its password."""


def parse_database_url(text: str) -> URL:
    """Read `postgres://`, `postgresql://` and `postgresql+driver://` URLs for asyncpg.

    libpq's `sslmode` becomes asyncpg's `ssl`; a socket folder may be given as `?host=/folder` or
    percent-encoded in place of the host. Raises `DatabaseUrlError` with one sentence.
    """
    try:
        url = make_url(text.strip())
    except (ArgumentError, ValueError) as error:
        raise DatabaseUrlError(
            "it isn't a URL such as postgresql://user:password@host:5432/name"
        ) from error
    if url.drivername.split("+")[0] not in _SCHEMES:
        raise DatabaseUrlError(f"'{url.drivername}' isn't PostgreSQL")
    if not url.database:
        raise DatabaseUrlError("it names no database")
    _check_parameters(url)
    query: dict[str, Any] = {name: value for name, value in url.query.items() if name in _PLACES}
    host = unquote(url.host or "")
    if host.startswith("/"):
        url, query["host"] = url.set(host=""), host
    mode = url.query.get("sslmode") or url.query.get("ssl")
    if mode is not None:
        query["ssl"] = mode
    return url.set(drivername="postgresql+asyncpg", query=query)


def _check_parameters(url: URL) -> None:
    known = _PLACES | _SSL_PARAMETERS | _WITHOUT_EFFECT
    unknown = sorted(set(url.query) - known)
    if unknown:
        # To ignore one could mean to connect less safely than it asks for.
        raise DatabaseUrlError(f"the parameter '{unknown[0]}' isn't supported")
    for name in _SSL_PARAMETERS & set(url.query):
        if url.query[name] not in _SSL_MODES:
            raise DatabaseUrlError(f"{name} '{url.query[name]}' is unknown")
    port = url.query.get("port", "")
    if isinstance(url.query.get("host"), tuple) or not isinstance(port, str):
        raise DatabaseUrlError("it names several hosts; give the one that takes writes")
    if port and not port.isdecimal():
        raise DatabaseUrlError("the port isn't a number")


def driver_arguments(url: URL) -> dict[str, Any]:
    """Arguments of `asyncpg.connect` for a parsed URL."""
    query = dict(url.query)
    arguments: dict[str, Any] = {
        "host": query.get("host") or url.host or "localhost",
        "port": int(str(query["port"])) if "port" in query else (url.port or 5432),
        "user": url.username,
        "password": url.password,
        "database": url.database,
    }
    if "ssl" in query:
        arguments["ssl"] = query["ssl"]
    return {key: value for key, value in arguments.items() if value is not None}

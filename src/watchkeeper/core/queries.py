"""Named queries: SQL in files, each with its purpose in comments, loaded by name.

A file holds blocks that begin with ``-- name: the_name``; the comment lines under it say what the
query is for, its parameters, the index that it uses and its budget.
"""

import re
from importlib.resources import files

from sqlalchemy import TextClause, text

_LEADING_COMMENTS = re.compile(r"\A(?:--[^\n]*\n|\s+)*")
_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


class Queries:
    """The named queries of one package's ``queries.sql``.

    `sources` holds them as written, with the comments that begin each.
    """

    def __init__(self, package: str, file_name: str = "queries.sql") -> None:
        """Raises `ValueError` for a name that is used twice."""
        parts = _NAME.split(files(package).joinpath(file_name).read_text(encoding="utf-8"))[1:]
        names = parts[::2]
        if len(set(names)) < len(names):
            raise ValueError(f"{package}: a name of a query is used twice")
        self.sources = dict(zip(names, (part.strip() for part in parts[1::2]), strict=True))
        self._clauses = {
            # The name travels along for the server's statistics; the explanation needn't.
            name: text(f"/* {name} */ {_LEADING_COMMENTS.sub('', sql)}")
            for name, sql in self.sources.items()
        }

    def __getitem__(self, name: str) -> TextClause:
        return self._clauses[name]

"""Rules of the house that a reader of the sources can check."""

import ast
from functools import cache
from pathlib import Path

from tests.architecture.sources import PACKAGE, dotted, functions_of, sources

LONGEST_FUNCTION = 60
LONGEST_FILE = 400
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}

READS_A_CLOCK = {
    "time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today", "date.today",
}  # fmt: skip
# The clock itself, identifiers, a player's own clock, and log files' names of PostgreSQL.
MAY_READ_A_CLOCK = {"core/clock.py", "core/ids.py", "client/clock.py"}

# Where every error has to be caught, because nobody above could tell anybody.
EDGES = {
    "core/background.py": "a background task",
    "core/job_attempts.py": "a durable job",
    "core/database.py": "light actions after a commit",
    "core/middleware.py": "a request",
    "viewing/service/heartbeat_batches.py": "a batch of heartbeats",
    "cli/__init__.py": "a command",
}


def test_only_the_clock_reads_a_clock() -> None:
    found = {
        f"{path}:{node.lineno}"
        for path, tree in sources().items()
        if path not in MAY_READ_A_CLOCK
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        if _short(dotted(node)) in READS_A_CLOCK
    }
    assert not found, "take `now` as an argument; the clock is in core/clock.py"


def _short(name: str) -> str:
    return ".".join(name.split(".")[-2:])


def test_sql_that_bears_rules_never_asks_the_servers_clock() -> None:
    found = []
    for path in PACKAGE.rglob("*.sql"):
        # The queue's tables are a library's, whose clock is the server's.
        if path.name == "0009_jobs.sql":
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            code = line.partition("--")[0].lower()
            if "now()" in code or "current_timestamp" in code or "current_date" in code:
                found.append(f"{path.name}:{number}")
    assert not found, "times are parameters"


def test_services_raise_problems_and_not_http_errors() -> None:
    found = {
        f"{path}:{node.lineno}"
        for path, tree in sources().items()
        if path not in {"core/errors.py", "core/request_checks.py"}
        for node in ast.walk(tree)
        if isinstance(node, ast.Name | ast.Attribute)
        if dotted(node).endswith("HTTPException")
    }
    assert not found, "raise a Problem; core/errors.py answers it"


def test_every_error_is_caught_at_the_edges_alone() -> None:
    found = {
        f"{path}:{node.lineno}"
        for path, tree in sources().items()
        if path not in EDGES
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and _catches_everything(node) and not _raises(node)
    }
    assert not found, "catch what can be expected; edges are listed above with their reason"


def _catches_everything(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or dotted(kind) in {"Exception", "BaseException"} for kind in kinds)


def _raises(handler: ast.ExceptHandler) -> bool:
    """Whether the handler always hands the error on: that is cleaning up, not catching."""
    last = handler.body[-1]
    return isinstance(last, ast.Raise)


def test_functions_can_be_read_at_once() -> None:
    found = {
        f"{path}:{name} ({length})"
        for path, tree in sources().items()
        if not path.startswith("migrations/versions/")
        for name, function, _ in functions_of(tree)
        if (length := (function.end_lineno or 0) - function.lineno + 1) > LONGEST_FUNCTION
    }
    assert not found


def test_files_hold_one_idea() -> None:
    found = {
        f"{path} ({lines})"
        for path in sources()
        if (lines := len(Path(PACKAGE, path).read_text(encoding="utf-8").splitlines()))
        > LONGEST_FILE
    }
    assert not found


def test_modules_are_named_after_what_they_hold() -> None:
    found = {
        path
        for path in sources()
        if FORBIDDEN_NAMES & set(Path(path).with_suffix("").parts)
        or Path(path).stem.endswith(("_utils", "_helpers", "_manager"))
    }
    assert not found


# Alembic's and click's own names, which they document.
_NAMES_OF_FRAMEWORKS = {"upgrade", "downgrade", "list_commands", "get_command"}


def test_public_functions_say_what_they_are_for() -> None:
    found = {
        f"{path}:{name}"
        for path, tree in sources().items()
        for name, function, is_public in functions_of(tree)
        if is_public
        and len(function.body) > 1
        and name.rpartition(".")[2] not in _NAMES_OF_FRAMEWORKS | _names_with_a_documented_base()
        and ast.get_docstring(function) is None
    }
    assert not found, "one statement may speak for itself; what is longer needs a reason"


@cache
def _names_with_a_documented_base() -> frozenset[str]:
    """Methods that a class of ours documents from which others derive."""
    classes = [
        node
        for tree in sources().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    ]
    bases = {dotted(base).rpartition(".")[2] for one in classes for base in one.bases}
    return frozenset(
        method.name
        for one in classes
        if one.name in bases
        for method in one.body
        if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(method)
    )


def test_every_module_says_what_it_is_about() -> None:
    found = {
        path for path, tree in sources().items() if tree.body and ast.get_docstring(tree) is None
    }
    assert not found

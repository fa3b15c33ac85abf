"""Query budgets: what a block may ask of the database, and what it asked when it was too much."""

from collections.abc import Iterator
from contextlib import contextmanager

from watchkeeper.core.metrics import OperationCount, count_operations


@contextmanager
def query_budget(*, at_most: int) -> Iterator[OperationCount]:
    """Fail, with the statements, when the block needs more than `at_most` operations."""
    with count_operations(keep_statements=True) as count:
        yield count
    if count.operations > at_most:
        listing = "\n---\n".join(count.statements or [])
        raise AssertionError(f"{count.operations} operations, allowed are {at_most}:\n{listing}")

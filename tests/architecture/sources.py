"""The project's sources as syntax trees, for the rules that are held by tests."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import watchkeeper

PACKAGE = Path(watchkeeper.__file__).parent


@cache
def sources() -> dict[str, ast.Module]:
    """The syntax tree of every module, by its path within the package."""
    return {
        str(path.relative_to(PACKAGE)): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def functions_of(
    tree: ast.Module,
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef, bool]]:
    """Every function with its dotted name, and whether it is public: a name of the module's own."""
    yield from _functions(tree, "", is_public=True)


def _functions(
    node: ast.AST, prefix: str, *, is_public: bool
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            public = is_public and not child.name.startswith("_")
            yield f"{prefix}{child.name}", child, public
            yield from _functions(child, f"{prefix}{child.name}.", is_public=False)
        elif isinstance(child, ast.ClassDef):
            public = is_public and not child.name.startswith("_")
            yield from _functions(child, f"{prefix}{child.name}.", is_public=public)
        else:
            yield from _functions(child, prefix, is_public=is_public)


def dotted(node: ast.AST) -> str:
    """The name that an expression spells, such as ``time.monotonic``; empty for others."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return f"{inner}.{node.attr}" if inner else ""
    return ""

"""What holds for every route, whoever wrote it."""

from collections.abc import Iterator
from inspect import iscoroutinefunction
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from tests.harness.service import SECRETS, quick_settings
from watchkeeper.app import create_app


def _routes(holder: Any) -> Iterator[APIRoute]:
    """All routes below an app or a router, through whatever includes them."""
    for route in getattr(holder, "routes", ()):
        if isinstance(route, APIRoute):
            yield route
        else:
            inner = getattr(route, "original_router", None) or getattr(route, "router", None)
            if inner is not None:
                yield from _routes(inner)


def _calls(dependant: Dependant) -> Iterator[Any]:
    if dependant.call is not None:
        yield dependant.call
    for below in dependant.dependencies:
        yield from _calls(below)


def test_no_route_and_no_dependency_goes_through_a_thread() -> None:
    """The framework runs plain functions in a thread pool: a switch of threads for each of them,
    and behind a flood of PIN checks a wait for the interpreter's lock each time.
    """
    app = create_app(quick_settings(), database_url="postgresql://x@localhost/x", secrets=SECRETS)
    routes = list(_routes(app.router))
    assert len(routes) > 30, "the routes weren't found"
    threaded = {
        f"{route.path}: {getattr(call, '__qualname__', call)}"
        for route in routes
        for call in _calls(route.dependant)
        if not iscoroutinefunction(call) and not iscoroutinefunction(type(call).__call__)
    }
    assert not threaded

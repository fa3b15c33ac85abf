"""Routes for administrators of the service."""

import time

from fastapi import APIRouter, Request

from watchkeeper.accounts.dependencies import CurrentAdmin
from watchkeeper.admin.schemas import AdminMetrics
from watchkeeper.core.problem_documents import problem_responses

# The service imports its routes when it starts, so this is when the process began to serve.
_PROCESS_BEGAN = time.monotonic()

router = APIRouter(prefix="/admin", tags=["administration"], responses=problem_responses(401, 403))


@router.get("/metrics", summary="What this process did since it began")
async def read_metrics(request: Request, _admin: CurrentAdmin) -> AdminMetrics:
    """Counts and durations of this process alone; `/metrics` has the same for Prometheus."""
    state = request.app.state
    return AdminMetrics.of(
        state.floor.metrics,
        state.viewing.configurations.entries,
        time.monotonic() - _PROCESS_BEGAN,
    )

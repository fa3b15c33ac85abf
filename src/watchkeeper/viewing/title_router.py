"""The route by which a guardian says how a title is charged in this household."""

from uuid import UUID

from fastapi import APIRouter

from watchkeeper.accounts.dependencies import ElevatedGuardian
from watchkeeper.core.problem_documents import problem_responses
from watchkeeper.viewing.access import household_of
from watchkeeper.viewing.router import ViewingDep
from watchkeeper.viewing.title_schemas import TitleOverrideRequest, TitleOverrideResponse

router = APIRouter(
    prefix="/parental-controls/titles",
    tags=["parental controls"],
    responses=problem_responses(401, 403, 404),
)


@router.put("/{title_id}", summary="Say whether a title counts in this household")
async def put_title_override(
    title_id: UUID, body: TitleOverrideRequest, guardian: ElevatedGuardian, viewing: ViewingDep
) -> TitleOverrideResponse:
    """`always` or `never` counts, or `default`: as the catalogue says."""
    saved = await viewing.title_overrides.save(
        guardian, household_of(guardian), title_id, body.counts
    )
    return TitleOverrideResponse(
        title_id=saved.title_id,
        name=saved.name,
        counts=saved.counts,
        is_educational=saved.is_educational,
    )

"""Routes of the catalogue."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request

from watchkeeper.accounts.dependencies import CurrentAdmin, CurrentUser
from watchkeeper.catalogue.schemas import (
    BatchAnswer,
    TitleAnswer,
    TitleBatch,
    TitleFields,
    TitleList,
    TitleQuery,
)
from watchkeeper.catalogue.service import Catalogue, FaultyEntriesError
from watchkeeper.catalogue.types import Sight, Viewpoint
from watchkeeper.core.auth import Role, UserPrincipal
from watchkeeper.core.pagination import read_cursor, write_cursor
from watchkeeper.core.problem_documents import problem_responses
from watchkeeper.core.problems import InvalidRequest

router = APIRouter(prefix="/titles", tags=["titles"], responses=problem_responses(401, 403))


async def _catalogue(request: Request) -> Catalogue:
    catalogue: Catalogue = request.app.state.catalogue
    return catalogue


CatalogueService = Annotated[Catalogue, Depends(_catalogue)]


@router.get("", summary="Titles in order of name")
async def list_titles(
    request: Request,
    user: CurrentUser,
    catalogue: CatalogueService,
    wanted: Annotated[TitleQuery, Query()],
) -> TitleList:
    """Guardians see the common titles and their household's own, administrators all."""
    key = request.app.state.floor.secrets.signing_key[1]
    page = await catalogue.list_titles(
        _viewpoint(user),
        wanted.to_filter(),
        after=_position(key, wanted.cursor),
        limit=wanted.limit,
    )
    next_cursor = None
    if page.next_position:
        name, id_ = page.next_position
        next_cursor = write_cursor(key, ["titles", name, str(id_)])
    return TitleList(
        titles=[TitleAnswer.of(title) for title in page.titles], next_cursor=next_cursor
    )


@router.put("/{title_id}", summary="Add or change a title")
async def put_title(
    title_id: UUID, body: TitleFields, _admin: CurrentAdmin, catalogue: CatalogueService
) -> TitleAnswer:
    """For administrators. Fields that are left out stay as they are; a new title needs a name."""
    try:
        written = await catalogue.write_titles([body.to_change(title_id)])
    except FaultyEntriesError as error:
        raise _refusal(error, prefix="") from error
    return TitleAnswer.of(written.titles[0])


@router.post("/batch", summary="Add or change up to a thousand titles")
async def write_batch(
    body: TitleBatch, _admin: CurrentAdmin, catalogue: CatalogueService
) -> BatchAnswer:
    """For administrators. Entries are matched by `id`, else by `source` and `external_id`.

    All are written or none: a refusal names every faulty entry by its index and field.
    """
    try:
        written = await catalogue.write_titles([entry.to_change(entry.id) for entry in body.titles])
    except FaultyEntriesError as error:
        raise _refusal(error, prefix="titles.{}.") from error
    return BatchAnswer(
        created=written.created,
        updated=len(written.titles) - written.created,
        titles=[TitleAnswer.of(title) for title in written.titles],
    )


def _viewpoint(user: UserPrincipal) -> Viewpoint:
    if Role.ADMIN in user.roles:
        return Viewpoint(Sight.EVERY_HOUSEHOLD)
    if user.is_guardian:
        return Viewpoint(Sight.OWN_HOUSEHOLD, user.household_id)
    return Viewpoint(Sight.NO_HOUSEHOLD)


def _position(key: bytes, cursor: str | None) -> tuple[str, UUID] | None:
    if cursor is None:
        return None
    position: list[Any] = read_cursor(key, cursor)
    if len(position) != 3 or position[0] != "titles":
        raise InvalidRequest.field("cursor", "belongs to another list")
    return str(position[1]), UUID(position[2])


def _refusal(error: FaultyEntriesError, *, prefix: str) -> InvalidRequest:
    errors = [
        {"field": prefix.format(fault.index) + fault.field, "message": fault.message}
        for fault in error.faults
    ]
    detail = "; ".join(f"{entry['field']}: {entry['message']}" for entry in errors[:5])
    return InvalidRequest(detail, errors=errors)

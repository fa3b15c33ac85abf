"""Routes of exports: everything that is kept about a household, or about one of its people."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.types import Receive, Scope, Send

from watchkeeper.accounts.dependencies import ElevatedGuardian, Now
from watchkeeper.core.auth import UserPrincipal
from watchkeeper.core.problem_documents import problem_responses
from watchkeeper.privacy.documents import MEDIA_TYPES, SUFFIXES
from watchkeeper.privacy.service import Export, Exports
from watchkeeper.privacy.types import ExportFormat, ExportSubject
from watchkeeper.viewing.access import household_of

_BOTH_FORMS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "application/json": {"schema": {"type": "object"}},
            "application/zip": {"schema": {"type": "string", "format": "binary"}},
        }
    }
}
router = APIRouter(tags=["privacy"], responses=problem_responses(401, 403, 404, 429) | _BOTH_FORMS)


class ExportQuery(BaseModel):
    """In which form the export is wanted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: ExportFormat = Field(
        default=ExportFormat.JSON,
        description="`json` for one document, `csv` for a ZIP archive with a file for each table.",
    )


class ExportResponse(StreamingResponse):
    """Sends an export and gives its place back, also when the caller goes away."""

    def __init__(self, export: Export, **options: Any) -> None:
        super().__init__(aiter(export), **options)
        self._export = export

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._export.close()


async def get_exports(request: Request) -> Exports:
    """The exports of this service."""
    exports: Exports = request.app.state.exports
    return exports


TheExports = Annotated[Exports, Depends(get_exports)]


@router.get("/households/export", response_class=StreamingResponse)
async def export_household(
    wanted: Annotated[ExportQuery, Query()],
    guardian: ElevatedGuardian,
    exports: TheExports,
    now: Now,
) -> ExportResponse:
    """Everything that is kept about the household, without passwords, PINs, tokens and codes."""
    return await _export(exports, guardian, ExportSubject(household_of(guardian)), wanted, now)


@router.get("/profiles/{id}/export", response_class=StreamingResponse)
async def export_profile(
    profile_id: Annotated[UUID, Path(alias="id")],
    wanted: Annotated[ExportQuery, Query()],
    guardian: ElevatedGuardian,
    exports: TheExports,
    now: Now,
) -> ExportResponse:
    """Everything that is kept about one person of the household."""
    subject = ExportSubject(household_of(guardian), profile_id)
    return await _export(exports, guardian, subject, wanted, now)


async def _export(
    exports: Exports,
    guardian: UserPrincipal,
    subject: ExportSubject,
    wanted: ExportQuery,
    now: Now,
) -> ExportResponse:
    export = await exports.open(guardian, subject, wanted.format, now)
    name = f"watchkeeper-{subject.kind}-{now.date()}.{SUFFIXES[wanted.format]}"
    return ExportResponse(
        export,
        media_type=MEDIA_TYPES[wanted.format],
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )

"""`/profiles`: the people of a household."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, status

from watchkeeper.accounts.dependencies import (
    CurrentGuardian,
    ElevatedGuardian,
    Now,
    StartingGuardian,
    TheAccounts,
)
from watchkeeper.accounts.household_schemas import ReceiptAnswer
from watchkeeper.accounts.schemas import (
    ProfileAnswer,
    ProfileChanges,
    ProfileRequest,
    ProfilesAnswer,
)
from watchkeeper.core.problem_documents import problem_responses

ProfileId = Annotated[UUID, Path(alias="id")]
router = APIRouter(
    prefix="/profiles", tags=["profiles"], responses=problem_responses(401, 403, 404, 409)
)


@router.get("")
async def list_profiles(guardian: CurrentGuardian, accounts: TheAccounts) -> ProfilesAnswer:
    """The household's profiles, in the order in which they were added."""
    profiles = await accounts.profiles.list_profiles(guardian)
    return ProfilesAnswer(profiles=[ProfileAnswer.of(profile) for profile in profiles])


@router.post("", status_code=status.HTTP_201_CREATED)
async def create_profile(
    body: ProfileRequest, guardian: StartingGuardian, accounts: TheAccounts, now: Now
) -> ProfileAnswer:
    """Add a profile; needs the PIN once there is one."""
    profile = await accounts.profiles.create(
        guardian, now, name=body.name, is_child=body.is_child, avatar=body.avatar
    )
    return ProfileAnswer.of(profile)


@router.patch("/{id}")
async def change_profile(
    profile_id: ProfileId,
    body: ProfileChanges,
    guardian: ElevatedGuardian,
    accounts: TheAccounts,
    now: Now,
) -> ProfileAnswer:
    """Change a profile; fields left out stay."""
    changes = body.model_dump(exclude_unset=True)
    return ProfileAnswer.of(await accounts.profiles.change(guardian, profile_id, changes, now))


@router.delete("/{id}")
async def delete_profile(
    profile_id: ProfileId, guardian: ElevatedGuardian, accounts: TheAccounts, now: Now
) -> ReceiptAnswer:
    """Delete a profile and all that is kept about it, at once; the receipt says nothing of whom."""
    return ReceiptAnswer.of(await accounts.deletions.delete_profile(guardian, profile_id, now))

"""A household's word on a title, over HTTP."""

from uuid import uuid4

import pytest

from tests.harness.family import Family
from tests.harness.sums import assert_sums_agree


async def title_of(family: Family, name: str = "A film") -> str:
    """The id of a title that the family's player has mentioned."""
    (title,) = (await family.call("GET", "/titles", params={"query": name}))["titles"]
    return str(title["id"])


async def test_a_guardian_makes_a_title_free_and_counted_again(family: Family, child: str) -> None:
    player = family.player(child)
    assert (await player.play(60))["used_minutes"] == 1
    path = f"/parental-controls/titles/{await title_of(family)}"
    saved = await family.call("PUT", path, json={"counts": "never"})
    assert (saved["counts"], saved["is_educational"], saved["name"]) == ("never", True, "A film")
    freed = await player.play(60)
    assert (freed["used_minutes"], freed["is_educational"]) == (1, True)
    await family.call("PUT", path, json={"counts": "always"})
    assert (await player.play(60))["used_minutes"] == 2
    assert (await family.call("PUT", path, json={"counts": "default"}))["is_educational"] is False
    assert (await player.play(60))["used_minutes"] == 3
    sums = await assert_sums_agree(family.service.database, child)
    assert sums.days_exempt == 60_000


async def test_a_word_on_a_title_needs_the_exemption_to_be_on(family: Family, child: str) -> None:
    player = family.player(child)
    await player.beat()
    path = f"/parental-controls/titles/{await title_of(family)}"
    await family.call("PUT", path, json={"counts": "never"})
    await family.settings(child, educational_exempt=False)
    assert (await player.play(60))["used_minutes"] == 1


async def test_one_familys_word_changes_nothing_for_another(family: Family, child: str) -> None:
    await family.player(child).beat()
    title_id = await title_of(family)
    stranger = await Family.register(family.service)
    for unseen in (title_id, str(uuid4())):
        answer = await stranger.send(
            "PUT", f"/parental-controls/titles/{unseen}", json={"counts": "never"}
        )
        assert answer.status_code == 404
    await family.call("POST", "/parental-controls/pin/lock")
    locked = await family.send(
        "PUT", f"/parental-controls/titles/{title_id}", json={"counts": "never"}
    )
    assert locked.json()["type"] == "accounts/pin-required"


@pytest.mark.parametrize(
    "body", [{}, {"counts": "sometimes"}, {"counts": None}, {"count": "never"}]
)
async def test_bad_words_are_refused(family: Family, child: str, body: dict[str, object]) -> None:
    await family.player(child).beat()
    path = f"/parental-controls/titles/{await title_of(family)}"
    assert (await family.send("PUT", path, json=body)).status_code == 422

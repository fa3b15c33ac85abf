"""Settings over HTTP: merging, the grid, and changes of zone and reset hour."""

from datetime import datetime

import pytest

from tests.harness.family import Family
from tests.harness.sums import assert_sums_agree


def path(profile_id: str) -> str:
    return f"/parental-controls/profiles/{profile_id}/viewing-time"


async def test_a_new_child_has_the_default_limits(family: Family, child: str) -> None:
    assert await family.call("GET", path(child)) == {
        "profile_id": child,
        "profile_name": "Noa",
        "weekday_limit_minutes": 120,
        "weekend_limit_minutes": 180,
        "day_limits": {},
        "windows": {},
        "overrides": [],
        "lock": None,
        "reset_hour": 6,
        "educational_exempt": True,
        "timezone": "Europe/Madrid",
        "weekend_days": ["sat", "sun"],
        "warning_threshold_minutes": [15, 5],
        "grace_seconds": 120,
        "pending": None,
    }


async def test_put_merges_and_null_means_unlimited(family: Family, child: str) -> None:
    changed = await family.settings(child, weekday_limit_minutes=45, grace_seconds=0)
    assert changed["weekday_limit_minutes"] == 45
    assert changed["weekend_limit_minutes"] == 180
    assert changed["grace_seconds"] == 0
    unlimited = await family.settings(child, weekday_limit_minutes=None)
    assert unlimited["weekday_limit_minutes"] is None
    balance = await family.balance(child)
    assert balance["remaining_minutes"] is None
    assert balance["has_limits"] is False


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"weekday_limit_minutes": 20}, "weekday_limit_minutes"),
        ({"weekday_limit_minutes": 0}, "weekday_limit_minutes"),
        ({"weekend_limit_minutes": 495}, "weekend_limit_minutes"),
        ({"weekend_limit_minutes": "60"}, "weekend_limit_minutes"),
        ({"reset_hour": 24}, "reset_hour"),
        ({"reset_hour": None}, "reset_hour"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": None}, "timezone"),
        ({"timezone": "../../etc/passwd"}, "timezone"),
        ({"educational_exempt": None}, "educational_exempt"),
        ({"warning_threshold_minutes": [5, 15]}, "warning_threshold_minutes"),
        ({"warning_threshold_minutes": [15]}, "warning_threshold_minutes"),
        ({"grace_seconds": 901}, "grace_seconds"),
        ({"grace_seconds": -1}, "grace_seconds"),
        ({"bedtime": "20:00"}, "bedtime"),
        ({"day_limits": {"mon": 20}}, "day_limits"),
        ({"day_limits": {"monday": 60}}, "day_limits"),
        ({"day_limits": {"1": 60}}, "day_limits"),
        ({"day_limits": None}, "day_limits"),
        ({"windows": {"mon": [{"from": "07:00"}]}}, "windows"),
        ({"windows": {"mon": [{"from": "7:00", "to": "20:00"}]}}, "windows"),
        ({"windows": {"mon": [{"from": "24:00", "to": "20:00"}]}}, "windows"),
        ({"windows": {"mon": [{"from": "07:00", "to": "07:00"}]}}, "windows"),
        ({"windows": {"mon": [{"from": "07:00", "to": "20:60"}]}}, "windows"),
        ({"windows": {"mon": [{"from": "07:00", "to": "20:00", "why": ""}]}}, "windows"),
        ({"windows": {"mon": [{"from": "07:00", "to": "08:00"}] * 11}}, "windows"),
        ({"windows": {"mon": None}}, "windows"),
        ({"windows": {"noon": []}}, "windows"),
        ({"windows": []}, "windows"),
        ({"weekend_days": ["saturday"]}, "weekend_days"),
        ({"weekend_days": "sat"}, "weekend_days"),
        ({"weekend_days": None}, "weekend_days"),
    ],
    ids=str,
)
async def test_bad_settings_change_nothing(
    family: Family, child: str, body: dict[str, object], named: str
) -> None:
    before = await family.call("GET", path(child))
    answer = await family.send("PUT", path(child), json={"weekday_limit_minutes": 60} | body)
    assert answer.status_code == 422
    assert [error["field"].split(".")[0] for error in answer.json()["errors"]] == [named]
    assert await family.call("GET", path(child)) == before


async def test_a_lowered_limit_binds_at_once_and_a_raised_one_frees(
    family: Family, child: str
) -> None:
    player = family.player(child, counting=True)
    await player.play(40 * 60)
    await family.settings(child, weekday_limit_minutes=30)
    stopped = await player.beat()
    assert (stopped["enforcement"], stopped["remaining_minutes"]) == ("blocked", 0)
    await family.settings(child, weekday_limit_minutes=60)
    assert (await player.beat())["remaining_minutes"] == 20


async def test_zone_and_reset_hour_wait_for_the_day_to_end(family: Family, child: str) -> None:
    leo = await family.add_profile("Leo")
    player = family.player(child, counting=True)
    await player.play(50 * 60)
    before = (await family.balance(child))["next_reset_at"]
    changed = await family.settings(leo, timezone="America/New_York", reset_hour=4)
    assert changed["pending"] == {
        "timezone": "America/New_York",
        "reset_hour": 4,
        "takes_effect_at": before,
        "applies_to": "household",
    }
    balance = await family.balance(child)
    assert balance["used_minutes"] == 50, "no second allowance"
    assert balance["next_reset_at"] == before
    ends = datetime.fromisoformat(before)
    family.service.clock.set(ends)
    await family.sign_in()
    settings = await family.call("GET", path(child))
    assert settings["pending"] is None
    assert settings["timezone"] == "America/New_York"
    following = datetime.fromisoformat((await family.balance(child))["next_reset_at"])
    assert 20 <= (following - ends).total_seconds() / 3600 <= 44
    await assert_sums_agree(family.service.database, child)


async def test_flipping_the_reset_hour_never_gives_a_second_allowance(
    family: Family, child: str
) -> None:
    await family.settings(child, weekday_limit_minutes=15, weekend_limit_minutes=15)
    player = family.player(child, counting=True)
    used = 0.0
    began = family.service.clock.now()
    for hour in range(48):
        await family.sign_in()
        await family.settings(child, reset_hour=(hour * 7) % 24)
        player.token = family.token
        player.session_id = None
        used = max(used, (await player.play(120))["used_minutes"])
        family.service.clock.advance(minutes=58)
    sums = await assert_sums_agree(family.service.database, child)
    days = (family.service.clock.now() - began).total_seconds() / 86_400
    assert sums.days_counted / 60_000 <= 15 * (days / (20 / 24) + 1) + 3
    assert used <= 15.6


async def test_adults_have_no_settings(family: Family) -> None:
    adult = await family.add_profile("Carmen", is_child=False)
    assert (await family.send("GET", path(adult))).status_code == 409
    refused = await family.send("PUT", path(adult), json={"weekday_limit_minutes": 60})
    assert refused.json()["type"] == "viewing/adult-profile"


async def test_another_households_child_is_not_found(family: Family, child: str) -> None:
    stranger = await Family.register(family.service)
    assert (await stranger.send("GET", path(child))).status_code == 404
    put = await stranger.send("PUT", path(child), json={"weekday_limit_minutes": 60})
    assert put.status_code == 404

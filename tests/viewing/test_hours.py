"""Windows, overrides, locks and extended hours over HTTP. The clock stands at Tuesday 16:00 in
Madrid."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from tests.accounts.steps import query
from tests.harness.family import PIN, Family, bearer
from tests.harness.service import running_service
from tests.harness.sums import assert_sums_agree

API = "/api/v1"


def profile(child: str, tail: str) -> str:
    return f"/parental-controls/profiles/{child}/{tail}"


def every_day(start: str, end: str) -> dict[str, list[dict[str, str]]]:
    days = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    return {day: [{"from": start, "to": end}] for day in days}


class TestSettings:
    async def test_they_are_kept_and_replaced_as_a_whole(self, family: Family, child: str) -> None:
        windows = {
            "mon": [{"from": "07:00", "to": "08:00"}, {"from": "16:00", "to": "20:00"}],
            "fri": [{"from": "16:00", "to": "00:30"}],
            "sat": [{"from": "00:00", "to": "24:00"}],
        }
        saved = await family.settings(
            child,
            day_limits={"wed": 60, "sun": None},
            windows=windows,
            weekend_days=["sun", "fri"],
        )
        assert saved["day_limits"] == {"wed": 60, "sun": None}
        assert saved["windows"] == windows
        assert saved["weekend_days"] == ["fri", "sun"]
        other = await family.settings(child, grace_seconds=60)
        assert (other["day_limits"], other["windows"]) == (saved["day_limits"], windows)
        emptied = await family.settings(child, day_limits={}, windows={"mon": []}, weekend_days=[])
        assert (emptied["day_limits"], emptied["windows"]) == ({}, {})
        assert emptied["weekend_days"] == []

    async def test_weekend_days_are_the_households_and_bind_at_once(
        self, family: Family, child: str
    ) -> None:
        leo = await family.add_profile("Leo")
        await family.settings(child, weekday_limit_minutes=30, weekend_limit_minutes=90)
        await family.settings(leo, weekend_days=["tue"])
        assert (await family.balance(child))["limit_minutes"] == 90

    async def test_a_weekdays_limit_binds_at_once(self, family: Family, child: str) -> None:
        await family.settings(child, day_limits={"tue": 15})
        assert (await family.balance(child))["remaining_minutes"] == 15
        await family.settings(child, day_limits={"tue": None})
        assert (await family.balance(child))["remaining_minutes"] is None


class TestBedtime:
    async def test_a_film_over_bedtime(self, family: Family, child: str) -> None:
        await family.settings(child, windows=every_day("07:00", "16:20"))
        player = family.player(child, counting=True)
        first = await player.beat()
        assert (first["binding"], first["remaining_minutes"]) == ("bedtime", 20)
        assert first["blocks_at"] == "2026-03-10T15:20:00.000Z"
        warned = await player.play(6 * 60)
        assert (warned["enforcement"], warned["reason"]) == ("warning_15", None)
        last = await player.play(15 * 60)
        assert (last["enforcement"], last["reason"]) == ("blocked", "bedtime")
        assert last["used_minutes"] == 20, "nothing after the end of the window is charged"
        balance = await family.balance(child)
        assert balance["opens_at"] == "2026-03-11T06:00:00.000Z"
        assert (await family.grant(child, 30))["binding"] == "bedtime", "a grant passes no window"
        eligible = await family.call("GET", f"/viewing-time/playback-eligible/{child}")
        assert (eligible["eligible"], eligible["reason"]) == (False, "bedtime")
        await assert_sums_agree(family.service.database, child)

    async def test_windows_bind_exempt_titles(self, family: Family, child: str) -> None:
        await family.settings(child, windows=every_day("07:00", "16:20"), weekday_limit_minutes=15)
        ref = {"source": "home", "id": "letters", "name": "Letters"}
        player = family.player(child, counting=True)
        player.title = {"title_ref": ref}
        await player.beat()
        found = await family.call("GET", "/titles", params={"query": "Letters"})
        title_id = found["titles"][0]["id"]
        await family.call("PUT", f"/parental-controls/titles/{title_id}", json={"counts": "never"})
        free = await player.play(19 * 60)
        assert (free["is_educational"], free["binding"]) == (True, "bedtime")
        closed = await player.play(3 * 60)
        assert (closed["enforcement"], closed["reason"]) == ("blocked", "bedtime")
        balance = await family.balance(child)
        assert balance["educational_minutes"] + balance["used_minutes"] == 20

    @pytest.mark.parametrize(("minutes", "until"), [(30, "15:50"), (None, "05:00")])
    async def test_a_grant_extends_the_window(
        self, family: Family, child: str, minutes: int | None, until: str
    ) -> None:
        await family.settings(child, windows=every_day("07:00", "16:20"))
        granted = await family.grant(child, minutes, extends_window=True)
        assert granted["window_extended_until"][11:16] == until
        assert (await family.balance(child))["blocks_at"][11:16] == until
        path = profile(child, f"viewing-time/grants/{granted['grant_id']}")
        await family.call("DELETE", path)
        assert (await family.balance(child))["blocks_at"][11:16] == "15:20"

    async def test_a_childs_device_extends_it_with_the_pin_when_closed(
        self, family: Family, child: str
    ) -> None:
        await family.settings(child, windows=every_day("07:00", "15:00"))
        device = await family.pair(child)
        assert (await device.beat())["reason"] == "bedtime"
        body = {"minutes": 15, "pin": PIN, "extends_window": True}
        path = f"{API}{profile(child, 'viewing-time/grant')}"
        headers = bearer(device.token) | {"Idempotency-Key": "once"}
        for _ in range(2):
            response = await family.service.client.post(path, json=body, headers=headers)
            assert response.json()["window_extended_until"] == "2026-03-10T15:15:00.000Z"
        assert (await device.beat())["remaining_minutes"] == 15
        other = await family.service.client.post(
            path, json=body | {"extends_window": False}, headers=headers
        )
        assert other.json()["type"] == "viewing/idempotency-key-reused"

    async def test_time_that_is_taken_extends_nothing(self, family: Family, child: str) -> None:
        body = {"minutes": -15, "extends_window": True}
        refused = await family.send("POST", profile(child, "viewing-time/grant"), json=body)
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["field"] == "extends_window"


class TestOverrides:
    async def test_a_holiday(self, family: Family, child: str) -> None:
        await family.settings(child, windows=every_day("07:00", "15:30"))
        assert (await family.balance(child))["reason"] == "bedtime"
        today = await family.override(child, date(2026, 3, 10), limit_minutes=240, windows=[])
        assert (today["limit_minutes"], today["enforcement"]) == (240, "allowed")
        later = date(2026, 3, 14)
        await family.override(child, later, windows=[{"from": "10:00", "to": "22:00"}])
        settings = await family.call("GET", profile(child, "viewing-time"))
        assert settings["overrides"] == [
            {"date": "2026-03-10", "has_limit": True, "limit_minutes": 240, "windows": []},
            {
                "date": "2026-03-14",
                "has_limit": False,
                "limit_minutes": None,
                "windows": [{"from": "10:00", "to": "22:00"}],
            },
        ]
        usual = await family.call("DELETE", profile(child, "overrides/2026-03-10"))
        assert (usual["limit_minutes"], usual["reason"]) == (120, "bedtime")
        again = await family.send("DELETE", profile(child, "overrides/2026-03-10"))
        assert again.status_code == 404

    async def test_days_that_passed_keep_their_limits(self, family: Family, child: str) -> None:
        """Nobody watches for three days; the override of the fourth changes none of them."""
        await family.player(child).beat()
        family.service.clock.advance(hours=72)
        await family.sign_in()
        await family.override(child, date(2026, 3, 13), limit_minutes=480)
        history = await family.call("GET", "/parental-controls/weekly-report")
        (report,) = history["profiles"]
        shown = [total["limit_minutes"] for total in report["daily_totals"][-4:]]
        assert shown == [120, 120, 120, 480]

    @pytest.mark.parametrize(
        ("on", "body", "field"),
        [
            ("2026-03-09", {"limit_minutes": 60}, "date"),
            ("2027-05-01", {"limit_minutes": 60}, "date"),
            ("2026-3-9", {"limit_minutes": 60}, "date"),
            ("1773100800", {"limit_minutes": 60}, "date"),
            ("2026-03-12", {}, "body"),
            ("2026-03-12", {"limit_minutes": 20}, "limit_minutes"),
            ("2026-03-12", {"windows": None}, "windows"),
            ("2026-03-12", {"windows": [{"from": "10:00", "to": "10:00"}]}, "windows.0.to"),
        ],
    )
    async def test_bad_ones_are_refused(
        self, family: Family, child: str, on: str, body: dict[str, Any], field: str
    ) -> None:
        answer = await family.send("PUT", profile(child, f"overrides/{on}"), json=body)
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["field"] == field

    async def test_their_number_is_bounded(self, family: Family, child: str) -> None:
        first = date(2026, 3, 11)
        for number in range(100):
            await family.override(child, first + timedelta(days=number), windows=[])
        path = profile(child, f"overrides/{first + timedelta(days=100)}")
        refused = await family.send("PUT", path, json={"windows": []})
        assert (refused.status_code, refused.json()["type"]) == (409, "viewing/too-many-overrides")
        assert (
            await family.send("PUT", profile(child, f"overrides/{first}"), json={"windows": []})
        ).status_code == 200


class TestLocks:
    async def test_locked_and_unlocked(self, family: Family, child: str) -> None:
        player = family.player(child, counting=True)
        await player.play(60)
        locked = await family.lock(child)
        assert (locked["enforcement"], locked["reason"]) == ("blocked", "locked")
        assert locked["opens_at"] == locked["next_reset_at"], "a forgotten lock ends with the day"
        stopped = await player.play(30)
        assert (stopped["reason"], stopped["used_minutes"]) == ("locked", 1)
        assert (await family.grant(child, 30))["binding"] == "locked", "a grant passes no lock"
        settings = await family.call("GET", profile(child, "viewing-time"))
        assert settings["lock"]["locked_until"] == locked["next_reset_at"]
        freed = await family.unlock(child)
        assert (freed["enforcement"], freed["remaining_minutes"]) == ("allowed", 149)
        assert (await family.unlock(child))["enforcement"] == "allowed"
        assert (await family.lock(child))["enforcement"] == "blocked", "in the same millisecond"
        await family.unlock(child)
        assert (await player.beat())["enforcement"] == "allowed"
        await assert_sums_agree(family.service.database, child)

    async def test_a_lock_with_an_end_ends(self, family: Family, child: str) -> None:
        until = family.service.clock.now() + timedelta(minutes=45)
        locked = await family.lock(child, until)
        assert datetime.fromisoformat(locked["opens_at"]) == until
        sooner = until - timedelta(minutes=30)
        assert datetime.fromisoformat((await family.lock(child, sooner))["opens_at"]) == sooner
        family.service.clock.advance(minutes=15)
        assert (await family.balance(child))["enforcement"] == "allowed"

    @pytest.mark.parametrize(
        "until",
        ["2026-03-10T15:00:00Z", "2026-04-10T15:00:00Z", "2026-03-10T18:00:00", "soon", 5],
    )
    async def test_bad_ends_are_refused(self, family: Family, child: str, until: object) -> None:
        answer = await family.send("POST", profile(child, "lock"), json={"until": until})
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["field"] == "until"
        assert (await family.balance(child))["enforcement"] == "allowed"

    async def test_adults_have_neither_locks_nor_overrides(self, family: Family) -> None:
        adult = await family.add_profile("Carmen", is_child=False)
        for method, tail, body in (
            ("POST", "lock", None),
            ("POST", "unlock", None),
            ("PUT", "overrides/2026-03-12", {"windows": []}),
        ):
            refused = await family.send(method, profile(adult, tail), json=body)
            assert refused.json()["type"] == "viewing/adult-profile"


@pytest.mark.parametrize("change", ["lock", "windows", "override", "grant"])
async def test_another_process_obeys_with_its_next_heartbeat(
    family: Family, child: str, database_url: str, change: str
) -> None:
    """Also one that hears no announcements: the profile's row says that its memory is old."""
    async with running_service(database_url, clock=family.service.clock) as other:
        await other.floor.background.stop()
        player = family.player(child, counting=True)
        player.family = Family(other, family.email, family.household_id, family.token, "")
        assert (await player.play(30))["enforcement"] == "allowed"
        match change:
            case "lock":
                await family.lock(child)
            case "windows":
                await family.settings(child, windows=every_day("07:00", "15:00"))
            case "override":
                on = family.service.clock.now().date()
                await family.override(child, on, windows=[{"from": "07:00", "to": "15:00"}])
            case "grant":
                await family.grant(child, -240)
        assert (await player.beat())["enforcement"] == "blocked"
        balance = await player.family.balance(child)
        assert balance["enforcement"] == "blocked"


async def test_the_trail_says_who_did_it(family: Family, child: str) -> None:
    await family.lock(child)
    await family.unlock(child)
    await family.override(child, date(2026, 3, 12), limit_minutes=60)
    await family.call("DELETE", profile(child, "overrides/2026-03-12"))
    await family.settings(child, windows=every_day("07:00", "20:00"))
    rows = await query(
        family.service,
        "SELECT action, actor LIKE 'user:%' AS is_person FROM accounts.audit "
        "WHERE subject = :subject ORDER BY at, id",
        subject=f"profile:{child}",
    )
    assert [tuple(row) for row in rows][-5:] == [
        ("play.locked", True),
        ("play.unlocked", True),
        ("override.saved", True),
        ("override.removed", True),
        ("viewing_time.changed", True),
    ]

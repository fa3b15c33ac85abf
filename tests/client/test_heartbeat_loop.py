"""What a player does, minute by minute, against the stand-in service."""

import asyncio
from itertools import pairwise

import pytest

from tests.client.clocks import settle
from tests.client.contract_service import Refusal
from tests.client.stage import FILM, LESSON, staged
from watchkeeper.client import Phase, PlayState, TitleRef


async def test_nothing_is_sent_before_something_plays() -> None:
    async with staged() as stage:
        await stage.does(PlayState.PAUSED, FILM)
        await stage.passes(600)
        assert (stage.phase(), stage.sent) == (Phase.IDLE, [])


async def test_a_player_waits_for_its_first_answer_before_it_plays() -> None:
    async with staged() as stage:
        stage.wire.delay_seconds = 3
        await stage.plays()
        assert stage.phase() is Phase.WAITING
        await stage.passes(2.9)
        assert stage.phase() is Phase.WAITING
        await stage.passes(0.2)
        assert stage.phase() is Phase.PLAYING
        assert stage.sent[0]["state"] == "playing"
        assert stage.sent[0]["start_key"] == "key-1"


async def test_the_charge_is_what_was_on_the_screen() -> None:
    async with staged() as stage:
        await stage.plays()
        await stage.passes(100)
        await stage.does(PlayState.PAUSED)
        await stage.passes(700)
        await stage.does(PlayState.PLAYING)
        await stage.passes(45)
        await stage.does(PlayState.ENDED)
        await stage.passes(1)
        assert stage.service.used_ms == pytest.approx(145_000, abs=5)
        assert stage.watched_seconds == pytest.approx(145, abs=0.01)
        assert stage.service.ends[0]["paused_ms"] == pytest.approx(700_000, abs=5)
        assert stage.phase() is Phase.IDLE
        assert stage.service.open_session is None


async def test_heartbeats_follow_the_services_cadence_and_every_change() -> None:
    async with staged(beat_ms=27_000) as stage:
        await stage.plays()
        start = stage.sent[0]["at"]
        await stage.passes(60)
        assert [beat["at"] - start for beat in stage.sent] == pytest.approx([0, 27, 54])
        await stage.does(PlayState.PAUSED)
        await stage.passes(10)
        await stage.does(PlayState.BUFFERING)
        await stage.plays(LESSON)
        await stage.passes(10)
        assert [beat["at"] - start for beat in stage.sent[3:]] == pytest.approx([60, 70, 70.5])
        assert [beat["state"] for beat in stage.sent[3:]] == ["paused", "buffering", "playing"]
        assert stage.sent[-1]["title_ref"]["id"] == "lesson"
        assert stage.sent[-1]["session_id"] == stage.sent[1]["session_id"]
        seqs = [beat["seq"] for beat in stage.sent]
        assert seqs == sorted(set(seqs))


async def test_a_new_name_of_the_same_title_is_no_change() -> None:
    async with staged() as stage:
        await stage.plays()
        await stage.passes(5)
        await stage.plays(TitleRef(source="mpv", id="film", name="A film, at last by its name"))
        await stage.passes(5)
        assert len(stage.sent) == 1
        await stage.passes(25)
        assert stage.sent[-1]["title_ref"]["name"] == "A film, at last by its name"


async def test_only_one_heartbeat_is_in_flight() -> None:
    async with staged() as stage:
        stage.wire.delay_seconds = 4
        await stage.plays()
        for state in (PlayState.PAUSED, PlayState.PLAYING, PlayState.PAUSED):
            await stage.does(state)
            await stage.passes(0.6)
        assert len(stage.wire.requests) == 1
        await stage.passes(4)
        assert len(stage.wire.requests) == 2
        assert stage.sent[-1]["state"] == "paused"


async def test_it_warns_at_15_and_at_5_and_stops_when_the_time_is_up() -> None:
    async with staged(limit_ms=16 * 60_000) as stage:
        await stage.plays()
        await stage.passes(16 * 60 + 5)
        assert [outcome.warning for outcome in stage.outcomes if outcome.may_play] == [None, 15, 5]
        assert (stage.phase(), stage.outcome.reason) == (Phase.BLOCKED, "limit")
        assert stage.service.used_ms == pytest.approx(16 * 60_000, abs=1000)
        assert stage.watched_seconds == pytest.approx(16 * 60, abs=1)
        stopped_at = stage.phase_began_at(Phase.BLOCKED)
        assert stopped_at - stage.sent[0]["at"] == pytest.approx(16 * 60, abs=1)


@pytest.mark.parametrize("limit_ms", [1, 4, 299, 600, 5_000, 20_004, 32_999.5, 60_000, 61_234.5])
async def test_it_stops_once_and_for_all_close_to_zero_whatever_the_limit(limit_ms: float) -> None:
    async with staged(limit_ms=limit_ms) as stage:
        await stage.plays()
        await stage.passes(100)
        assert stage.phase() is Phase.BLOCKED
        assert stage.watched_seconds * 1000 == pytest.approx(limit_ms, abs=1000)
        assert stage.service.used_ms >= limit_ms
        assert stage.service.used_ms == pytest.approx(stage.watched_seconds * 1000, abs=5)


async def test_a_blocked_player_reports_ended_and_isnt_charged() -> None:
    async with staged(limit_ms=10_000) as stage:
        await stage.plays()
        await stage.passes(11)
        used = stage.service.used_ms
        beats = len(stage.sent)
        await stage.passes(300)
        held = stage.sent[beats:]
        assert [beat["at"] for beat in held] == pytest.approx(
            [held[0]["at"] + 30 * step for step in range(len(held))]
        )
        assert {beat["state"] for beat in held} == {"ended"}
        assert {beat["session_id"] for beat in held} == {stage.sent[1]["session_id"]}
        assert len(held) == 10
        assert stage.service.used_ms == used


async def test_a_grant_lets_a_blocked_player_go_on_at_the_next_answer() -> None:
    async with staged(limit_ms=10_000) as stage:
        await stage.plays()
        await stage.passes(20)
        stage.service.limit_ms = stage.service.used_ms + 900_000
        stage.loop.ask_now()
        await settle()
        assert (stage.phase(), stage.outcome.warning) == (Phase.PLAYING, 15)
        await stage.passes(1)
        assert stage.sent[-1]["state"] == "playing"
        before = stage.watched_seconds
        await stage.passes(899)
        await stage.passes(5)
        assert stage.phase() is Phase.BLOCKED
        assert stage.watched_seconds - before == pytest.approx(899, abs=1.5)
        assert stage.service.used_ms == pytest.approx(stage.watched_seconds * 1000, abs=5)


async def test_asking_while_an_older_question_is_open_asks_again() -> None:
    async with staged() as stage:
        await stage.plays()
        await stage.passes(5)
        stage.wire.delay_seconds = 2
        await stage.does(PlayState.PAUSED)
        stage.loop.ask_now()
        await stage.passes(1.9)
        assert len(stage.sent) == 2
        await stage.passes(0.2)
        assert len(stage.sent) == 3


async def test_a_title_that_doesnt_use_the_allowance_plays_on() -> None:
    async with staged(limit_ms=10_000, exempt_titles={"lesson"}) as stage:
        await stage.plays()
        await stage.passes(30)
        assert stage.phase() is Phase.BLOCKED
        await stage.plays(LESSON)
        await stage.passes(600)
        assert stage.phase() is Phase.PLAYING
        assert stage.loop.remaining is None


async def test_it_blocks_itself_when_the_window_ends_without_a_rush_of_heartbeats() -> None:
    async with staged() as stage:
        stage.service.blocks_at = stage.clock.monotonic() + 12
        await stage.plays()
        await stage.passes(11.9)
        assert stage.phase() is Phase.PLAYING
        await stage.passes(0.2)
        assert (stage.phase(), stage.outcome.reason) == (Phase.BLOCKED, "bedtime")
        assert len(stage.sent) == 1
        stage.service.blocked_because = "bedtime"
        await stage.passes(18)
        assert len(stage.sent) == 2
        assert stage.sent[-1]["state"] == "ended"
        assert stage.sent[-1]["played_ms"] == pytest.approx(12_000, abs=5)


async def test_a_lost_network_heals_without_a_trace() -> None:
    async with staged() as stage:
        await stage.plays()
        await stage.passes(31)
        stage.wire.is_cut = True
        await stage.passes(100)
        assert stage.phase() is Phase.PLAYING
        stage.wire.is_cut = False
        await stage.passes(60)
        await stage.does(PlayState.ENDED)
        await stage.passes(1)
        assert {outcome.phase for outcome in stage.outcomes} == {
            Phase.WAITING,
            Phase.PLAYING,
            Phase.IDLE,
        }
        assert stage.service.used_ms == pytest.approx(191_000, abs=20)


async def test_answers_that_are_lost_are_not_charged_twice() -> None:
    async with staged() as stage:
        await stage.plays()
        await stage.passes(10)
        stage.wire.loses_answers = True
        await stage.passes(60)
        stage.wire.loses_answers = False
        await stage.passes(60)
        await stage.does(PlayState.ENDED)
        await stage.passes(1)
        assert stage.service.used_ms == pytest.approx(130_000, abs=20)


@pytest.mark.parametrize("grace_seconds", [0, 30, 120, 900])
async def test_the_grace_counts_from_the_first_unanswered_heartbeat(grace_seconds: int) -> None:
    async with staged(grace_seconds=grace_seconds) as stage:
        await stage.plays()
        started = stage.clock.monotonic()
        await stage.passes(10)
        stage.wire.is_cut = True
        first_unanswered = started + 30
        await stage.passes(20 + max(grace_seconds, 5) - 0.1)
        assert stage.phase() is Phase.PLAYING
        await stage.passes(0.2)
        assert stage.phase() is Phase.UNREACHABLE
        assert stage.clock.monotonic() - first_unanswered == pytest.approx(
            max(grace_seconds, 5), abs=0.2
        )
        watched = stage.watched_seconds
        await stage.passes(300)
        assert stage.watched_seconds == watched


async def test_a_service_that_never_answers_is_given_up_and_asked_again() -> None:
    async with staged() as stage:
        await stage.plays()
        stage.wire.delay_seconds = 10_000
        await stage.passes(30 + 119.9)
        assert stage.phase() is Phase.PLAYING
        assert len(stage.wire.requests) >= 5
        await stage.passes(0.2)
        assert stage.phase() is Phase.UNREACHABLE
        stage.wire.delay_seconds = 0
        await stage.passes(45)
        assert stage.phase() is Phase.PLAYING


async def test_a_slow_answer_after_five_seconds_ends_the_silence() -> None:
    async with staged(grace_seconds=6) as stage:
        await stage.plays()
        stage.wire.delay_seconds = 7
        await stage.passes(30 + 5.9)
        assert stage.phase() is Phase.PLAYING
        await stage.passes(0.5)
        assert stage.phase() is Phase.UNREACHABLE
        await stage.passes(1)
        assert stage.phase() is Phase.PLAYING


async def test_without_an_answer_it_never_plays_past_the_last_known_remaining_time() -> None:
    async with staged(limit_ms=60_000, grace_seconds=900) as stage:
        await stage.plays()
        await stage.passes(1)
        stage.wire.is_cut = True
        await stage.passes(200)
        assert stage.phase() is Phase.UNREACHABLE
        assert stage.watched_seconds == pytest.approx(60, abs=0.3)
        stage.wire.is_cut = False
        await stage.passes(40)
        assert (stage.phase(), stage.outcome.reason) == (Phase.BLOCKED, "limit")


async def test_what_is_left_counts_from_when_the_heartbeat_was_sent() -> None:
    async with staged(limit_ms=600_000) as stage:
        await stage.plays()
        await stage.passes(29)
        stage.wire.delay_seconds = 4
        await stage.passes(6)
        left = stage.loop.remaining
        assert left is not None
        assert left.total_seconds() == pytest.approx(600 - 35, abs=0.4)


async def test_a_player_that_is_known_to_be_alone_stops_at_zero_exactly() -> None:
    async with staged(limit_ms=21_000, grace_seconds=900) as stage:
        await stage.plays()
        await stage.passes(5)
        stage.wire.is_cut = True
        await stage.plays(LESSON)
        await stage.passes(60)
        assert stage.phase() is Phase.UNREACHABLE
        assert stage.watched_seconds == pytest.approx(21, abs=0.05)


async def test_a_long_pause_uses_up_its_first_300_seconds_and_no_more() -> None:
    async with staged(limit_ms=310_000, grace_seconds=900) as stage:
        await stage.plays()
        await stage.does(PlayState.PAUSED)
        await stage.passes(1)
        stage.wire.is_cut = True
        await stage.passes(800)
        left = stage.loop.remaining
        assert left is not None
        assert left.total_seconds() == pytest.approx(10, abs=1)
        await stage.does(PlayState.PLAYING)
        await stage.passes(8.9)
        assert stage.phase() is Phase.PLAYING
        await stage.passes(2.2)
        assert stage.phase() is Phase.UNREACHABLE


async def test_a_player_that_never_had_an_answer_doesnt_play() -> None:
    async with staged() as stage:
        stage.wire.is_cut = True
        await stage.plays()
        await stage.passes(4.9)
        assert stage.phase() is Phase.WAITING
        await stage.passes(0.2)
        assert stage.phase() is Phase.UNREACHABLE
        stage.wire.is_cut = False
        await stage.passes(31)
        assert stage.phase() is Phase.PLAYING
        assert {beat["start_key"] for beat in stage.sent if "start_key" in beat} == {"key-1"}


async def test_a_start_whose_answer_was_lost_opens_one_session() -> None:
    async with staged() as stage:
        stage.wire.loses_answers = True
        await stage.plays()
        await stage.passes(2)
        stage.wire.loses_answers = False
        await stage.passes(31)
        assert stage.phase() is Phase.PLAYING
        assert len(stage.service.sessions) == 1


async def test_a_service_that_cant_decide_isnt_time_that_is_up() -> None:
    async with staged() as stage:
        await stage.plays()
        await stage.passes(29)
        undecided = Refusal(503, "viewing/undecided", headers={"Retry-After": "7"})
        stage.service.refusals = [undecided] * 3
        await stage.passes(1.5)
        assert stage.phase() is Phase.PLAYING
        asked = len(stage.wire.requests)
        await stage.passes(6)
        assert len(stage.wire.requests) == asked
        await stage.passes(60)
        assert stage.phase() is Phase.PLAYING
        assert not {Phase.BLOCKED, Phase.UNREACHABLE} & {o.phase for o in stage.outcomes}


async def test_failing_heartbeats_back_off_with_full_jitter() -> None:
    gaps: dict[float, list[float]] = {}
    for draw in (0.25, 1.0):
        async with staged(draw=draw) as stage:
            stage.wire.is_cut = True
            times: list[float] = []
            await stage.plays()
            seen = 0
            for _ in range(1400):
                if len(stage.wire.requests) > seen:
                    seen = len(stage.wire.requests)
                    times.append(stage.clock.monotonic())
                await stage.passes(0.1)
            gaps[draw] = [b - a for a, b in pairwise(times)]
    assert gaps[1.0][:7] == pytest.approx([1, 2, 4, 8, 16, 30, 30], abs=0.11)
    assert gaps[0.25][:6] == pytest.approx([0.25, 0.5, 1, 2, 4, 7.5], abs=0.11)


async def test_the_device_that_lost_says_where_it_plays_and_waits_for_a_person() -> None:
    async with staged() as stage:
        await stage.plays()
        await stage.passes(10)
        stage.service.take_over("Tablet")
        await stage.passes(21)
        assert (stage.phase(), stage.outcome.device_name) == (Phase.SUPERSEDED, "Tablet")
        asked = len(stage.wire.requests)
        await stage.does(PlayState.PAUSED)
        await stage.plays(LESSON)
        await stage.passes(600)
        assert stage.phase() is Phase.SUPERSEDED
        assert len(stage.wire.requests) == asked
        stage.loop.resume()
        await settle()
        assert stage.phase() is Phase.PLAYING
        assert stage.sent[-1]["start_key"] == "key-2"
        assert "session_id" not in stage.sent[-1]


async def test_a_session_that_the_service_closed_is_followed_by_a_new_one_without_a_break() -> None:
    async with staged() as stage:
        await stage.plays()
        await stage.passes(10)
        stage.service.forget_sessions()
        await stage.passes(60)
        assert {outcome.phase for outcome in stage.outcomes} == {Phase.WAITING, Phase.PLAYING}
        assert len(stage.service.sessions) == 2
        assert stage.watched_seconds == pytest.approx(70, abs=0.1)
        starts = [beat for beat in stage.sent if "session_id" not in beat]
        assert [(beat["seq"], beat["played_ms"]) for beat in starts] == [(1, 0), (1, 0)]


async def test_a_session_that_is_unknown_is_followed_by_a_new_one() -> None:
    async with staged() as stage:
        await stage.plays()
        await stage.passes(10)
        stage.service.sessions.clear()
        await stage.passes(21)
        assert stage.phase() is Phase.PLAYING
        assert len(stage.service.sessions) == 1


async def test_a_held_player_whose_session_was_closed_waits_for_a_person() -> None:
    async with staged() as stage:
        await stage.plays()
        stage.wire.is_cut = True
        await stage.passes(400)
        assert stage.phase() is Phase.UNREACHABLE
        stage.service.forget_sessions()
        stage.wire.is_cut = False
        await stage.passes(60)
        assert stage.phase() is Phase.IDLE
        assert len(stage.service.sessions) == 1
        await stage.plays()
        assert stage.phase() is Phase.PLAYING


async def test_a_service_that_calls_every_start_ended_isnt_stormed() -> None:
    async with staged() as stage:
        stage.service.refusals = [Refusal(410, "viewing/session-ended") for _ in range(1000)]
        await stage.plays()
        await stage.passes(60)
        assert stage.phase() is Phase.UNREACHABLE
        assert len(stage.wire.requests) < 15


async def test_a_device_that_was_signed_out_is_told_so_and_asks_no_more() -> None:
    async with staged() as stage:
        await stage.plays()
        stage.service.refusals = [
            Refusal(401, "accounts/device-revoked", detail="This device was signed out.")
        ]
        await stage.passes(31)
        assert (stage.phase(), stage.outcome.detail) == (
            Phase.REFUSED,
            "This device was signed out.",
        )
        asked = len(stage.wire.requests)
        await stage.passes(600)
        assert len(stage.wire.requests) == asked
        stage.loop.resume()
        await settle()
        assert stage.phase() is Phase.PLAYING


async def test_pressing_play_while_blocked_asks_but_not_all_the_time() -> None:
    async with staged(limit_ms=5_000) as stage:
        await stage.plays()
        await stage.passes(20)
        asked = len(stage.wire.requests)
        for _ in range(20):
            stage.loop.resume()
            await stage.passes(0.1)
        assert len(stage.wire.requests) == asked + 1
        stage.service.limit_ms = None
        await stage.passes(1)
        stage.loop.resume()
        await settle()
        assert stage.phase() is Phase.PLAYING


async def test_stopping_ends_the_session_with_its_last_counters() -> None:
    async with staged() as stage:
        await stage.plays()
        await stage.passes(12)
        await stage.loop.stop()
        assert stage.service.ends[0]["played_ms"] == pytest.approx(12_000, abs=5)
        assert stage.service.open_session is None


async def test_stopping_while_the_service_is_away_doesnt_hang() -> None:
    async with staged() as stage:
        await stage.plays()
        stage.wire.delay_seconds = 10_000
        waiter = asyncio.create_task(stage.loop.stop())
        await stage.passes(3.1)
        assert waiter.done()


async def test_an_end_that_isnt_heard_is_left_to_the_service() -> None:
    async with staged() as stage:
        await stage.plays()
        await stage.passes(5)
        stage.wire.delay_seconds = 10_000
        await stage.does(PlayState.ENDED)
        await stage.passes(60)
        asked = len(stage.wire.requests)
        stage.wire.delay_seconds = 0
        await stage.passes(600)
        assert len(stage.wire.requests) == asked
        await stage.plays()
        assert stage.phase() is Phase.PLAYING


async def test_stopping_while_the_start_is_on_its_way_still_ends_the_session() -> None:
    async with staged() as stage:
        stage.wire.delay_seconds = 1
        await stage.plays()
        await stage.does(PlayState.ENDED)
        await stage.passes(3)
        assert len(stage.service.ends) == 1
        assert stage.service.open_session is None


async def test_playing_again_while_the_end_is_on_its_way_opens_a_new_session() -> None:
    async with staged() as stage:
        await stage.plays()
        await stage.passes(5)
        stage.wire.delay_seconds = 1
        await stage.does(PlayState.ENDED)
        await stage.plays()
        await stage.passes(5)
        assert stage.phase() is Phase.PLAYING
        assert len(stage.service.sessions) == 2

"""Plays the demo family's sittings through the rules of viewing time, with a moved clock.

What is stored is what the rules made of heartbeats, so that slices, sessions and days agree as
they do for a real family.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from watchkeeper.catalogue.public import Title
from watchkeeper.core.ids import new_id
from watchkeeper.demo.schedule import Sitting
from watchkeeper.viewing.rules.ledger import grant_minutes
from watchkeeper.viewing.rules.settlement import settle, settle_end
from watchkeeper.viewing.types import (
    DayState,
    Enforcement,
    Heartbeat,
    PlayState,
    Session,
    Settlement,
    Slice,
    Viewer,
)

BEAT = timedelta(seconds=60)
# A sitting that could still be going on is left to real life.
MARGIN = timedelta(minutes=10)
MORE_MINUTES = 15
_JITTER = 0.5


@dataclass(frozen=True, slots=True)
class DemoGrant:
    """More time that a guardian gave."""

    day_starts_at: datetime
    minutes: int
    floor_ms: int | None
    given_at: datetime


@dataclass(slots=True)
class History:
    """What one person's heartbeats came to."""

    days: dict[datetime, DayState] = field(default_factory=dict)
    sessions: dict[UUID, Session] = field(default_factory=dict)
    slices: dict[tuple[UUID, int], Slice] = field(default_factory=dict)
    grants: list[DemoGrant] = field(default_factory=list)


class DemoPlayer:
    """The players of one person, one sitting after another."""

    def __init__(self, viewer: Viewer, shelves: Mapping[str, Sequence[Title]], seed: str) -> None:
        self.history = History()
        self._viewer = viewer
        self._shelves = shelves
        self._chance = Random(seed)  # noqa: S311 - believable, not secret

    def play(self, sitting: Sitting, until: datetime) -> None:
        """Play a sitting, unless it could reach beyond `until`."""
        longest = timedelta(minutes=sitting.minutes + sitting.pause_minutes + MORE_MINUTES)
        starts_at = sitting.starts_at
        if starts_at + longest + MARGIN > until or self._is_playing_after(starts_at):
            return
        session_id = new_id()
        has_asked = not sitting.asks_for_more
        at = starts_at
        for state, title in self._plan(sitting):
            enforcement = self._beat(sitting, session_id, state, title, at)
            if enforcement is Enforcement.BLOCKED:
                if has_asked:
                    break
                has_asked = True
                self._give_more(at)
            at += BEAT
        self._end(session_id, at)

    def _is_playing_after(self, instant: datetime) -> bool:
        """Whether the sitting before lasted into this one."""
        return any(
            session.ended_at is None or session.ended_at >= instant
            for session in list(self.history.sessions.values())[-1:]
        )

    def _plan(self, sitting: Sitting) -> Iterator[tuple[PlayState, Title]]:
        """What the player reports minute by minute."""
        titles = self._pick(sitting)
        title, left = next(titles)
        for minute in range(sitting.minutes):
            if left <= 0:
                title, left = next(titles)
            if minute == sitting.minutes // 2:
                for _ in range(sitting.pause_minutes):
                    yield PlayState.PAUSED, title
            yield PlayState.PLAYING, title
            left -= 1

    def _pick(self, sitting: Sitting) -> Iterator[tuple[Title, int]]:
        shelf = self._shelves[sitting.library]
        while True:
            title = self._chance.choice(shelf)
            yield title, (title.duration_seconds or 0) // 60

    def _beat(
        self, sitting: Sitting, session_id: UUID, state: PlayState, title: Title, at: datetime
    ) -> Enforcement:
        known = self.history.sessions.get(session_id)
        heartbeat = Heartbeat(
            new_session_id=session_id,
            session_id=session_id if known else None,
            device_id=sitting.screen.device_id,
            device_type=sitting.screen.device_type,
            device_name=sitting.screen.name,
            state=state,
            title_id=title.id,
        )
        self._look_at(known, title)
        settlement = settle(self._viewer, heartbeat, at, _JITTER)
        self._keep(settlement)
        if settlement.decision is None:
            raise AssertionError(f"the rules refused a demo heartbeat: {settlement.outcome}")
        return settlement.decision.enforcement

    def _end(self, session_id: UUID, at: datetime) -> None:
        self._look_at(self.history.sessions[session_id], None)
        self._keep(settle_end(self._viewer, session_id, None, at))

    def _look_at(self, known: Session | None, title: Title | None) -> None:
        """Set what the rules read: this session, its title, and the last days."""
        educational = dict(self._viewer.educational_titles)
        if title is not None:
            educational[title.id] = title.is_educational
        self._viewer = replace(
            self._viewer,
            named=known,
            sessions=(known,) if known else (),
            days=tuple(self.history.days.values())[-2:],
            educational_titles=educational,
        )

    def _keep(self, settlement: Settlement) -> None:
        for day in settlement.days:
            self.history.days[day.day.starts_at] = replace(day, is_new=False)
        for session in (*settlement.changed_sessions, settlement.new_session):
            if session is not None:
                self.history.sessions[session.id] = session
        for write in settlement.slices:
            self.history.slices[write.slice.session_id, write.slice.ordinal] = write.slice

    def _give_more(self, at: datetime) -> None:
        starts_at, state = list(self.history.days.items())[-1]
        ledger = grant_minutes(state.ledger, MORE_MINUTES, state.counted_ms)
        self.history.days[starts_at] = replace(state, ledger=ledger)
        self.history.grants.append(DemoGrant(starts_at, MORE_MINUTES, ledger.floor_ms, at))


def shelves_of(titles: Sequence[Title], *, is_child: bool) -> Mapping[str, Sequence[Title]]:
    """The titles by library, without those that this person wouldn't choose."""
    shelves: dict[str, list[Title]] = {}
    for title in titles:
        if ("grown-ups" in title.tags) is not is_child:
            shelves.setdefault(title.library or "", []).append(title)
    return shelves

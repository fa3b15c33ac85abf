"""A family's store in memory: it loads a viewer as the database layer does and applies what the
rules answer, and checks after each call what must always hold."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID, uuid5

from watchkeeper.viewing.policy_types import DaySettings, Policy, Stretch
from watchkeeper.viewing.rules.daybook import DayBook, open_days
from watchkeeper.viewing.rules.decision import decide
from watchkeeper.viewing.rules.instants import to_ms
from watchkeeper.viewing.rules.ledger import cancel_grant, grant_minutes, grant_unlimited
from watchkeeper.viewing.rules.open_hours import (
    add_extension,
    extend_hours,
    take_extension_back,
)
from watchkeeper.viewing.rules.settlement import settle, settle_end, settle_silence
from watchkeeper.viewing.types import (
    Counters,
    DayState,
    Decision,
    DeviceType,
    Enforcement,
    Heartbeat,
    Ledger,
    Outcome,
    PlayState,
    Session,
    Settlement,
    Slice,
    SliceKind,
    Viewer,
)

SPACE = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
FILM = uuid5(SPACE, "film")
SERIES = uuid5(SPACE, "series")
LESSON = uuid5(SPACE, "lesson")
# A Wednesday at noon in UTC, far from the day's reset at 06:00.
NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)


@dataclass
class Home:
    """One child (or adult) with a clock that is moved by hand."""

    policy: Policy = field(default_factory=lambda: Policy(weekday_limit_minutes=None))
    day_settings: DaySettings = field(default_factory=lambda: DaySettings("UTC", 6))
    is_child: bool = True
    now: datetime = NOON
    educational: Mapping[UUID, bool] = field(default_factory=lambda: {LESSON: True})
    jitter: float = 0.5
    latest: datetime = NOON - timedelta(days=3650)
    days: dict[datetime, DayState] = field(default_factory=dict)
    sessions: dict[UUID, Session] = field(default_factory=dict)
    slices: dict[tuple[UUID, int], Slice] = field(default_factory=dict)
    decisions: list[tuple[Enforcement, str]] = field(default_factory=list)
    extensions: list[Stretch | None] = field(default_factory=list)

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def viewer(self, device_id: str | None = None, named: Session | None = None) -> Viewer:
        """What the database layer promises to load, and no more."""
        open_sessions = tuple(
            session
            for session in self.sessions.values()
            if session.is_open and (self.is_child or session.device_id == device_id)
        )
        reach = timedelta(seconds=max(90, self.policy.grace_seconds + 45))
        heard = [session.last_accepted_at for session in open_sessions]
        if named is not None:
            heard.append(named.last_accepted_at)
        oldest = min([*heard, self.now]) - reach
        starts = sorted(self.days)
        kept = {start for start in starts if self.days[start].day.ends_at > oldest}
        kept |= set([start for start in starts if start <= self.now][-1:]) | set(starts[-1:])
        return Viewer(
            household_id=uuid5(SPACE, "home"),
            profile_id=uuid5(SPACE, "child"),
            is_child=self.is_child,
            policy=self.policy,
            day_settings=self.day_settings,
            days=tuple(self.days[start] for start in sorted(kept)),
            sessions=open_sessions,
            named=named,
            educational_titles=self.educational,
        )

    def beat(
        self,
        device_id: str = "tv",
        state: PlayState = PlayState.PLAYING,
        *,
        session: UUID | None = None,
        title: UUID | None = FILM,
        counters: tuple[int, int, int] | None = None,
        start_key: str | None = None,
    ) -> Settlement:
        heartbeat = Heartbeat(
            new_session_id=uuid5(SPACE, f"session {len(self.sessions)}"),
            device_id=device_id,
            device_type=DeviceType.TV,
            device_name=f"the {device_id}",
            state=state,
            session_id=session,
            title_id=title,
            counters=None if counters is None else Counters(*counters),
            start_key=start_key,
        )
        named = self._named(session, device_id, start_key)
        answer = settle(self.viewer(device_id, named), heartbeat, self.now, self.jitter)
        return self._store(answer)

    def _named(self, session: UUID | None, device_id: str, start_key: str | None) -> Session | None:
        if session is not None:
            return self.sessions.get(session)
        if start_key is None:
            return None
        same = [
            known
            for known in self.sessions.values()
            if known.start_key == start_key and known.device_id == device_id
        ]
        return same[-1] if same else None

    def end(self, session: UUID, counters: tuple[int, int, int] | None = None) -> Settlement:
        named = self.sessions.get(session)
        viewer = self.viewer(named.device_id if named else None, named)
        told = None if counters is None else Counters(*counters)
        return self._store(settle_end(viewer, session, told, self.now))

    def reap(self) -> Settlement:
        return self._store(settle_silence(self.viewer(), self.now))

    def grant(self, minutes: int | None, *, extends_window: bool = False) -> Decision:
        today = self.today()
        if minutes is None:
            ledger = grant_unlimited(today.ledger)
        else:
            ledger = grant_minutes(today.ledger, minutes, today.counted_ms)
        extension = None
        if extends_window:
            book = DayBook(self.viewer(), to_ms(self.now))
            extension = extend_hours(book.opened, book.now_ms, minutes, book.today_ends)
            self.extensions.append(extension)
        self._keep(today, ledger, add_extension(today.extensions, extension))
        return self.balance()

    def cancel(self, minutes: int | None, *, extension: Stretch | None = None) -> Decision:
        today = self.today()
        left = today.extensions
        if extension is not None:
            left = take_extension_back(left, extension, to_ms(self.now))
        self._keep(today, cancel_grant(today.ledger, minutes), left)
        return self.balance()

    def _keep(self, today: DayState, ledger: Ledger, extensions: tuple[Stretch, ...]) -> None:
        self.days[today.day.starts_at] = replace(today, ledger=ledger, extensions=extensions)

    def lock(self, until: datetime | None = None) -> None:
        """Lock until then or until the day ends; a lock that holds gets the new end."""
        ends_at = until or self.today().day.ends_at
        locks = [lock for lock in self.policy.locks if not self._holds(lock)]
        (began,) = [lock.starts_at for lock in self.policy.locks if self._holds(lock)] or [self.now]
        self.policy = replace(self.policy, locks=(*locks, Stretch(began, ends_at)))

    def unlock(self) -> None:
        """Release the lock that holds."""
        locks = tuple(
            replace(lock, ends_at=self.now) if self._holds(lock) else lock
            for lock in self.policy.locks
        )
        self.policy = replace(self.policy, locks=locks)

    def _holds(self, lock: Stretch) -> bool:
        return lock.starts_at <= self.now < lock.ends_at

    def balance(self, *, is_exempt: bool = False) -> Decision:
        return decide(self.viewer(), self.now, is_exempt=is_exempt)

    def today(self) -> DayState:
        opened = open_days(self.viewer(), self.now)
        for state in opened.changed:
            self.days[state.day.starts_at] = replace(state, is_new=False)
        return self.days[opened.today.day.starts_at]

    def _store(self, answer: Settlement) -> Settlement:
        for state in answer.days:
            assert state.is_new is (state.day.starts_at not in self.days)
            self.days[state.day.starts_at] = replace(state, is_new=False)
        for session in answer.changed_sessions:
            assert session.id in self.sessions
            self.sessions[session.id] = session
        if answer.new_session is not None:
            assert answer.new_session.id not in self.sessions
            self.sessions[answer.new_session.id] = answer.new_session
        for write in answer.slices:
            key = (write.slice.session_id, write.slice.ordinal)
            assert write.is_new is (key not in self.slices)
            self.slices[key] = write.slice
        if answer.decision_entry is not None:
            entry = answer.decision_entry
            self.decisions.append((entry.enforcement, entry.device_id))
        if answer.outcome in (Outcome.DUPLICATE, Outcome.START_REPEATED):
            assert not answer.has_writes
        self.check()
        return answer

    # What is asked of the store.

    @property
    def counted_s(self) -> float:
        return sum(day.counted_ms for day in self.days.values()) / 1000

    @property
    def exempt_s(self) -> float:
        return sum(day.exempt_ms for day in self.days.values()) / 1000

    @property
    def forgiven_s(self) -> float:
        return sum(day.forgiven_ms for day in self.days.values()) / 1000

    @property
    def written_off_s(self) -> float:
        return sum(day.written_off_ms for day in self.days.values()) / 1000

    def check(self) -> None:
        """What holds after every call, whatever came before.

        Time that was credited under a clock that ran ahead stays: history is never rewritten.
        """
        self.latest = max(self.latest, self.now)
        self._check_sums()
        ordered = [self.days[start] for start in sorted(self.days)]
        for before, after in pairwise(ordered):
            assert before.day.ends_at == after.day.starts_at
        if self.is_child:
            assert sum(session.is_open for session in self.sessions.values()) <= 1
            for state in ordered:
                passed = min(self.latest, state.day.ends_at) - state.day.starts_at
                assert timedelta(milliseconds=state.counted_ms + state.exempt_ms) <= passed
                assert 0 <= state.forgiven_ms <= 300_000
        for one in self.slices.values():
            day = self.days[one.day_starts_at].day
            assert day.starts_at <= one.starts_at < one.ends_at <= min(day.ends_at, self.latest)
            assert 0 < one.credited_ms <= (one.ends_at - one.starts_at) / timedelta(milliseconds=1)
        for session in self.sessions.values():
            assert session.bucket_ms >= 0
            assert 0 <= session.pause_counted_ms <= 300_000
            if session.ended_at is not None:
                assert session.started_at <= session.ended_at <= self.latest
        decision = self.balance()
        assert decision.allowance_remaining_ms is None or decision.allowance_remaining_ms >= 0

    def _check_sums(self) -> None:
        """Slices, days and sessions are three accounts of the same time."""
        by_day: Counter[tuple[datetime, SliceKind]] = Counter()
        by_session: Counter[tuple[UUID, SliceKind]] = Counter()
        for one in self.slices.values():
            by_day[one.day_starts_at, one.kind] += one.credited_ms
            by_session[one.session_id, one.kind] += one.credited_ms
        for start, state in self.days.items():
            assert by_day[start, SliceKind.COUNTED] == state.counted_ms
            assert by_day[start, SliceKind.EXEMPT] == state.exempt_ms
        for session in self.sessions.values():
            assert by_session[session.id, SliceKind.COUNTED] == session.counted_ms
            assert by_session[session.id, SliceKind.EXEMPT] == session.exempt_ms
            held = [one for key, one in self.slices.items() if key[0] == session.id]
            assert len(held) == session.slice_count
            if held:
                assert session.open_slice == max(held, key=lambda one: one.ordinal)

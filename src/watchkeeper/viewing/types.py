"""The words of viewing time as frozen values, shared by the rules and the database layer.

Instants are aware datetimes in UTC with whole milliseconds and end in ``_at``; amounts of time
are integers of milliseconds (``_ms``), because credit is added up exactly and stored as integers.
Each field of :class:`Session`, :class:`DayState` and their parts becomes a column.
Source: viewing time, sections 1 to 5.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from watchkeeper.viewing.policy_types import DaySettings, Policy, Stretch


class DeviceType(StrEnum):
    """What kind of screen plays."""

    TV = "tv"
    MOBILE = "mobile"
    TABLET = "tablet"
    WEB = "web"


class PlayState(StrEnum):
    """What a player reports that it does from this heartbeat on."""

    PLAYING = "playing"
    PAUSED = "paused"
    BUFFERING = "buffering"
    ENDED = "ended"


class EndReason(StrEnum):
    """Why a session is over."""

    ENDED = "ended"
    SUPERSEDED = "superseded"
    SILENT = "silent"


class SliceKind(StrEnum):
    """Whether a slice uses the allowance."""

    COUNTED = "counted"
    EXEMPT = "exempt"


class Counts(StrEnum):
    """How a title is charged in one household, whatever the catalogue says."""

    ALWAYS = "always"
    NEVER = "never"
    DEFAULT = "default"


class RequestStatus(StrEnum):
    """What became of a child's request; it expires with its viewing day."""

    OPEN = "open"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"


class Enforcement(StrEnum):
    """What a player is told; the two warnings keep their names whatever their thresholds are."""

    ALLOWED = "allowed"
    WARNING_15 = "warning_15"
    WARNING_5 = "warning_5"
    BLOCKED = "blocked"


class Binding(StrEnum):
    """The rule that sets the remaining time, and the reason when it is used up."""

    LIMIT = "limit"
    BEDTIME = "bedtime"
    LOCKED = "locked"


class Outcome(StrEnum):
    """How a call on a session went; the service turns the refusals into problems.

    STARTED: a first heartbeat made a session. START_REPEATED: its ``start_key`` is known, the same
    session answers. ACCEPTED: the heartbeat moved the session. DUPLICATE: late or repeated, nothing
    changed. CLOSED: the end call ended it (or it had ended before: the call may be repeated).
    SESSION_ENDED and SESSION_SUPERSEDED are 410, DEVICE_CONFLICT is 409, SESSION_UNKNOWN is 404.
    """

    STARTED = "started"
    START_REPEATED = "start_repeated"
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    CLOSED = "closed"
    SESSION_ENDED = "session_ended"
    SESSION_SUPERSEDED = "session_superseded"
    DEVICE_CONFLICT = "device_conflict"
    SESSION_UNKNOWN = "session_unknown"


@dataclass(frozen=True, slots=True)
class ViewingDay:
    """One viewing day ``[starts_at, ends_at)``; its bounds never change once it is made.

    ``label`` is the local date of its midpoint; zone and reset hour are those it was made with.
    After a change of these two days may bear one label: the limit of an override is for the first.
    """

    starts_at: datetime
    ends_at: datetime
    label: date
    timezone: str
    reset_hour: int
    is_first_with_label: bool = True


@dataclass(frozen=True, slots=True)
class Ledger:
    """What a day's append-only grants add up to.

    ``granted_minutes`` is the sum of all entries, cancellations included. ``floor_ms`` is the
    used time below which the effective limit may not fall, already moved by the entries after it;
    None before the first positive grant. ``unlimited_grants`` counts unlimited-today grants that
    were not cancelled.
    """

    granted_minutes: int = 0
    floor_ms: int | None = None
    unlimited_grants: int = 0

    @property
    def is_unlimited(self) -> bool:
        """Whether a guardian lifted the limit for the rest of this day."""
        return self.unlimited_grants > 0


@dataclass(frozen=True, slots=True)
class DayState:
    """A stored day of one profile with what it has used.

    ``limit_minutes`` is the plain limit (without grants) that was in force when the row was last
    settled; history shows it, and only the current day's follows the policy. ``written_off_ms`` is
    reported time that couldn't have been watched, ``forgiven_ms`` unreported time that wasn't
    charged (at most 300 s a day). ``extensions`` are hours of this day that grants opened beyond
    its windows, in order and apart from one another. ``is_new`` means that the row must be
    inserted; its counters are zero plus what this settlement credited.
    """

    day: ViewingDay
    limit_minutes: int | None
    counted_ms: int = 0
    exempt_ms: int = 0
    written_off_ms: int = 0
    forgiven_ms: int = 0
    ledger: Ledger = field(default_factory=Ledger)
    extensions: tuple[Stretch, ...] = ()
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Slice:
    """A stretch of counted or exempt time of one title inside a session and one day.

    Key: (session_id, ordinal), ordinals count from 0. ``credited_ms`` is at most the length of
    ``[starts_at, ends_at)``: what a session was credited in between, without small gaps.
    """

    session_id: UUID
    ordinal: int
    title_id: UUID | None
    kind: SliceKind
    day_starts_at: datetime
    starts_at: datetime
    ends_at: datetime
    credited_ms: int


@dataclass(frozen=True, slots=True)
class Session:
    """One device playing for one profile.

    ``state`` and ``title_id`` are what the last accepted heartbeat reported: they govern the
    stretch that follows it. ``seq``, ``played_ms`` and ``paused_ms`` are the counters last
    accepted, which are also the baselines of the next credit; they are 0 in a plain session
    (``has_counters`` false). ``bucket_ms`` is the wall time that a later heartbeat may still
    claim. ``pause_counted_ms`` is how much of the present pause's 300 s has gone.
    ``was_blocked`` says that the last accepted heartbeat was answered ``blocked``.
    ``open_slice`` is the slice that the next credit may extend (the one with the last ordinal).
    """

    id: UUID
    device_id: str
    device_type: DeviceType
    device_name: str | None
    start_key: str | None
    title_id: UUID | None
    started_at: datetime
    last_accepted_at: datetime
    state: PlayState
    has_counters: bool = False
    seq: int = 0
    played_ms: int = 0
    paused_ms: int = 0
    bucket_ms: int = 0
    pause_counted_ms: int = 0
    was_blocked: bool = False
    last_enforcement: Enforcement | None = None
    last_reason: Binding | None = None
    counted_ms: int = 0
    exempt_ms: int = 0
    written_off_ms: int = 0
    forgiven_ms: int = 0
    is_flagged: bool = False
    ended_at: datetime | None = None
    end_reason: EndReason | None = None
    superseded_by_device_id: str | None = None
    superseded_by_device_name: str | None = None
    slice_count: int = 0
    open_slice: Slice | None = None

    @property
    def is_open(self) -> bool:
        """Whether heartbeats are still accepted."""
        return self.ended_at is None

    @property
    def total_ms(self) -> int:
        """What the session was credited, counted and exempt together."""
        return self.counted_ms + self.exempt_ms


@dataclass(frozen=True, slots=True)
class Counters:
    """A player's own monotonic account since its session began; the three come together.

    ``played_ms`` and ``paused_ms`` are wall time spent playing and paused (buffering included),
    whatever the speed or the position; ``seq`` rises with every heartbeat.
    """

    seq: int
    played_ms: int
    paused_ms: int


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What a player says, already checked for shape.

    ``new_session_id`` is the id that a session gets if this heartbeat starts one: the caller
    draws it, so that the rules stay free of chance. ``device_name`` is what other devices are
    told when this one takes over. ``position_ms`` is the place in the media and is never charged.
    """

    new_session_id: UUID
    device_id: str
    device_type: DeviceType
    state: PlayState
    session_id: UUID | None = None
    start_key: str | None = None
    device_name: str | None = None
    title_id: UUID | None = None
    counters: Counters | None = None
    position_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Viewer:
    """Everything that the rules read about one profile, loaded under the profile's lock.

    ``days``: every stored day whose ``ends_at`` is after the oldest instant that may still be
    credited (the earliest ``last_accepted_at`` of ``sessions`` and ``named``, less
    ``max(90, grace_seconds + 45)`` seconds), always the last one that starts at or before now, and
    always the last stored one; ordered by ``starts_at``.
    ``sessions``: all open sessions of a child; of an adult those of the calling device.
    ``named``: the session, open or ended, that the heartbeat names by ``session_id``, or, when it
    names none, the newest one of its device with its ``start_key``; None if there is none. It may
    also be in ``sessions``. ``educational_titles``: for the heartbeat's title and those of the
    sessions whether it is classified educational (the household's override included); a title
    that is missing counts.
    """

    household_id: UUID
    profile_id: UUID
    is_child: bool
    policy: Policy
    day_settings: DaySettings
    days: tuple[DayState, ...] = ()
    sessions: tuple[Session, ...] = ()
    named: Session | None = None
    educational_titles: Mapping[UUID, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a profile may do now; serves heartbeats, balance, eligibility and grants.

    ``remaining_ms``: time until the binding rule stops this title, None when nothing does (an
    exempt title without window, no limit, an adult). ``allowance_remaining_ms``: what is left of
    the day's allowance whatever the title is, None when unlimited. Neither is ever negative.
    ``binding``: the rule behind ``remaining_ms``; ``reason``: the same when blocked, else None.
    ``is_exempt``: the title doesn't use the allowance now (``is_educational`` on the wire).
    ``limit_minutes``: the day's plain limit; ``effective_limit_ms``: with grants, None when
    unlimited. ``blocks_at``: when the open hours that contain now end, now when play is closed or
    locked; None when they don't end before the end of the following day. ``opens_at``: when closed
    or locked hours end, as far as that is known by then; None while play is open.
    """

    enforcement: Enforcement
    reason: Binding | None
    binding: Binding | None
    remaining_ms: int | None
    allowance_remaining_ms: int | None
    used_ms: int
    exempt_ms: int
    is_exempt: bool
    limit_minutes: int | None
    effective_limit_ms: int | None
    is_unlimited_override: bool
    warning_first_minutes: int
    warning_second_minutes: int
    blocks_at: datetime | None
    opens_at: datetime | None
    next_reset_at: datetime
    day_starts_at: datetime


@dataclass(frozen=True, slots=True)
class DecisionEntry:
    """A change of what a child's players are told, kept for the guardian and for support."""

    decided_at: datetime
    session_id: UUID
    device_id: str
    enforcement: Enforcement
    reason: Binding | None
    remaining_ms: int | None


@dataclass(frozen=True, slots=True)
class SliceWrite:
    """A slice to store by its key (session_id, ordinal) with absolute values: writing it twice is
    harmless. ``is_open`` says that it is also the session's ``open_slice`` and may still grow.
    """

    slice: Slice
    is_new: bool
    is_open: bool


@dataclass(frozen=True, slots=True)
class Settlement:
    """The answer to one call and everything that must be stored for it, in this order: new and
    changed ``days``, ``changed_sessions`` (updates: ended ones leave the index of open sessions),
    ``new_session`` (an insert), ``slices``, ``decision_entry``.

    ``has_writes`` is false when nothing may be stored (duplicates, refusals). ``session`` is the
    one that the answer speaks of, None when it is unknown. ``decision`` and ``next_beat_ms`` are
    None for refusals. ``superseded`` holds the sessions that this call took over (to push to).
    """

    outcome: Outcome
    session: Session | None = None
    decision: Decision | None = None
    next_beat_ms: int | None = None
    ack_seq: int | None = None
    grace_seconds: int = 120
    credited_ms: int = 0
    days: tuple[DayState, ...] = ()
    changed_sessions: tuple[Session, ...] = ()
    new_session: Session | None = None
    slices: tuple[SliceWrite, ...] = ()
    superseded: tuple[Session, ...] = ()
    decision_entry: DecisionEntry | None = None

    @property
    def has_writes(self) -> bool:
        """Whether the caller must store anything at all."""
        return bool(self.days or self.changed_sessions or self.new_session or self.slices)


@dataclass(frozen=True, slots=True)
class TimeRequest:
    """What a child asked for, and what a guardian said to it."""

    id: UUID
    profile_id: UUID
    minutes: int
    message: str | None
    status: RequestStatus
    created_at: datetime
    expires_at: datetime
    answered_at: datetime | None = None
    answer: str | None = None
    granted_minutes: int | None = None
    grant_id: UUID | None = None

"""The Python client for players: typed calls, and the player's side of the heartbeat protocol.

`WatchkeeperClient` makes the calls. `PlayerSession` holds the rules that a player follows, without
any I/O, and `HeartbeatLoop` drives it: tell the loop what the player does, and obey its outcomes.
`Push` listens for events beside it, so that a grant or a lock is known at once.
"""

from watchkeeper.client.api import WatchkeeperClient
from watchkeeper.client.errors import ClientError, NoAnswer, ProblemError, UnexpectedAnswer
from watchkeeper.client.events import ServerEvent
from watchkeeper.client.loop import HeartbeatLoop
from watchkeeper.client.outcome import Outcome, Phase
from watchkeeper.client.push import Push
from watchkeeper.client.requests import Player, Title
from watchkeeper.client.session import PlayerSession
from watchkeeper.client.types import (
    Balance,
    Counters,
    DeviceType,
    Eligibility,
    Enforcement,
    Grant,
    Heartbeat,
    HeartbeatAnswer,
    Pairing,
    PlayState,
    SessionEnd,
    SignIn,
    TitleRef,
)

__all__ = [
    "Balance",
    "ClientError",
    "Counters",
    "DeviceType",
    "Eligibility",
    "Enforcement",
    "Grant",
    "Heartbeat",
    "HeartbeatAnswer",
    "HeartbeatLoop",
    "NoAnswer",
    "Outcome",
    "Pairing",
    "Phase",
    "PlayState",
    "Player",
    "PlayerSession",
    "ProblemError",
    "Push",
    "ServerEvent",
    "SessionEnd",
    "SignIn",
    "Title",
    "TitleRef",
    "UnexpectedAnswer",
    "WatchkeeperClient",
]

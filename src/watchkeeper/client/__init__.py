"""The Python client for players: typed calls, and the player's side of the heartbeat protocol.

`WatchkeeperClient` makes the calls. `PlayerSession` holds the rules that a player follows, without
any I/O, and `HeartbeatLoop` drives it: tell the loop what the player does, and obey its outcomes.
"""

from watchkeeper.client.api import WatchkeeperClient
from watchkeeper.client.errors import ClientError, NoAnswer, ProblemError, UnexpectedAnswer
from watchkeeper.client.loop import HeartbeatLoop
from watchkeeper.client.outcome import Outcome, Phase
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
    "SessionEnd",
    "SignIn",
    "Title",
    "TitleRef",
    "UnexpectedAnswer",
    "WatchkeeperClient",
]

"""The bridge's parts that need no mpv."""

import asyncio
import json
import stat
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from tests.client.clocks import HandClock
from tests.client.contract_service import PAIRING_CODE, PROFILE_ID, TOKEN, ContractService, Wire
from watchkeeper.bridges.mpv.attendant import parse_grant
from watchkeeper.bridges.mpv.device import (
    FILE_NAME,
    NotPaired,
    find_device,
    new_device_id,
    paired_device,
)
from watchkeeper.bridges.mpv.ipc import MpvConnection, MpvGone, MpvRefused
from watchkeeper.bridges.mpv.messages import granted_message, held_message, time_left
from watchkeeper.bridges.mpv.playback import Playback, title_of
from watchkeeper.bridges.mpv.reports import json_lines, plain_lines
from watchkeeper.client import (
    DeviceType,
    Grant,
    Outcome,
    Phase,
    PlayState,
    ProblemError,
    WatchkeeperClient,
)


@pytest.mark.parametrize(
    ("properties", "has_begun", "is_held", "state"),
    [
        ({}, True, False, PlayState.PLAYING),
        ({"pause": True}, True, False, PlayState.PAUSED),
        ({"pause": True}, True, True, PlayState.PLAYING),
        ({"paused-for-cache": True}, True, False, PlayState.BUFFERING),
        ({"paused-for-cache": True, "pause": True}, True, False, PlayState.PAUSED),
        ({}, False, False, PlayState.BUFFERING),
        ({"idle-active": True}, True, False, PlayState.ENDED),
        ({"eof-reached": True, "pause": True}, True, False, PlayState.ENDED),
        ({"idle-active": True}, True, True, PlayState.ENDED),
    ],
)
def test_what_mpv_does(
    properties: dict[str, bool], has_begun: bool, is_held: bool, state: PlayState
) -> None:
    playback = Playback(properties=dict(properties), has_begun=has_begun, is_held=is_held)
    assert playback.state is state


def test_a_title_has_the_same_id_however_its_path_is_written() -> None:
    ids = {
        title_of(path, None, folder).id
        for path, folder in [
            ("/home/noa/films/a.mkv", "/"),
            ("a.mkv", "/home/noa/films"),
            ("../films/a.mkv", "/home/noa/music"),
        ]
    }
    assert len(ids) == 1
    assert title_of("/home/leo/films/a.mkv", None, "/").id not in ids


@pytest.mark.parametrize(
    ("path", "media_title", "name"),
    [
        ("/home/noa/films/a.mkv", "A film", "A film"),
        ("/home/noa/films/a.mkv", "a.mkv", "a.mkv"),
        ("/home/noa/films/a.mkv", None, "a.mkv"),
        ("https://noa:pw@tv.example/live/one.m3u8?token=s", None, "one.m3u8"),
        ("https://tv.example/watch?v=1&token=secret", "watch?v=1&token=secret", "watch"),
        ("https://tv.example/watch?v=1", "What is it?", "What is it?"),
        ("https://tv.example/", "", "tv.example"),
        ("/f/" + "x" * 300, "y" * 300, "y" * 200),
        ("/f/\udcff.mkv", "\udcff.mkv", "\ufffd.mkv"),
        ("/f/a.mkv", "A\x00film\nof \x1b[31mours", "A film of [31mours"),
    ],
)
def test_a_title_is_named_without_folders_and_secrets(
    path: str, media_title: str | None, name: str
) -> None:
    title = title_of(path, media_title, "/")
    assert title.name == name
    assert json.dumps(title.model_dump()).encode()
    assert "noa" not in title.id


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (["1234", "15"], ("1234", 15)),
        (["1234"], ("1234", 15)),
        (["1234", "today"], ("1234", None)),
        (["1234", "240"], ("1234", 240)),
        (["1234", "241"], None),
        (["1234", "0"], None),
        (["1234", "-15"], None),
        (["1234", "9" * 400], None),
        (["12a4", "15"], None),
        (["1234", "15", "x"], None),
        (["²", "15"], None),
        ([], None),
    ],
)
def test_a_grant_that_is_typed_in(words: list[str], asked: object) -> None:
    assert parse_grant(words) == asked


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "No limit right now."),
        (0, "Less than a minute left today."),
        (60, "Less than a minute left today."),
        (61, "2 minutes left today."),
        (900, "15 minutes left today."),
    ],
)
def test_time_left_is_said_in_minutes(seconds: int | None, text: str) -> None:
    assert time_left(None if seconds is None else timedelta(seconds=seconds)) == text


def test_only_a_used_up_limit_is_called_that() -> None:
    said = {
        "limit": held_message(Outcome(Phase.BLOCKED, reason="limit")),
        "bedtime": held_message(Outcome(Phase.BLOCKED, reason="bedtime")),
        "locked": held_message(Outcome(Phase.BLOCKED, reason="locked")),
        "later": held_message(Outcome(Phase.BLOCKED, reason="a reason of a later version")),
        "unreachable": held_message(Outcome(Phase.UNREACHABLE)),
        "superseded": held_message(Outcome(Phase.SUPERSEDED, device_name="Tablet")),
        "refused": held_message(Outcome(Phase.REFUSED, detail="Signed out.")),
    }
    assert all(said.values())
    assert [name for name, text in said.items() if "used up" in (text or "")] == ["limit"]
    assert held_message(Outcome(Phase.WAITING)) is None


def test_what_a_grant_gave_is_said() -> None:
    grant = Grant(grant_id=uuid4(), granted_minutes=1, remaining_minutes=3.2)
    assert granted_message(grant) == "1 more minute. 4 minutes left today."
    assert granted_message(Grant(grant_id=uuid4())) == "No limit for the rest of today."


def test_events_are_json_documents_or_lines() -> None:
    lines: list[str] = []
    json_lines(lines.append)("blocked", "Two\nlines", reason="limit")
    plain_lines(lines.append)("blocked", "Two\nlines", reason="limit")
    assert json.loads(lines[0]) == {"event": "blocked", "text": "Two\nlines", "reason": "limit"}
    assert lines[1] == "Two lines"


class Pairings:
    """Pairs against the stand-in, as each run of the command does."""

    def __init__(self, state_dir: Path) -> None:
        self.fake = ContractService(now=HandClock().monotonic)
        self.state_dir = state_dir

    async def pair(self, code: str | None, server: str = "http://service/") -> tuple[str, bool]:
        async with WatchkeeperClient(server, transport=Wire(self.fake)) as client:
            device, is_new = await paired_device(
                client,
                self.state_dir,
                code=code,
                device_name="Noa's Kino!",
                device_type=DeviceType.TV,
            )
            assert (client.token, device.profile_id) == (TOKEN, PROFILE_ID)
            return device.device_id, is_new


@pytest.fixture
def pairings(tmp_path: Path) -> Pairings:
    return Pairings(tmp_path / "new" / "state")


async def test_a_code_is_needed_once(pairings: Pairings) -> None:
    first, is_new = await pairings.pair(PAIRING_CODE)
    assert is_new
    assert first.startswith("mpv-noa-s-kino-")
    assert await pairings.pair(None) == (first, False)
    assert await pairings.pair(PAIRING_CODE) == (first, False)
    assert len(pairings.fake.pairings) == 1


async def test_the_token_is_kept_from_others(pairings: Pairings) -> None:
    await pairings.pair(PAIRING_CODE)
    kept = pairings.state_dir / FILE_NAME
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(pairings.state_dir.stat().st_mode) == 0o700
    assert list(pairings.state_dir.iterdir()) == [kept]


async def test_a_new_code_pairs_anew_under_the_same_device(pairings: Pairings) -> None:
    first, _ = await pairings.pair(PAIRING_CODE)
    kept = find_device(pairings.state_dir)
    assert kept is not None
    with pytest.raises(ProblemError, match="isn't valid"):
        await pairings.pair("WRONG1")
    assert find_device(pairings.state_dir) == kept
    assert await pairings.pair(PAIRING_CODE, "http://other") == (first, True)


async def test_without_code_or_pairing_there_is_nothing_to_play_as(pairings: Pairings) -> None:
    with pytest.raises(NotPaired):
        await pairings.pair(None)
    await pairings.pair(PAIRING_CODE)
    with pytest.raises(NotPaired):
        await pairings.pair(None, "http://other")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"server": 1}', "null"])
def test_a_state_file_that_is_broken_counts_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE_NAME).write_text(content)
    assert find_device(tmp_path) is None


def test_device_ids_fit_the_contract() -> None:
    assert len(new_device_id("x" * 500)) <= 100
    assert new_device_id("日本").startswith("mpv-player-")
    assert new_device_id("a") != new_device_id("a")


class FakeMpv:
    """The other end of the socket, saying what a test wants."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.said: list[bytes] = []

    async def answer(self, *lines: bytes) -> asyncio.Server:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.said.append(await reader.readline())
            writer.write(b"".join(line + b"\n" for line in lines))
            writer.close()

        return await asyncio.start_unix_server(serve, str(self.socket))


async def _heard(mpv: MpvConnection) -> list[object]:
    return [event async for event in mpv.events()]


async def test_replies_find_their_command_among_events_and_noise(tmp_path: Path) -> None:
    other = FakeMpv(tmp_path / "s")
    server = await other.answer(
        b'{"event": "seek"}',
        b"not json",
        b"[1]",
        b'{"request_id": 77, "error": "success"}',
        b'{"event": "log", "name": "\xff"}',
        b'{"request_id": 1, "error": "success", "data": 5}',
    )
    mpv = await MpvConnection.open(other.socket)
    heard = asyncio.create_task(_heard(mpv))
    assert await mpv.command("get_property", "volume") == 5
    assert await heard == [{"event": "seek"}, {"event": "log", "name": "\ufffd"}]
    assert json.loads(other.said[0]) == {"command": ["get_property", "volume"], "request_id": 1}
    with pytest.raises(MpvGone):
        await mpv.command("get_property", "volume")
    await mpv.aclose()
    server.close()


async def test_an_error_of_mpv_is_told_and_a_missing_property_is_none(tmp_path: Path) -> None:
    for number, ask in enumerate(["command", "find_property"]):
        other = FakeMpv(tmp_path / f"s{number}")
        server = await other.answer(b'{"request_id": 1, "error": "property unavailable"}')
        mpv = await MpvConnection.open(other.socket)
        heard = asyncio.create_task(_heard(mpv))
        if ask == "command":
            with pytest.raises(MpvRefused, match="unavailable"):
                await mpv.command("get_property", "path")
        else:
            assert await mpv.find_property("path") is None
        await heard
        await mpv.aclose()
        server.close()


async def test_a_command_ends_when_mpv_quits(tmp_path: Path) -> None:
    other = FakeMpv(tmp_path / "s")
    server = await other.answer()
    mpv = await MpvConnection.open(other.socket)
    heard = asyncio.create_task(_heard(mpv))
    with pytest.raises(MpvGone):
        await mpv.command("get_property", "volume")
    assert await heard == []
    await mpv.aclose()
    server.close()

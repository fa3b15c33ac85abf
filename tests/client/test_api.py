"""The typed calls, over the wire contract."""

import json
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

import watchkeeper.client
from tests.client.clocks import HandClock
from tests.client.contract_service import (
    PAIRING_CODE,
    PIN,
    PROFILE_ID,
    TOKEN,
    ContractService,
    Refusal,
    Wire,
)
from watchkeeper.client import (
    Counters,
    DeviceType,
    Enforcement,
    Heartbeat,
    NoAnswer,
    PlayState,
    ProblemError,
    TitleRef,
    UnexpectedAnswer,
    WatchkeeperClient,
)
from watchkeeper.core.http_client import RetryPolicy

AT_ONCE = RetryPolicy(waits=(RetryPolicy().waits[0] * 0, RetryPolicy().waits[1] * 0))
FILM = TitleRef(source="mpv", id="f1", name="A film")


@pytest.fixture
def fake() -> ContractService:
    return ContractService(now=HandClock().monotonic)


@pytest.fixture
def wire(fake: ContractService) -> Wire:
    return Wire(fake)


@pytest.fixture
def client(wire: Wire) -> WatchkeeperClient:
    return WatchkeeperClient("http://service/", TOKEN, transport=wire, policy=AT_ONCE)


def a_heartbeat(**fields: Any) -> Heartbeat:
    defaults: dict[str, Any] = {
        "profile_id": PROFILE_ID,
        "device_id": "d1",
        "device_type": DeviceType.TV,
        "state": PlayState.PLAYING,
        "title": FILM,
        "counters": Counters(seq=1, played_ms=0, paused_ms=0),
    }
    return Heartbeat(**defaults | fields)


def test_the_public_surface_is_what_was_promised() -> None:
    assert set(watchkeeper.client.__all__) == {
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
    }


async def test_pairing_gives_the_client_its_token(wire: Wire) -> None:
    client = WatchkeeperClient("http://service", transport=wire)
    pairing = await client.pair(PAIRING_CODE, "d1", DeviceType.TV)
    assert (pairing.profile_id, client.token) == (PROFILE_ID, TOKEN)
    assert (await client.balance(pairing.profile_id)).limit_minutes == 60


async def test_signing_in_gives_the_client_its_token(wire: Wire) -> None:
    client = WatchkeeperClient("http://service", transport=wire)
    sign_in = await client.login("parent@example.com", "secret")
    assert sign_in.user == {"email": "parent@example.com"}
    assert (await client.playback_eligible(PROFILE_ID)).eligible


async def test_a_heartbeat_goes_over_the_wire_as_the_contract_says(
    client: WatchkeeperClient, fake: ContractService
) -> None:
    answer = await client.heartbeat(a_heartbeat(start_key="k"))
    assert answer.enforcement is Enforcement.ALLOWED
    assert (answer.remaining_minutes, answer.ack_seq, answer.grace_seconds) == (60, 1, 120)
    sent = fake.heartbeats[0]
    del sent["at"]
    assert sent == {
        "profile_id": str(PROFILE_ID),
        "device_id": "d1",
        "device_type": "tv",
        "state": "playing",
        "is_paused": False,
        "start_key": "k",
        "title_ref": {"source": "mpv", "id": "f1", "name": "A film"},
        "seq": 1,
        "played_ms": 0,
        "paused_ms": 0,
    }


def test_a_paused_heartbeat_of_a_known_title_and_session() -> None:
    title, session = uuid4(), uuid4()
    wire = a_heartbeat(state=PlayState.PAUSED, title=title, session_id=session, position_ms=7)
    body = wire.wire()
    assert body["is_paused"] is True
    assert (body["title_id"], body["session_id"]) == (str(title), str(session))
    assert body["position_ms"] == 7
    assert json.dumps(body)


async def test_ending_a_session_carries_the_last_counters(
    client: WatchkeeperClient, fake: ContractService
) -> None:
    answer = await client.heartbeat(a_heartbeat())
    counters = Counters(seq=2, played_ms=4000, paused_ms=0)
    end = await client.end_session(answer.session_id, counters)
    assert (end.session_id, end.total_seconds) == (answer.session_id, 4)
    assert fake.used_ms == 4000


async def test_a_heartbeat_is_tried_once_because_the_next_one_heals(
    client: WatchkeeperClient, wire: Wire
) -> None:
    wire.is_cut = True
    with pytest.raises(NoAnswer, match="can't be reached") as caught:
        await client.heartbeat(a_heartbeat())
    assert caught.value.attempts == len(wire.requests) == 1


@pytest.mark.parametrize("call", ["balance", "playback_eligible", "end_session"])
async def test_calls_that_may_be_repeated_are(
    client: WatchkeeperClient, wire: Wire, call: str
) -> None:
    wire.is_cut = True
    with pytest.raises(NoAnswer) as caught:
        await getattr(client, call)(UUID(int=7))
    assert caught.value.attempts == len(wire.requests) == 3


async def test_pairing_is_not_repeated(client: WatchkeeperClient, wire: Wire) -> None:
    wire.is_cut = True
    with pytest.raises(NoAnswer):
        await client.pair(PAIRING_CODE, "d1", DeviceType.TV)
    assert len(wire.requests) == 1


async def test_a_grant_whose_answer_was_lost_is_given_once(
    client: WatchkeeperClient, fake: ContractService, wire: Wire
) -> None:
    wire.loses_answers = True
    with pytest.raises(NoAnswer) as caught:
        await client.grant_with_pin(PROFILE_ID, 15, PIN)
    assert caught.value.attempts == 3
    assert len(fake.grants) == 1
    wire.loses_answers = False
    grant = await client.grant_with_pin(PROFILE_ID, None, PIN)
    assert (grant.granted_minutes, grant.remaining_minutes) == (None, None)
    assert [body["minutes"] for _, body in fake.grants] == [15, None]


async def test_a_refusal_is_a_problem_with_its_members(client: WatchkeeperClient) -> None:
    with pytest.raises(ProblemError, match=r"That PIN isn't right\.") as caught:
        await client.grant_with_pin(PROFILE_ID, 15, "0000")
    problem = caught.value
    assert (problem.status, problem.members) == (403, {"remaining_attempts": 4})
    assert problem.has_type("accounts/wrong-pin")


async def test_the_wait_that_a_refusal_asks_for_is_read(
    client: WatchkeeperClient, fake: ContractService
) -> None:
    fake.refusals = [Refusal(503, "viewing/undecided", headers={"Retry-After": "4"})]
    with pytest.raises(ProblemError) as caught:
        await client.heartbeat(a_heartbeat())
    assert caught.value.retry_after is not None
    assert caught.value.retry_after.total_seconds() == 4


@pytest.mark.parametrize(
    ("type_", "asked", "expected"),
    [
        ("viewing/session-ended", "viewing/session-ended", True),
        ("https://docs.example/problems/viewing/session-ended", "viewing/session-ended", True),
        ("viewing/session-ended-early", "viewing/session-ended", False),
        ("previewing/session-ended", "viewing/session-ended", False),
    ],
)
def test_problem_types_are_compared_bare_or_as_addresses(
    type_: str, asked: str, expected: bool
) -> None:
    problem = ProblemError(type=type_, status=410, title="t", detail="d", members={})
    assert problem.has_type(asked) is expected


@pytest.mark.parametrize("body", [b"<html>Sign in to the hotel</html>", b"[]", b'{"a": 1}', b""])
async def test_a_success_that_is_none_is_no_decision(body: bytes) -> None:
    hotel = httpx.MockTransport(lambda _: httpx.Response(200, content=body))
    client = WatchkeeperClient("http://service", TOKEN, transport=hotel)
    with pytest.raises(UnexpectedAnswer):
        await client.heartbeat(a_heartbeat())


async def test_an_error_without_a_problem_document_is_still_a_problem() -> None:
    proxy = httpx.MockTransport(lambda _: httpx.Response(502, content=b"<html>Bad gateway</html>"))
    client = WatchkeeperClient("http://service", TOKEN, transport=proxy)
    with pytest.raises(ProblemError, match="Bad Gateway") as caught:
        await client.balance(PROFILE_ID)
    assert (caught.value.status, caught.value.type) == (502, "about:blank")

"""The PIN's lock: five compared, then none, whatever comes at once and wherever it comes from."""

import asyncio
import threading
from typing import Any

import pytest

from tests.accounts.steps import pair, pairing_code, post, problem, query, sign_in
from tests.harness.family import API, PIN, Family, bearer
from tests.harness.service import Service, quick_settings, running_service
from watchkeeper.core.config import OffloadSettings

VERIFY = "/parental-controls/pin/verify"
LOCKED = (423, "accounts/pin-locked")
WRONG = (403, "accounts/wrong-pin")


class Compared:
    """Every PIN that is compared with a hash."""

    def __init__(self, service: Service) -> None:
        self.pins: list[str] = []
        hasher = service.app.state.accounts.hasher
        check = hasher.check_pin

        def counted(pin: str, stored: str) -> Any:
            self.pins.append(pin)
            return check(pin, stored)

        hasher.check_pin = counted


@pytest.fixture
async def family(service: Service) -> Family:
    """A household with a PIN whose guardian was never elevated."""
    family = await Family.register(service, with_pin=False)
    await family.call("POST", "/parental-controls/pin", json={"new_pin": PIN})
    return family


async def _try(family: Family, pin: str = "0000", *, token: str | None = None) -> Any:
    headers = bearer(token or family.token)
    return await family.service.client.post(f"{API}{VERIFY}", json={"pin": pin}, headers=headers)


async def _grant(service: Service, child: str, token: str, pin: str) -> Any:
    path = f"/parental-controls/profiles/{child}/viewing-time/grant"
    return await post(service, path, {"minutes": 15, "pin": pin}, token=token)


async def test_five_wrong_pins_then_a_lock_of_thirty_minutes(
    service: Service, family: Family
) -> None:
    compared = Compared(service)
    for remaining in (4, 3, 2, 1, 0):
        answer = await _try(family)
        assert problem(answer) == WRONG
        assert answer.json()["remaining_attempts"] == remaining
        service.clock.advance(seconds=10)

    # Locked 30 minutes from the fifth, which was 10 seconds ago; the right PIN doesn't help.
    for pin in ("0000", PIN):
        answer = await _try(family, pin)
        assert problem(answer) == LOCKED
        assert answer.json()["locked_until"] == "2026-03-10T15:30:40.000Z"
        assert answer.headers["retry-after"] == "1790"
    status = await family.call("GET", "/parental-controls/pin/status")
    assert status["locked_until"] == "2026-03-10T15:30:40.000Z"
    assert len(compared.pins) == 5


async def test_a_lock_holds_on_every_call_that_takes_a_pin(service: Service) -> None:
    family = await Family.register(service)
    child = await family.add_profile("Noa")
    for _ in range(5):
        await _try(family)
    change = {"new_pin": "8888", "current_pin": PIN}
    assert problem(await family.send("POST", "/parental-controls/pin", json=change)) == LOCKED
    assert problem(await _grant(service, child, family.token, PIN)) == LOCKED


async def test_after_the_lock_the_count_is_zero(service: Service, family: Family) -> None:
    for _ in range(6):
        await _try(family)
    service.clock.advance(minutes=30)
    token = await _new_access(service, family)
    answer = await _try(family, token=token)
    assert problem(answer) == WRONG
    assert answer.json()["remaining_attempts"] == 4
    assert (await _try(family, PIN, token=token)).json()["remaining_attempts"] == 5


async def _new_access(service: Service, family: Family) -> str:
    """A fresh access token of the same sign-in, whose count is the family's."""
    answer = await post(service, "/auth/refresh", {"refresh_token": family.refresh_token})
    family.refresh_token = answer.json()["refresh_token"]
    return str(answer.json()["access_token"])


async def test_a_lock_outlives_the_access_token(service: Service, family: Family) -> None:
    for _ in range(5):
        await _try(family)
    assert problem(await _try(family, token=await _new_access(service, family))) == LOCKED


async def test_a_right_pin_clears_the_count(service: Service, family: Family) -> None:
    for _ in range(4):
        await _try(family)
    assert (await _try(family, PIN)).status_code == 200
    assert (await _try(family)).json()["remaining_attempts"] == 4
    wrong = (await query(service, "SELECT cardinality(wrong_at) AS n FROM accounts.pins"))[0].n
    assert wrong == 5


async def test_of_thirty_wrong_pins_at_one_instant_five_are_compared(
    service: Service, family: Family
) -> None:
    compared = Compared(service)
    pins = [f"{number:04}" for number in range(30)]
    answers = await asyncio.gather(*(_try(family, pin) for pin in pins))
    assert len(compared.pins) == 5
    assert sorted(problem(answer) for answer in answers) == [WRONG] * 5 + [LOCKED] * 25


async def test_of_thirty_at_one_instant_in_two_processes_five_are_compared(
    service: Service, family: Family
) -> None:
    async with running_service(service.database_url, clock=service.clock) as second:
        compared = [Compared(service), Compared(second)]
        clients = [service.client, second.client]
        answers = await asyncio.gather(
            *(
                clients[number % 2].post(
                    f"{API}{VERIFY}", json={"pin": f"{number:04}"}, headers=family.headers
                )
                for number in range(30)
            )
        )
    assert sum(len(each.pins) for each in compared) == 5
    assert sorted(answer.status_code for answer in answers) == [403] * 5 + [423] * 25


class HeldComparison:
    """Comparisons that don't end before they are released."""

    def __init__(self, service: Service) -> None:
        self.released = threading.Event()
        hasher = service.app.state.accounts.hasher
        check = hasher.check_pin

        def held(pin: str, stored: str) -> Any:
            assert self.released.wait(timeout=60)
            return check(pin, stored)

        hasher.check_pin = held


async def _attempts(service: Service) -> list[int]:
    rows = await query(service, "SELECT wrong_count FROM accounts.pin_attempts")
    return [row.wrong_count for row in rows]


async def test_an_attempt_is_committed_before_its_comparison(
    service: Service, family: Family
) -> None:
    """So a caller who goes away, or a process that dies, has still used it up."""
    comparison = HeldComparison(service)
    attempt = asyncio.create_task(_try(family, PIN))
    while not await _attempts(service):
        assert not attempt.done()
    # Nor does a comparison keep a connection from anybody else.
    pool: Any = service.database.engine.pool
    assert pool.checkedout() == 0
    attempt.cancel()
    await asyncio.wait([attempt])
    comparison.released.set()
    assert await _attempts(service) == [1]
    assert (await _try(family)).json()["remaining_attempts"] == 3


async def test_a_full_executor_answers_503_and_gives_the_attempts_back(
    database_url: str,
) -> None:
    """One is compared and one waits; the other three find no place."""
    settings = quick_settings(offload=OffloadSettings(hashing_threads=1, hashing_queue=1))
    async with running_service(database_url, settings=settings) as service:
        family = await Family.register(service, with_pin=False)
        await family.call("POST", "/parental-controls/pin", json={"new_pin": PIN})
        comparison = HeldComparison(service)
        attempts = [asyncio.create_task(_try(family)) for _ in range(5)]
        answered = asyncio.Semaphore(0)
        for attempt in attempts:
            attempt.add_done_callback(lambda _: answered.release())
        for _ in range(3):
            await answered.acquire()
        for answer in (attempt.result() for attempt in attempts if attempt.done()):
            assert problem(answer) == (503, "core/overloaded")
            assert int(answer.headers["retry-after"]) >= 1
        assert await _attempts(service) == [2]
        comparison.released.set()
        answers = await asyncio.gather(*attempts)
        assert sorted(answer.status_code for answer in answers) == [403, 403, 503, 503, 503]
        assert (await _try(family)).json()["remaining_attempts"] == 2
        rows = await query(service, "SELECT cardinality(wrong_at) AS n FROM accounts.pins")
        assert rows[0].n == 3


async def test_a_childs_device_has_a_lock_of_its_own(service: Service) -> None:
    family = await Family.register(service)
    child = await family.add_profile("Noa")
    tablet = await family.pair(child, device_id="tablet")
    phone = await family.pair(child, device_id="phone")
    for remaining in (4, 3, 2, 1, 0):
        answer = await _grant(service, child, tablet.token, "0000")
        assert answer.json()["remaining_attempts"] == remaining
    assert problem(await _grant(service, child, tablet.token, PIN)) == LOCKED
    assert (await _grant(service, child, phone.token, PIN)).status_code == 200
    assert (await _try(family, PIN)).status_code == 200


async def test_pairing_again_doesnt_open_a_devices_lock(service: Service) -> None:
    family = await Family.register(service)
    child = await family.add_profile("Noa")
    tablet = await family.pair(child, device_id="tablet")
    for _ in range(5):
        await _grant(service, child, tablet.token, "0000")
    again = await pair(service, await pairing_code(family, child), "tablet")
    token = again.json()["device_token"]
    assert problem(await _grant(service, child, token, PIN)) == LOCKED


async def _fail_twenty_times(service: Service, family: Family, child: str) -> None:
    """From four devices, five times each."""
    for number in range(4):
        device = await family.pair(child, device_id=f"device-{number}")
        for _ in range(5):
            assert problem(await _grant(service, child, device.token, "0000")) == WRONG


async def test_twenty_wrong_in_a_day_dont_lock_the_parents_out(service: Service) -> None:
    family = await Family.register(service)
    child = await family.add_profile("Noa")
    await _fail_twenty_times(service, family, child)

    fresh_device = await family.pair(child, device_id="device-5")
    answer = await _grant(service, child, fresh_device.token, PIN)
    assert problem(answer) == LOCKED
    assert answer.json()["locked_until"] == "2026-03-11T15:00:00.000Z"
    stranger = (await sign_in(service, family.email)).json()["access_token"]
    assert problem(await _try(family, PIN, token=stranger)) == LOCKED
    status = await service.client.get(
        f"{API}/parental-controls/pin/status", headers=bearer(stranger)
    )
    assert status.json()["locked_until"] == "2026-03-11T15:00:00.000Z"

    # The sign-in that was elevated before goes on, and knows of no lock.
    assert (await family.call("GET", "/parental-controls/pin/status"))["locked_until"] is None
    assert (await _try(family, PIN)).status_code == 200

    service.clock.advance(hours=24)
    assert (await _grant(service, child, fresh_device.token, PIN)).status_code == 200


async def test_trust_lapses_thirty_days_after_the_last_elevation(service: Service) -> None:
    family = await Family.register(service)
    service.clock.advance(hours=24 * 30 - 1)
    family.token = await _new_access(service, family)
    await _pretend_twenty_wrong(service)
    assert (await family.call("GET", "/parental-controls/pin/status"))["locked_until"] is None
    service.clock.advance(hours=1)
    family.token = await _new_access(service, family)
    await _pretend_twenty_wrong(service)
    assert problem(await _try(family, PIN)) == LOCKED


async def _pretend_twenty_wrong(service: Service) -> None:
    await query(
        service,
        "UPDATE accounts.pins SET wrong_at = array_fill(CAST(:at AS timestamptz), ARRAY[20])",
        at=service.clock.now(),
    )


async def test_one_households_lock_is_no_others(service: Service, family: Family) -> None:
    other = await Family.register(service)
    for _ in range(6):
        await _try(family)
    assert (await _try(other, PIN)).status_code == 200


async def test_the_pin_appears_in_no_log(
    service: Service, family: Family, capsys: pytest.CaptureFixture[str]
) -> None:
    await _try(family, "7391")
    await _try(family, PIN)
    captured = capsys.readouterr()
    assert "pin/verify" in captured.out + captured.err
    assert "7391" not in captured.out + captured.err
    assert "argon2" not in captured.out + captured.err

"""Whatever the API's description allows, and much that it doesn't, is sent to every call.

No answer is a fault of ours, and every answer has a status, a content type and a shape that the
description names (07, Security). Half of the calls name the household's own objects.
"""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.accounts.steps import staff_token, tell
from tests.harness.cluster import Cluster
from tests.harness.family import PASSWORD, PIN, Family, bearer
from tests.harness.service import SECRETS, Service, quick_settings, running_service
from watchkeeper.app import create_app
from watchkeeper.core.auth import Role

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
BASE_URL = "http://watchkeeper.test"
# Bodies that are accepted. Half of the calls send one with at most one field from the description,
# because bodies that are drawn as a whole seldom get past their first check.
GOOD_BODIES: dict[str, dict[str, Any]] = {
    "POST /api/v1/auth/register": {
        "email": "new@example.com",
        "password": PASSWORD,
        "household_name": "New",
        "timezone": "Europe/Madrid",
    },
    "POST /api/v1/auth/login": {"email": "nobody@example.com", "password": PASSWORD},
    "POST /api/v1/devices/pair": {"code": "ABCDEF", "device_id": "tv", "device_type": "tv"},
    "POST /api/v1/households/invitations": {"email": "other@example.com"},
    "POST /api/v1/households/invitations/accept": {
        "code": "ABCD-EFGH-JKMN",
        "password": PASSWORD,
    },
    "POST /api/v1/parental-controls/pin": {"new_pin": PIN, "current_pin": PIN},
    "POST /api/v1/parental-controls/pin/verify": {"pin": PIN},
    "POST /api/v1/parental-controls/pin/reset": {"password": PASSWORD, "new_pin": PIN},
    "PUT /api/v1/titles/{title_id}": {"name": "A film", "is_educational": True},
    "POST /api/v1/titles/batch": {
        "titles": [{"source": "test", "external_id": "film", "name": "A film"}]
    },
    "POST /api/v1/viewing-time/heartbeat": {
        "profile_id": "{profile_id}",
        "device_id": "living-room",
        "device_type": "tv",
        "title_ref": {"source": "test", "id": "film", "name": "A film"},
        "seq": 1,
        "played_ms": 1000,
        "paused_ms": 0,
    },
    "POST /api/v1/viewing-time/session/{session_id}/end": {},
    "PUT /api/v1/parental-controls/profiles/{profile_id}/viewing-time": {"grace_seconds": 60},
    "POST /api/v1/parental-controls/profiles/{profile_id}/viewing-time/grant": {"minutes": 5},
}

_description = create_app(quick_settings(), database_url="postgresql:///none", secrets=SECRETS)
API_SCHEMA = schemathesis.openapi.from_dict(_description.openapi())
_results = [result for result in API_SCHEMA.get_all_operations() if isinstance(result, Ok)]
OPERATIONS: dict[str, Any] = {result.ok().label: result.ok() for result in _results}


class Callers:
    """A family and an administrator, and ids that mean something."""

    def __init__(self, family: Family, admin: str, known: dict[str, str]) -> None:
        self.family = family
        self.admin = admin
        self.known = known

    @property
    def service(self) -> Service:
        return self.family.service

    async def stay_elevated(self) -> None:
        """Undo what a call may have done to the elevation: ended it, or locked the PIN."""
        status = await self.family.call("GET", "/parental-controls/pin/status")
        if status["locked_until"]:
            self.service.clock.advance(minutes=31)
        if status["elevated_until"] is None or status["locked_until"]:
            await self.family.elevate()

    def headers(self, path: str) -> dict[str, str]:
        """The token of whoever may make the call."""
        is_for_staff = path.startswith(("/api/v1/admin", "/api/v1/titles"))
        return bearer(self.admin if is_for_staff else self.family.token)


@pytest.fixture(scope="module")
async def callers(cluster: Cluster) -> AsyncIterator[Callers]:
    async with (
        cluster.database() as url,
        running_service(url, settings=quick_settings()) as service,
    ):
        family = await Family.register(service)
        child = await family.add_profile("Noa")
        player = family.player(child)
        await player.play(90)
        known = {
            "profile_id": child,
            "session_id": str(player.session_id),
            "grant_id": (await family.grant(child, 5))["grant_id"],
            "id": child,
            "notification_id": await tell(service, family),
            "title_id": (await family.call("GET", "/titles"))["titles"][0]["id"],
        }
        yield Callers(family, await staff_token(service, Role.ADMIN), known)


async def _send(service: Service, case: Any, headers: dict[str, str]) -> httpx.Response:
    """Send a case through the client of this process, as `requests` would put it on the wire."""
    sent = case.as_transport_kwargs(base_url=BASE_URL)
    # Host and length belong to the client, and a generated token would be a caller's.
    sent["headers"] = {
        name: value
        for name, value in sent["headers"].items()
        if name.lower() not in ("authorization", "host", "content-length")
    } | headers
    allowed = {"method", "url", "headers", "params", "data", "json", "files", "cookies"}
    prepared = requests.Request(**{k: v for k, v in sent.items() if k in allowed}).prepare()
    assert prepared.method is not None
    assert prepared.url is not None
    body: Any = prepared.body
    headers_sent: Any = dict(prepared.headers)
    return await service.client.request(
        prepared.method, prepared.url, headers=headers_sent, content=body
    )


def _cases(operation: Any) -> st.SearchStrategy[Any]:
    positive: st.SearchStrategy[Any] = operation.as_strategy(
        generation_mode=GenerationMode.POSITIVE
    )
    if not (operation.body or list(operation.iter_parameters())):
        return positive
    negative: st.SearchStrategy[Any] = operation.as_strategy(
        generation_mode=GenerationMode.NEGATIVE
    )
    return positive | negative


def _name_what_exists(case: Any, known: dict[str, str], data: st.DataObject) -> None:
    """Put ids of ours into the case, and all but one field of a body that is accepted."""
    label = case.operation.label
    if isinstance(case.body, dict):
        kept = set(case.body)
        if label in GOOD_BODIES:
            drawn = data.draw(st.sampled_from([None, *sorted(kept, key=str)]))
            kept = {drawn} & kept
        good = GOOD_BODIES.get(label, {}).items()
        good_body = {name: known["profile_id"] if name == "profile_id" else v for name, v in good}
        if label not in GOOD_BODIES:
            case.body.update({name: known[name] for name in known.keys() & kept})
        case.body = good_body | {name: case.body[name] for name in kept}
    if isinstance(case.path_parameters, dict) and not label.endswith(
        ("DELETE /api/v1/profiles/{id}", "DELETE /api/v1/devices/{id}")
    ):
        names = known.keys() & case.path_parameters.keys()
        case.path_parameters.update({name: known[name] for name in names})


def _examples(number: int) -> settings:
    return settings(
        max_examples=number,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.parametrize("label", OPERATIONS)
@_examples(14)
@given(data=st.data())
async def test_a_guardian_gets_what_the_description_says(
    callers: Callers, label: str, data: st.DataObject
) -> None:
    operation = OPERATIONS[label]
    case = data.draw(_cases(operation))
    if data.draw(st.booleans()):
        _name_what_exists(case, callers.known, data)
    await callers.stay_elevated()
    response = await _send(callers.service, case, callers.headers(operation.path))
    case.validate_response(response, checks=CHECKS)


@pytest.mark.parametrize("label", OPERATIONS)
@_examples(3)
@given(data=st.data())
async def test_nobody_gets_what_the_description_says(
    callers: Callers, label: str, data: st.DataObject
) -> None:
    case = data.draw(_cases(OPERATIONS[label]))
    response = await _send(callers.service, case, {})
    case.validate_response(response, checks=CHECKS)
    if not response.is_success:
        assert response.status_code < 500
    is_open = not OPERATIONS[label].definition.raw.get("security")
    assert is_open or response.status_code in (400, 401, 415, 422), response.text

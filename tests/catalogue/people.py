"""Who calls the catalogue in its tests, besides families."""

from typing import Any

import httpx

from tests.harness.family import API, bearer
from tests.harness.service import Service
from watchkeeper.core.auth import Role


class Staff:
    """Somebody with a staff role, signed in."""

    def __init__(self, service: Service, token: str) -> None:
        self._service = service
        self.token = token

    @classmethod
    async def sign_in(cls, service: Service, role: Role) -> "Staff":
        email = f"{role}@staff.example.com"
        password = "staff only, please"
        await service.app.state.accounts.users.create(email, password, [role], service.clock.now())
        response = await service.client.post(
            f"{API}/auth/login", json={"email": email, "password": password}
        )
        assert response.status_code == 200, response.text
        return cls(service, response.json()["access_token"])

    async def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A call, whatever it answers."""
        return await self._service.client.request(
            method, f"{API}{path}", headers=bearer(self.token), **options
        )

    async def call(self, method: str, path: str, **options: Any) -> Any:
        """A call that must succeed; returns the body."""
        response = await self.send(method, path, **options)
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text}"
        return response.json()

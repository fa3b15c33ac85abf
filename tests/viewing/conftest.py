"""Fixtures of viewing time."""

import pytest

from tests.harness.family import Family
from tests.harness.service import Service


@pytest.fixture
async def family(service: Service) -> Family:
    """A household with a PIN; the guardian's sign-in is elevated."""
    return await Family.register(service)


@pytest.fixture
async def child(family: Family) -> str:
    """A child with default limits (120 minutes on weekdays); today is a Tuesday."""
    return await family.add_profile("Noa")

"""Fixtures of the API as a whole."""

from collections.abc import AsyncIterator

import pytest

from tests.api.people import SETTINGS, People
from tests.harness.cluster import Cluster
from tests.harness.service import running_service


@pytest.fixture(scope="module")
async def people(cluster: Cluster) -> AsyncIterator[People]:
    """One gathering for all tests of a file."""
    async with cluster.database() as url, running_service(url, settings=SETTINGS) as service:
        yield await People.gather(service)

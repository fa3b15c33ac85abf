"""Fixtures that every test may ask for."""

from collections.abc import AsyncIterator

import pytest

from tests.harness.cluster import Cluster
from tests.harness.service import Service, running_service


@pytest.fixture(scope="session")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """The worker's own PostgreSQL."""
    cluster = await Cluster.start(tmp_path_factory.mktemp("cluster"))
    yield cluster
    await cluster.stop()


@pytest.fixture
async def database_url(cluster: Cluster) -> AsyncIterator[str]:
    """A fresh, migrated database."""
    async with cluster.database() as url:
        yield url


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Service]:
    """The service on a fresh database, with a clock moved by hand."""
    async with running_service(database_url) as service:
        yield service

"""Fixtures of the accounts' tests."""

import pytest

from watchkeeper.accounts import passwords


@pytest.fixture(autouse=True)
def _quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash as cheaply as argon2 can: these tests ask what is hashed and when, not how dearly."""
    monkeypatch.setattr(passwords, "MEMORY_KIB", 64)
    monkeypatch.setattr(passwords, "ITERATIONS", 1)

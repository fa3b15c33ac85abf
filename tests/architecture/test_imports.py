"""The walls between packages hold, and the parts that should load late do."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def test_imports_point_one_way() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run(
        [linter, "--no-cache"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("module", "never"),
    [
        # The client is for players: it must not drag the service along.
        ("watchkeeper.client", ("sqlalchemy", "fastapi", "asyncpg", "watchkeeper.core.database")),
        ("watchkeeper.viewing.rules.settlement", ("sqlalchemy", "fastapi", "asyncpg")),
    ],
)
def test_light_parts_load_nothing_heavy(module: str, never: tuple[str, ...]) -> None:
    script = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not set(never) & set(loaded)

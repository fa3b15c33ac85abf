"""The plugin that makes a skipped test fail CI."""

import subprocess
import sys
from pathlib import Path

import pytest

PASSES = "def test_that_passes():\n    pass\n"
SKIPS = 'import pytest\n\n@pytest.mark.skip(reason="no player")\ndef test_skipped():\n    pass\n'
MODULE = 'import pytest\n\npytest.skip("no player", allow_module_level=True)\n'


def run(folder: Path, *options: str) -> tuple[int, list[str]]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", "/dev/null"]
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [*command, "--rootdir", folder, *options, folder],
        cwd=root,
        check=False,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize("workers", [(), ("-n", "1")])
@pytest.mark.parametrize(("source", "status"), [(PASSES, 0), (PASSES + SKIPS, 1), (MODULE, 1)])
def test_a_skip_fails_the_run(
    tmp_path: Path, source: str, status: int, workers: tuple[str, ...]
) -> None:
    (tmp_path / "test_sample.py").write_text(source)
    (tmp_path / "test_other.py").write_text(PASSES)
    strict, lines = run(tmp_path, *workers, "-p", "tests.harness.no_skips")
    assert strict == status
    # pytest's closing line stays the last one.
    assert " in " in lines[-1]


def test_without_the_plugin_a_skip_is_fine(tmp_path: Path) -> None:
    (tmp_path / "test_sample.py").write_text(PASSES + SKIPS)
    status, _ = run(tmp_path)
    assert status == 0

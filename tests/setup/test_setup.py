"""`make` and the set-up script: what people meet first.

The installation itself is proved by CI, which begins with it; here are the roads that end early.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("sh", "cat", "cksum", "printf", "rm", "pwd", "awk", "make", "sed", "dirname")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What the set-up reads, in a folder with a space in its name."""
    folder = tmp_path / "a clone"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    for name in ("scripts", "requirements"):
        shutil.copytree(ROOT / name, folder / name)
    return folder


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder for PATH that has the shell's tools and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in TOOLS:
        found = shutil.which(name)
        if found:
            (folder / name).symlink_to(found)
    return folder


def make(clone: Path, tools: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [shutil.which("make") or "make", "--no-print-directory", *arguments],
        cwd=clone,
        env={"PATH": str(tools), "HOME": str(clone)},
        check=False,
        capture_output=True,
        text=True,
    )


def fake_python(tools: Path, name: str, script: str) -> None:
    path = tools / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def first_lines(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stderr.splitlines() if not line.startswith("make: ***")]


def test_make_alone_lists_the_targets(clone: Path, tools: Path) -> None:
    done = make(clone, tools)
    assert done.returncode == 0
    for target in ("help", "setup", "run", "test", "lint", "types", "bench", "lock", "clean"):
        assert f"make {target} " in done.stdout


def test_without_python_one_line_says_what_to_install(clone: Path, tools: Path) -> None:
    done = make(clone, tools, "setup")
    assert done.returncode != 0
    (line,) = first_lines(done)
    assert "Python 3.11 or newer" in line
    assert "apt-get install python3 python3-venv" in line


def test_an_old_python_is_passed_over(clone: Path, tools: Path) -> None:
    fake_python(tools, "python3", "exit 1")
    (line,) = first_lines(make(clone, tools, "setup"))
    assert "Python 3.11 or newer" in line


def test_an_old_python_that_was_asked_for_is_refused(clone: Path, tools: Path) -> None:
    fake_python(tools, "python3", f'exec "{sys.executable}" "$@"')
    fake_python(tools, "ancient", "exit 1")
    (line,) = first_lines(make(clone, tools, "setup", "PYTHON=ancient"))
    assert "'ancient'" in line


def test_without_venv_one_line_says_what_to_install(clone: Path, tools: Path) -> None:
    without_venv = f'case "$2" in *ensurepip*) exit 1 ;; esac\nexec "{sys.executable}" "$@"'
    fake_python(tools, "python3", without_venv)
    done = make(clone, tools, "setup")
    assert done.returncode != 0
    assert first_lines(done) == [
        "Python's venv is missing: install it, on Debian with: apt-get install python3-venv"
    ]
    assert not (clone / ".venv").exists()


def test_a_failed_installation_is_shown_and_tried_again(clone: Path, tools: Path) -> None:
    shutil.rmtree(clone / "requirements")
    (clone / "requirements").mkdir()
    wrong = "no-such-package-of-ours==1 --hash=sha256:" + "0" * 64
    (clone / "requirements" / "dev.lock").write_text(f"{wrong}\n")
    fake_python(tools, "python3", f'exec "{sys.executable}" "$@"')
    nowhere = {"PIP_NO_INDEX": "1"}
    for _ in range(2):
        done = subprocess.run(
            [shutil.which("sh") or "sh", "scripts/setup.sh"],
            cwd=clone,
            env={"PATH": f"{tools}:{os.defpath}", "HOME": str(clone), **nowhere},
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1
        assert "no-such-package-of-ours" in done.stderr
        assert done.stderr.splitlines()[-1].startswith("The dependencies couldn't be installed")


def test_lock_files_carry_hashes_and_no_addresses() -> None:
    for name in ("run.lock", "dev.lock"):
        text = (ROOT / "requirements" / name).read_text()
        assert "://" not in text
        assert "--index" not in text
        assert "--find-links" not in text
        pins = [line for line in text.splitlines() if "==" in line and not line.startswith(" ")]
        assert len(pins) > 30
        for pin in pins:
            assert pin.endswith("\\"), f"{pin} has no hash"


def test_neither_makefile_nor_scripts_name_an_index() -> None:
    for path in (ROOT / "Makefile", *(ROOT / "scripts").iterdir(), ROOT / ".ci" / "run"):
        text = path.read_text().replace("http://127.0.0.1:8000", "")
        assert "://" not in text, path
        assert "index-url" not in text.replace("--no-emit-index-url", ""), path

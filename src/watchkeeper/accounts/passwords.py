"""Hashing of passwords and PINs. Everything here is slow on purpose: run it in the executor.

argon2id with one lane and 19 MiB (OWASP's first choice), about 50 ms on one core, so that a
flood of checks keeps one core busy and no more. bcrypt hashes from an import are verified, and a
new hash is handed back to be stored. Source: 07, Security.
"""

import base64
import hashlib
import hmac
import secrets

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher
from pwdlib.hashers.bcrypt import BcryptHasher

MEMORY_KIB = 19_456
ITERATIONS = 2
# bcrypt has always ignored what comes after 72 bytes; its newer libraries refuse instead.
_BCRYPT_BYTES = 72


class Hasher:
    """Makes and checks the hashes of one service; `pepper` goes into every PIN's hash."""

    def __init__(self, pepper: bytes) -> None:
        argon2 = Argon2Hasher(time_cost=ITERATIONS, memory_cost=MEMORY_KIB, parallelism=1)
        self._hashes = PasswordHash((argon2, BcryptHasher()))
        self._pepper = pepper

    def hash_password(self, password: str) -> str:
        """A hash to be stored."""
        return self._hashes.hash(password)

    def check_password(self, password: str, stored: str) -> tuple[bool, str | None]:
        """Whether the password is right, and a better hash to store instead, if there is one."""
        if not BcryptHasher.identify(stored):
            try:
                return self._hashes.verify_and_update(password, stored)
            except UnknownHashError:
                # Accounts that nobody may sign in to have no hash.
                return False, None
        is_right = self._hashes.verify(password.encode()[:_BCRYPT_BYTES], stored)
        return is_right, self._hashes.hash(password) if is_right else None

    def hash_pin(self, pin: str) -> str:
        """A hash to be stored; without the pepper, which isn't in the database, it is useless."""
        return self._hashes.hash(self._peppered(pin))

    def check_pin(self, pin: str, stored: str) -> tuple[bool, str | None]:
        """Whether the PIN is right, and a better hash to store instead, if there is one.

        An imported bcrypt hash knows no pepper; its replacement does.
        """
        if not BcryptHasher.identify(stored):
            return self._hashes.verify_and_update(self._peppered(pin), stored)
        is_right = self._hashes.verify(pin, stored)
        return is_right, self.hash_pin(pin) if is_right else None

    def _peppered(self, pin: str) -> str:
        return hmac.new(self._pepper, b"pin:" + pin.encode(), hashlib.sha256).hexdigest()


def decoy_hash() -> str:
    """A well-formed hash that nothing matches; checking against it takes as long as any other.

    An unknown e-mail address is answered after the same work as a wrong password.
    """

    def encoded(count: int) -> str:
        return base64.b64encode(secrets.token_bytes(count)).decode().rstrip("=")

    return f"$argon2id$v=19$m={MEMORY_KIB},t={ITERATIONS},p=1${encoded(16)}${encoded(32)}"

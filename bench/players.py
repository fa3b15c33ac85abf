"""Players as the service sees them: a token each, a session, rising counters."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from bench.wire import Address, request_head, with_body

HEARTBEAT_PATH = "/api/v1/viewing-time/heartbeat"
_DEVICE = "bench-tv"


@dataclass(frozen=True, slots=True)
class Viewer:
    """A load-test child: what `watchkeeper tokens` prints for each."""

    access_token: str
    profile_id: str
    title_id: str

    @classmethod
    def of_json(cls, line: str) -> "Viewer":
        """Read one line of `watchkeeper tokens`."""
        fields = json.loads(line)
        return cls(fields["access_token"], fields["profile_id"], fields["title_id"])

    def as_json(self) -> str:
        """The line again."""
        return json.dumps(
            {
                "access_token": self.access_token,
                "profile_id": self.profile_id,
                "title_id": self.title_id,
            }
        )


def read_viewers(path: Path) -> Iterator[Viewer]:
    """The viewers in a file of `watchkeeper tokens`."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                yield Viewer.of_json(line)


def write_viewers(path: Path, viewers: Iterable[Viewer]) -> None:
    """Write the file that the load generator reads."""
    path.write_text("".join(f"{viewer.as_json()}\n" for viewer in viewers), encoding="utf-8")


class Player:
    """Plays one title for one viewer from its first heartbeat on, without a pause.

    Times are seconds of the generator's monotonic clock.
    """

    __slots__ = ("_beat", "_first", "_head", "_seq", "_started_at", "session_id")

    def __init__(self, viewer: Viewer, address: Address) -> None:
        self._head = request_head("POST", HEARTBEAT_PATH, address, viewer.access_token)
        self._first = (
            f'{{"profile_id":"{viewer.profile_id}","title_id":"{viewer.title_id}",'
            f'"device_id":"{_DEVICE}","device_type":"tv","state":"playing",'
        )
        self._beat = b""
        self._seq = 0
        self._started_at = 0.0
        self.session_id: str | None = None

    def start(self, now: float) -> bytes:
        """The heartbeat that opens a session; a retry of it would open no second one."""
        self._started_at = now
        self._seq = 1
        self.session_id = None
        body = f'{self._first}"start_key":"{uuid4()}","seq":1,"played_ms":0,"paused_ms":0}}'
        return with_body(self._head, body.encode())

    def adopt(self, answer: bytes) -> None:
        """Go on with the session that the service opened; raises ValueError or KeyError."""
        self.session_id = str(json.loads(answer)["session_id"])
        self._beat = f'{self._first}"session_id":"{self.session_id}","seq":'.encode()

    def beat(self, now: float) -> bytes:
        """The next heartbeat: everything since the start was played."""
        self._seq += 1
        played_ms = self.played_ms(now)
        return with_body(
            self._head,
            b'%b%d,"played_ms":%d,"paused_ms":0,"position_ms":%d}'
            % (self._beat, self._seq, played_ms, played_ms),
        )

    def played_ms(self, now: float) -> int:
        """Wall time since the session began."""
        return int((now - self._started_at) * 1000)

    def export(self, now: float) -> str:
        """A line for wrk's script: head, start of the body, last seq and played time."""
        head = self._head.decode().replace("\r\n", "\\r\\n")
        return f"{head}\t{self._beat.decode()}\t{self._seq}\t{self.played_ms(now)}"

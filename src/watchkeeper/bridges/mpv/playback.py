"""What mpv is doing, from its properties."""

import hashlib
import posixpath
import re
from dataclasses import dataclass, field
from typing import Any, ClassVar

from watchkeeper.client import PlayState, TitleRef

SOURCE = "mpv"
_ID_LENGTH = 32
_NAME_LENGTH = 200
_ADDRESS = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(slots=True)
class Playback:
    """The properties of mpv that say whether it plays.

    `has_begun` says that the first picture of what is open was shown. `is_held` says that the
    bridge has paused mpv, so that the pause isn't the person's.
    """

    OBSERVED: ClassVar[tuple[str, ...]] = (
        "pause",
        "idle-active",
        "eof-reached",
        "paused-for-cache",
        "media-title",
    )

    properties: dict[str, Any] = field(default_factory=dict)
    has_begun: bool = False
    is_held: bool = False

    def note(self, name: str, value: Any) -> None:
        """Take over a property's new value; None means that mpv doesn't have it now."""
        self.properties[name] = value

    @property
    def is_over(self) -> bool:
        """Whether nothing is open, or what was open is at its end."""
        return bool(self.properties.get("idle-active") or self.properties.get("eof-reached"))

    @property
    def state(self) -> PlayState:
        """What mpv does, or would do if the bridge didn't hold it.

        A seek is play: the core stands still for a moment, but the person is watching. Opening a
        file and waiting for the network are not.
        """
        if self.is_over:
            return PlayState.ENDED
        if self.properties.get("pause") and not self.is_held:
            return PlayState.PAUSED
        if not self.has_begun or self.properties.get("paused-for-cache"):
            return PlayState.BUFFERING
        return PlayState.PLAYING


def title_of(path: str, media_title: str | None, working_directory: str | None) -> TitleRef:
    """The title for a path or address that mpv plays.

    The id is a hash, the same on every start, so that no folder or account name leaves the
    machine; the name is what mpv shows, without folders and without an address's parameters.
    """
    place = path
    if not _ADDRESS.match(path):
        place = posixpath.normpath(posixpath.join(working_directory or "/", path))
    digest = hashlib.sha256(place.encode(errors="replace")).hexdigest()
    return TitleRef(source=SOURCE, id=digest[:_ID_LENGTH], name=_name_of(path, media_title))


def _name_of(path: str, media_title: str | None) -> str:
    name = _plain_text(media_title or path)
    if _ADDRESS.match(path) and name in path:
        # mpv calls a stream without a title by the end of its address, parameters included.
        name = re.split(r"[?#]", name, maxsplit=1)[0]
    if _ADDRESS.match(name) or name == path:
        name = posixpath.basename(name.rstrip("/"))
    return (name or "Untitled")[:_NAME_LENGTH]


def _plain_text(text: str) -> str:
    """Without control characters, and without the halves of characters that names on disk have."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return re.sub(r"[\x00-\x20\x7f]+", " ", whole).strip()

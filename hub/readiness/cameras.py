"""Cameras: where a picture can be had, of a unit or of a place. The hub keeps the address and never the picture.

Enters: entries by people. Leaves: the feed's `camera`, and the origins that a screen may ask (Content-Security-Policy).
Callers: `hub.api.camera_routes`, `hub.api.guard`. A camera of a unit is seen by whoever sees the unit.

**Source:** HLS is RFC 8216; WHEP is draft-ietf-wish-whep, WebRTC with one HTTP exchange.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

from hub.identity.permissions import Audience
from hub.readiness.kept import Kept
from hub.safety.part import Ground

WAYS = ("hls", "whep")
ORIGINS_MAX = 40
"""Of one header; what is beyond is shown in the list and cannot be opened."""


@dataclass(frozen=True, slots=True)
class Camera:
    """`way` hls or whep. `unit`: id of the unit that carries it, or ""; then `lat`, `lon` say where it stands."""

    id: str
    name: str
    way: str
    url: str
    unit: str
    lat: float | None
    lon: float | None
    agency: str
    by: str
    t_utc_ms: int


def origin_of(url: str) -> str:
    """Scheme, host and port of an address that a browser may open. ValueError says what is wrong with it."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"url = {url[:60]!r}: http://host/… or https://host/… is needed")
    if parts.username is not None or parts.password is not None:
        raise ValueError("url: a name or password in it would be on every screen; use an address without")
    if not parts.netloc.isascii() or any(c in parts.netloc for c in " ;,'\"\\"):
        raise ValueError(f"url: host {parts.netloc[:60]!r} is no host")
    _ = parts.port  # ValueError when it is none
    return f"{parts.scheme}://{parts.netloc.lower()}"


class Cameras(Kept[Camera]):
    """See the module."""

    name, word = "cameras", "camera"

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground, lambda kept: Camera(**kept))
        self._origins: tuple[object, list[str]] = (None, [])

    def sees(self, entry: Camera, audience: Audience) -> bool:
        slot = self._ground.units.slot_by_id.get(entry.unit)
        agency = entry.agency if slot is None else self._ground.units.rows[slot].agency
        return audience.sees(agency)

    def origins(self) -> list[str]:
        """What the page may connect to beside this hub; asked with every request."""
        urls = [camera.url for camera in self]
        if self._origins[0] != urls:
            self._origins = (urls, sorted(set(map(origin_of, urls)))[:ORIGINS_MAX])
        return self._origins[1]

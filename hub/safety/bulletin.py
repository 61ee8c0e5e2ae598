"""A bulletin: one message of whoever warns, as this hub understands it, whatever its form was.

Pure data. Made by `hub.safety.cap` out of CAP 1.2 and, through `hub.safety.gbt35965`, out of GB/T 35965.1.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hub.errors import Refused

BYTES_MAX = 1_048_576
POINTS_MAX = 10_000
"""Of all areas of one bulletin."""
TEXT_MAX = 4_000
COLOURS = ("red", "orange", "yellow", "blue", "")
"""Gravest first; "" is not said."""
COLOUR_ZH = {"red": "红色", "orange": "橙色", "yellow": "黄色", "blue": "蓝色", "": "未分级"}
COLOUR_OF_SEVERITY = {"Extreme": "red", "Severe": "orange", "Moderate": "yellow", "Minor": "blue"}
SEVERITY_OF_COLOUR = {colour: word for word, colour in COLOUR_OF_SEVERITY.items()} | {"": "Unknown"}

Ring = tuple[tuple[float, float], ...]
"""(lon, lat) degrees WGS-84, the last point the first again."""


class BulletinError(Refused):
    """A file that is no bulletin: what came, where, what is allowed."""

    def __init__(self, words: str) -> None:
        super().__init__(422, words[:400])


@dataclass(frozen=True, slots=True)
class Area:
    """Where. `circles`: (lon, lat, radius in metres). `codes`: of GB/T 2260, 6 or more digits."""

    name: str
    polygons: tuple[Ring, ...] = ()
    circles: tuple[tuple[float, float, float], ...] = ()
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reference:
    """An earlier message. `sent_utc_ms` None and `sender` "": not said, any fits."""

    sender: str
    identifier: str
    sent_utc_ms: int | None


@dataclass(frozen=True, slots=True)
class Bulletin:
    """What was said. Times UTC ms; `expires_utc_ms` None: until it is cancelled.

    form            "cap" or "gbt35965"
    kind            alert, update, cancel
    status          actual, exercise, system, test, draft
    zh, en          the headline in both tongues, "" when it was not given
    not_understood  what the file said that was left out, in words
    """

    form: str
    sender: str
    identifier: str
    sent_utc_ms: int
    kind: str
    status: str
    references: tuple[Reference, ...] = ()
    sender_name: str = ""
    event: str = ""
    colour: str = ""
    urgency: str = "Unknown"
    certainty: str = "Unknown"
    language: str = "zh-CN"
    zh: str = ""
    en: str = ""
    description: str = ""
    instruction: str = ""
    onset_utc_ms: int | None = None
    expires_utc_ms: int | None = None
    areas: tuple[Area, ...] = ()
    not_understood: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str, int]:
        """The same message has the same key, by whatever way it came."""
        return self.sender, self.identifier, self.sent_utc_ms

    @property
    def from_utc_ms(self) -> int:
        return self.sent_utc_ms if self.onset_utc_ms is None else self.onset_utc_ms

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def bulletin_of(kept: Mapping[str, Any]) -> Bulletin:
    """Out of a document, as `as_dict` made it and JSON gave it back."""
    areas = tuple(
        Area(
            a["name"],
            tuple(tuple((p[0], p[1]) for p in ring) for ring in a["polygons"]),
            tuple((c[0], c[1], c[2]) for c in a["circles"]),
            tuple(a["codes"]),
        )
        for a in kept["areas"]
    )
    references = tuple(Reference(**r) for r in kept["references"])
    more = {"areas": areas, "references": references, "not_understood": tuple(kept["not_understood"])}
    return Bulletin(**{**kept, **more})

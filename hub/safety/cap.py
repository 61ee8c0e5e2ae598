"""CAP 1.2 to bulletins and back, and the door through which every form comes in.

Enters: bytes of a file. Leaves: `Bulletin`, or BulletinError and nothing else; bytes of CAP 1.2 XML. Pure.
Callers: `hub.safety.warnings`, its routes, `hub.commands.warnings`.

**Source:** OASIS Common Alerting Protocol 1.2, sections 3.2 and 3.3.
"""

import math
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from xml.sax.saxutils import escape

from hub.safety import gbt35965
from hub.safety.bulletin import (
    COLOUR_OF_SEVERITY,
    COLOUR_ZH,
    COLOURS,
    POINTS_MAX,
    SEVERITY_OF_COLOUR,
    TEXT_MAX,
    Area,
    Bulletin,
    BulletinError,
    Reference,
    Ring,
)
from hub.safety.warnings_tree import Node, from_json, xml

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
RADIUS_KM_MAX = 2_000.0
INFOS_MAX, AREAS_MAX, REFERENCES_MAX = 64, 256, 64
_KINDS = {"Alert": "alert", "Update": "update", "Cancel": "cancel"}
_STATUS = ("Actual", "Exercise", "System", "Test", "Draft")
_KNOWN_WORDS = (
    "identifier sender sent status msgType source scope restriction addresses code note references incidents info"
    " language category event responseType urgency severity certainty audience eventCode effective onset expires"
    " senderName headline description instruction web contact parameter resource area areaDesc polygon circle"
    " geocode altitude ceiling valueName value resourceDesc mimeType size uri derefUri digest"
)
_KNOWN = frozenset(_KNOWN_WORDS.split())


def read(data: bytes) -> Bulletin:
    """A bulletin out of CAP 1.2 XML, or out of GB/T 35965.1 in XML or JSON. BulletinError says what is wrong."""
    start = data[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    root = from_json(data.removeprefix(b"\xef\xbb\xbf")) if start[:1] in (b"{", b"[") else xml(data)
    if root.name != "alert":
        raise BulletinError(f"<{root.name[:40]}> came; an <alert> of CAP 1.2 or GB/T 35965.1 is needed")
    form = "cap"
    missing: list[str] = []
    if gbt35965.is_one(root):
        form, (root, missing) = "gbt35965", gbt35965.as_cap(root)
    return _bulletin(root, form, missing)


def _bulletin(root: Node, form: str, missing: list[str]) -> Bulletin:
    said = _Words(form, missing)
    kind = said.one_of(root, "msgType", _KINDS)
    status = said.one_of(root, "status", {word: word.lower() for word in _STATUS})
    identifier, sender = said.name(root, "identifier"), said.name(root, "sender")
    sent = said.time(root, "sent")
    if sent is None:
        raise BulletinError(
            f"{form}: sent = {root.first('sent')[:40]!r}, a time such as 2026-11-24T08:00:00+08:00"
        )
    infos = root.all("info")[:INFOS_MAX]
    if not infos and kind != "cancel":
        raise BulletinError(f"{form}: no <info>; one is needed unless msgType is Cancel")
    made = Bulletin(form, sender, identifier, sent, kind, status, references=said.references(root))
    if infos:
        made = _with_infos(made, infos, said)
    said.strange(root)
    return replace(made, not_understood=tuple(dict.fromkeys(said.missing))[:32])


def _with_infos(made: Bulletin, infos: list[Node], said: "_Words") -> Bulletin:
    """Of several tongues Chinese is taken, else the first; all its infos are one warning, as grave as the gravest."""
    tongues = [info.first("language") or "en-US" for info in infos]
    tongue = next((t for t in tongues if t.lower().startswith("zh")), tongues[0])
    chosen = [info for info, t in zip(infos, tongues, strict=True) if t == tongue]
    colours = [_colour(info, said) for info in chosen]
    head = chosen[min(range(len(chosen)), key=lambda i: COLOURS.index(colours[i]))]
    other = next((i for i, t in zip(infos, tongues, strict=True) if t.lower().startswith("en")), None)
    is_zh = tongue.lower().startswith("zh")
    title = _text(head, "headline") or _text(head, "event")
    onsets = [
        t for info in chosen if (t := said.time(info, "onset") or said.time(info, "effective")) is not None
    ]
    ends = [said.time(info, "expires") for info in chosen]
    known_ends = [t for t in ends if t is not None]
    areas = tuple(said.area(area) for info in chosen for area in info.all("area"))[:AREAS_MAX]
    if sum(len(ring) for area in areas for ring in area.polygons) > POINTS_MAX:
        raise BulletinError(f"{said.form}: its areas have more than {POINTS_MAX} points")
    return replace(
        made,
        sender_name=_text(head, "senderName")[:200],
        event=_text(head, "event")[:200],
        colour=min(colours, key=COLOURS.index),
        urgency=_text(head, "urgency")[:20] or "Unknown",
        certainty=_text(head, "certainty")[:20] or "Unknown",
        language=tongue[:20],
        zh=title[:400] if is_zh else "",
        en=(_text(other, "headline") if other is not None else "")[:400],
        description=_text(head, "description"),
        instruction=_text(head, "instruction"),
        onset_utc_ms=min(onsets, default=None),
        expires_utc_ms=max(known_ends) if known_ends and len(known_ends) == len(ends) else None,
        areas=areas,
    )


def _text(node: Node, name: str) -> str:
    return node.first(name)[:TEXT_MAX]


def _colour(info: Node, said: "_Words") -> str:
    """By severity; where that says nothing, by the colour in the headline."""
    severity = info.first("severity")
    if severity in COLOUR_OF_SEVERITY:
        return COLOUR_OF_SEVERITY[severity]
    if severity not in ("Unknown", ""):
        said.missing.append(f"severity {severity[:40]!r}")
    words = info.first("headline")
    return next((colour for colour, zh in COLOUR_ZH.items() if colour and zh in words), "")


class _Words:
    """Reads the words of one bulletin; what cannot be understood, and need not be, is named in `missing`."""

    def __init__(self, form: str, missing: list[str]) -> None:
        self.form = form
        self.missing = missing

    def one_of(self, node: Node, name: str, words: dict[str, str]) -> str:
        said = node.first(name)
        if said not in words:
            raise BulletinError(f"{self.form}: {name} = {said[:40]!r}, {', '.join(words)} allowed")
        return words[said]

    def name(self, node: Node, name: str) -> str:
        said = node.first(name)
        if not said or len(said) > 200 or re.search(r"[\s,<&\x00-\x1f]", said):
            raise BulletinError(
                f"{self.form}: {name} = {said[:40]!r}, 1–200 characters without space, comma, < or &"
            )
        return said

    def time(self, node: Node, name: str) -> int | None:
        said = node.first(name)
        if not said:
            return None
        found = time_of(said, gbt35965.BEIJING if self.form == "gbt35965" else None)
        if found is None:
            self.missing.append(f"{name} {said[:40]!r}: no time with its zone")
        return found

    def references(self, root: Node) -> tuple[Reference, ...]:
        found = []
        for word in root.first("references").split()[:REFERENCES_MAX]:
            parts = word.split(",")
            if len(parts) == 3 and parts[1]:
                found.append(Reference(parts[0][:200], parts[1][:200], time_of(parts[2], None)))
            else:
                self.missing.append(f"reference {word[:60]!r}: sender,identifier,sent")
        return tuple(found)

    def area(self, node: Node) -> Area:
        rings = [ring for p in node.all("polygon") if p.text and (ring := self._ring(p.text))]
        circles = [c for p in node.all("circle") if p.text and (c := self._circle(p.text))]
        codes = []
        for one in node.all("geocode"):
            code = one.text if not one.children else one.first("value")
            codes += [word for word in re.split(r"[,;\s]+", code) if word]
        return Area(
            _text(node, "areaDesc")[:200], tuple(rings), tuple(circles), tuple(c[:40] for c in codes[:256])
        )

    def _ring(self, text: str) -> Ring | None:
        points = [_point(pair) for pair in text.split()[: POINTS_MAX + 2]]
        ring = [point for point in points if point is not None]
        if len(ring) != len(points) or len(set(ring)) < 3:
            self.missing.append(f"polygon {text[:60]!r}: 3 or more pairs lat,lon")
            return None
        return tuple(ring if ring[0] == ring[-1] else [*ring, ring[0]])

    def _circle(self, text: str) -> tuple[float, float, float] | None:
        centre, _, radius = text.partition(" ")
        point, km = _point(centre), _number(radius)
        if point is None or km is None or not 0 <= km <= RADIUS_KM_MAX:
            self.missing.append(f"circle {text[:60]!r}: lat,lon and kilometres up to {RADIUS_KM_MAX:.0f}")
            return None
        return point[0], point[1], km * 1000.0

    def strange(self, root: Node) -> None:
        """Elements that no standard has here."""
        for node in root.walk():
            if (
                node is not root
                and node.name not in _KNOWN
                and not node.space.startswith("http://www.w3.org")
            ):
                self.missing.append(f"element <{node.name[:40]}>")


def time_of(text: str, zone: timezone | None) -> int | None:
    """UTC ms of an ISO time; `zone` where it names none. None when it is no time of 1970–2200."""
    try:
        moment = datetime.fromisoformat(text.strip())
        if moment.tzinfo is None:
            if zone is None:
                return None
            moment = moment.replace(tzinfo=zone)
        found = round((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))
    except (ValueError, OverflowError):
        return None
    return found if 0 <= found < 7_258_118_400_000 else None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _point(pair: str) -> tuple[float, float] | None:
    lat, _, lon = pair.partition(",")
    y, x = _number(lat), _number(lon)
    return (x, y) if y is not None and x is not None and abs(y) <= 90 and abs(x) <= 180 else None


# --- writing ---------------------------------------------------------------------------------------------------------


def write(made: Bulletin) -> bytes:
    """CAP 1.2 XML, which `read` gives back equal (its form is then "cap")."""
    words = [f'<?xml version="1.0" encoding="UTF-8"?>\n<alert xmlns="{NAMESPACE}">']
    words += [_tag("identifier", made.identifier), _tag("sender", made.sender)]
    words += [_tag("sent", iso(made.sent_utc_ms)), _tag("status", made.status.title())]
    words += [_tag("msgType", made.kind.title()), _tag("scope", "Public")]
    if made.references:
        refs = (
            f"{r.sender},{r.identifier},{'' if r.sent_utc_ms is None else iso(r.sent_utc_ms)}"
            for r in made.references
        )
        words.append(_tag("references", " ".join(refs)))
    words += _info(made, made.language, made.zh or made.en, whole=True)
    if made.zh and made.en:
        words += _info(made, "en-US", made.en, whole=False)
    return "\n".join([*words, "</alert>\n"]).encode()


def _info(made: Bulletin, language: str, headline: str, *, whole: bool) -> list[str]:
    words = ["<info>", _tag("language", language), _tag("category", "Safety"), _tag("event", made.event)]
    words += [_tag("urgency", made.urgency), _tag("severity", SEVERITY_OF_COLOUR[made.colour])]
    words.append(_tag("certainty", made.certainty))
    for name, t_utc_ms in (("onset", made.onset_utc_ms), ("expires", made.expires_utc_ms)):
        if t_utc_ms is not None:
            words.append(_tag(name, iso(t_utc_ms)))
    words += [_tag("senderName", made.sender_name), _tag("headline", headline)]
    if whole:
        words += [_tag("description", made.description), _tag("instruction", made.instruction)]
    for area in made.areas:
        words += ["<area>", _tag("areaDesc", area.name)]
        words += [
            _tag("polygon", " ".join(f"{lat!r},{lon!r}" for lon, lat in ring)) for ring in area.polygons
        ]
        words += [
            _tag("circle", f"{lat!r},{lon!r} {radius_m / 1000.0!r}") for lon, lat, radius_m in area.circles
        ]
        for code in area.codes:
            words.append(f"<geocode><valueName>GB/T 2260</valueName>{_tag('value', code)}</geocode>")
        words.append("</area>")
    return [*words, "</info>"]


def _tag(name: str, text: str) -> str:
    return f"<{name}>{escape(text)}</{name}>"


def iso(t_utc_ms: int) -> str:
    """2026-11-24T08:00:00+08:00, with the milliseconds where there are any."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=t_utc_ms)
    spec = "milliseconds" if t_utc_ms % 1000 else "seconds"
    return moment.astimezone(gbt35965.BEIJING).isoformat(timespec=spec)

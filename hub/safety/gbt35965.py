"""GB/T 35965.1-2018 early-warning files, as the national release platform sends them, in the words of CAP.

Enters: the tree of a file. Leaves: the same tree with CAP's names, and what was not understood. Pure.
Caller: `hub.safety.cap`. The national form is CAP with other names: `sendTime`, `senderCode`, `eventType`, a colour as
severity, references and area codes as plain lists, times in Beijing time.

**Source:** GB/T 35965.1-2018, sections 4 and 5 and annex A: the identifier is ZZZZZZDDDUUUXX_YYYYMMDDhhmmss_N (area of
GB/T 2260, trade, office, extension; time of entry, Beijing; number). Files without `_N` are common and are taken.
"""

import re
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from hub.safety.warnings_tree import Node

BEIJING = timezone(timedelta(hours=8))
_ID = re.compile(r"([0-9A-Za-z]{14})_([0-9]{14})(?:_([0-9]))?", re.ASCII)
_SEVERITY = {
    "Red": "Extreme", "Orange": "Severe", "Yellow": "Moderate", "Blue": "Minor", "红色": "Extreme", "橙色": "Severe",
    "黄色": "Moderate", "蓝色": "Minor", "红": "Extreme", "橙": "Severe", "黄": "Moderate", "蓝": "Minor",
}  # fmt: skip
_RENAMED = {"sendTime": "sent", "eventType": "event"}
_LEFT_OUT = frozenset({"code", "secClassification", "note", "method", "senderCode", "resource", "web"})
"""How it is to be spread, and attachments: nothing of it says what is warned of."""


class NationalId(NamedTuple):
    """The parts of an identifier. `number` None: not given."""

    sender: str
    t_utc_ms: int
    number: int | None

    @property
    def area(self) -> str:
        """The sender's area code of GB/T 2260."""
        return self.sender[:6]


def parse_id(text: str) -> NationalId | None:
    """None when it is no identifier of the standard, such as one with a 30 February."""
    found = _ID.fullmatch(text)
    if found is None:
        return None
    try:
        moment = datetime.strptime(found[2], "%Y%m%d%H%M%S").replace(tzinfo=BEIJING)
        t_utc_ms = round(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
    return NationalId(found[1], t_utc_ms, None if found[3] is None else int(found[3]))


def is_one(root: Node) -> bool:
    """CAP has neither of these names."""
    return any(root.first(name) for name in ("sendTime", "senderCode"))


def as_cap(root: Node) -> tuple[Node, list[str]]:
    """The tree in CAP's words, and what was not understood."""
    missing: list[str] = []
    national = parse_id(root.first("identifier"))
    if national is None:
        missing.append(
            f"identifier {root.first('identifier')[:40]!r}: not of the form 14 characters_time_number"
        )
    out = Node("alert")
    for child in root.children:
        if child.name == "references":
            words = [w for w in re.split(r"[,;\s]+", child.text) if w]
            refs = " ".join(f"{_sender_of(w)},{w}," for w in words)
            out.children.append(Node("references", text=refs))
        elif child.name == "info":
            out.children.append(_info(child, root.first("sender")))
        elif child.name not in _LEFT_OUT and child.name != "sender":
            out.children.append(_renamed(child))
    code = root.first("senderCode") or (national.sender if national else "")
    out.children.append(Node("sender", text=code))
    if not out.first("sent") and national is not None:
        out.children = [c for c in out.children if c.name != "sent"]
        stamp = datetime.fromtimestamp(national.t_utc_ms / 1000, BEIJING)
        out.children.append(Node("sent", text=stamp.isoformat()))
    return out, missing


def _sender_of(identifier: str) -> str:
    national = parse_id(identifier)
    return "" if national is None else national.sender


def _renamed(child: Node) -> Node:
    return Node(_RENAMED.get(child.name, child.name), child.space, child.text, child.children)


def _info(info: Node, sender_name: str) -> Node:
    out = Node("info")
    for child in info.children:
        if child.name == "severity":
            out.children.append(Node("severity", text=_SEVERITY.get(child.text, child.text)))
        elif child.name not in _LEFT_OUT and child.name != "senderName":
            out.children.append(_renamed(child))
    if not out.first("language"):
        out.children.append(Node("language", text="zh-CN"))
    # Its senderName is the clerk who typed it; who warns is the alert's sender.
    out.children.append(Node("senderName", text=sender_name))
    return out

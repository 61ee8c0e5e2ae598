"""Files of strangers to a plain tree: XML without any declaration that could reach out or grow, and JSON.

Enters: bytes. Leaves: `Node`, or BulletinError. Pure. Caller: `hub.safety.cap`.
A DTD, an entity or anything external refuses the file: nothing of CAP needs one, and every attack does.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from hub.safety.bulletin import BYTES_MAX, BulletinError

NODES_MAX = 20_000
DEPTH_MAX = 32
_GB = re.compile(rb"""^\s*<\?xml[^>]{0,200}encoding\s*=\s*["'](gb2312|gbk|gb18030)["']""", re.IGNORECASE)


@dataclass(slots=True)
class Node:
    """One element: local name, namespace, text without the spaces around it, children."""

    name: str
    space: str = ""
    text: str = ""
    children: list["Node"] = field(default_factory=list)

    def all(self, name: str) -> list["Node"]:
        return [child for child in self.children if child.name == name]

    def first(self, *names: str) -> str:
        """The text of the first child of one of these names, "" for none."""
        return next((c.text for name in names for c in self.children if c.name == name and c.text), "")

    def walk(self) -> Iterator["Node"]:
        stack = [self]
        while stack:
            node = stack.pop()
            yield node
            stack += reversed(node.children)


class _Builder:
    """The handlers of one parse."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self._open: list[Node] = []
        self._texts: list[list[str]] = []
        self._count = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > NODES_MAX or len(self._open) >= DEPTH_MAX:
            raise BulletinError(f"xml: more than {NODES_MAX} elements, or {DEPTH_MAX} within one another")
        space, _, local = name.rpartition(" ")
        node = Node(local, space)
        if local == "link" and "href" in attributes:
            node.text = attributes["href"]  # of an Atom index: the only attribute that anybody here reads
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node
        self._open.append(node)
        self._texts.append([])

    def end(self, _name: str) -> None:
        node = self._open.pop()
        node.text = "".join(self._texts.pop()).strip() or node.text

    def data(self, text: str) -> None:
        if self._texts:
            self._texts[-1].append(text)


def _refuse(*_: Any) -> int:
    raise BulletinError("xml: a DTD or an entity is declared; none is allowed")


def xml(data: bytes) -> Node:
    """The tree of an XML document. BulletinError says line and column."""
    _check_size(data)
    if _GB.match(data[:400]):
        try:
            data = data.decode("gb18030").encode()
        except UnicodeDecodeError as err:
            raise BulletinError(f"xml: byte {err.start} is not GB18030, which it declares") from None
        parser = expat.ParserCreate("utf-8", " ")
    else:
        parser = expat.ParserCreate(None, " ")
    builder = _Builder()
    parser.StartElementHandler, parser.EndElementHandler = builder.start, builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = _refuse
    parser.ExternalEntityRefHandler = parser.UnparsedEntityDeclHandler = _refuse
    parser.buffer_text = True
    try:
        parser.Parse(data, True)
    except expat.ExpatError as err:
        raise BulletinError(f"xml: {err}") from None
    except (LookupError, ValueError, TypeError) as err:
        raise BulletinError(f"xml: its encoding cannot be read: {err}") from None
    if builder.root is None:
        raise BulletinError("xml: no element")
    return builder.root


def from_json(data: bytes) -> Node:
    """The same tree out of JSON: a map's keys are the elements, a list is several of them."""
    _check_size(data)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as err:
        raise BulletinError(f"json: {str(err)[:120]}") from None
    if isinstance(value, dict) and isinstance(value.get("alert"), dict):
        value = value["alert"]
    if not isinstance(value, dict):
        raise BulletinError(f"json: a map is needed, {type(value).__name__} came")
    return _node("alert", value, [0], 0)


def _node(name: str, value: Any, count: list[int], depth: int) -> Node:
    count[0] += 1
    if count[0] > NODES_MAX or depth >= DEPTH_MAX:
        raise BulletinError(f"json: more than {NODES_MAX} values, or {DEPTH_MAX} within one another")
    if not isinstance(value, dict):
        scalar = isinstance(value, str | int | float) and not isinstance(value, bool)
        return Node(name, text=str(value).strip() if scalar else "")
    node = Node(name)
    for key, inner in value.items():
        for one in inner if isinstance(inner, list) else [inner]:
            node.children.append(_node(str(key), one, count, depth + 1))
    return node


def _check_size(data: bytes) -> None:
    if len(data) > BYTES_MAX:
        raise BulletinError(f"{len(data)} bytes came, at most {BYTES_MAX} are allowed")

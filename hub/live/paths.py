"""By which ways devices were heard, and the ways back to them.

Enters: arrivals with the way they came by, and when. Leaves: for each device the ways that were good lately, and bytes
for them. Pure but for the senders that it was given. Callers: `hub.live.ingest` (notes), `hub.app` (sends).

The device's own topic is always a way. Beside it an acknowledgement goes back by the way that brought something new
last, other messages by every way that was good in the last ten minutes: everything down may come twice without harm.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from protocols import relay, topics
from protocols.catalog import Bearer
from protocols.datagram import Datagram, pack

MARK = "!"
"""Before a datagram's address, in place of a topic."""
GOOD_MS = 600_000
WAYS_MAX = 4
DEVICES_MAX = 50_000
NARROW = frozenset({Bearer.MESH, Bearer.RDSS})
"""A few dozen bytes a message, one a minute, or shared air."""
NARROW_BYTES, NARROW_MS = 200, 60_000
"""What goes there unasked: nothing longer, and nothing oftener to one device."""
Address = tuple[str, int]
Publish = Callable[[Callable[[str, int], str], int, bytes], None]


class Way(NamedTuple):
    """A way other than the device's own topic: a relay's topic, or an address of a datagram. `bearer`: by what the
    relay heard it."""

    bearer: int
    relay: int = 0
    address: Address | None = None


@dataclass(slots=True)
class Heard:
    """How one way of a device does. `fresh`: frames with something new in them. `down_ms`: when a message went down."""

    last_ms: int
    frames: int = 0
    fresh: int = 0
    down_ms: int | None = None


@dataclass(slots=True)
class Paths:
    """The ways of all devices. `to_address` and `publish` send."""

    publish: Publish
    to_address: Callable[[Address, bytes], None] = lambda _address, _data: None
    _own: dict[int, Heard] = field(default_factory=dict)
    _ways: dict[int, dict[Way, Heard]] = field(default_factory=dict)
    _answer: dict[int, Way] = field(default_factory=dict)

    def note(self, device: int, way: Way, now_ms: int, *, fresh: bool) -> None:
        """An authentic frame or sign of life came. Only what is new opens a way back: a repeat may be somebody's
        recording."""
        ways = self._ways.get(device)
        if ways is None:
            if not fresh or len(self._ways) >= DEVICES_MAX:
                return
            ways = self._ways[device] = {}
        heard = ways.get(way)
        if heard is None:
            if not fresh:
                return
            if len(ways) >= WAYS_MAX:
                del ways[min(ways, key=lambda each: ways[each].last_ms)]
            heard = ways[way] = Heard(now_ms)
        heard.frames += 1
        if fresh:
            heard.last_ms = now_ms
            heard.fresh += 1
            self._answer[device] = way

    def note_own(self, device: int, now_ms: int) -> None:
        """An authentic frame came by the device's own topic: that way is always open, and only shown."""
        heard = self._own.get(device)
        if heard is None:
            if len(self._own) >= DEVICES_MAX:
                return
            heard = self._own[device] = Heard(now_ms)
        heard.frames += 1
        heard.last_ms = now_ms

    def ways(self, device: int) -> dict[Way, Heard]:
        """All that is remembered of one device, but for its own topic."""
        return dict(self._ways.get(device, {}))

    def devices(self) -> set[int]:
        """All that were heard."""
        return {*self._own, *self._ways}

    def via(self, device: int) -> int:
        """The relay that brought its last news, 0: it came by itself."""
        way, own = self._answer.get(device), self._own.get(device)
        if way is None or not way.relay:
            return 0
        heard = self._ways.get(device, {}).get(way)
        return way.relay if heard is not None and (own is None or own.last_ms < heard.last_ms) else 0

    def own(self, device: int) -> Heard | None:
        """How its own topic does; its `fresh` is not counted."""
        return self._own.get(device)

    def acknowledge(self, device: int, data: bytes, now_ms: int) -> None:
        """By the device's own topic, and by the way that brought something new last."""
        self.publish(topics.ack, device, data)
        way = self._answer.get(device)
        if way is not None and self._is_good(device, way, now_ms):
            self._send(device, way, Datagram.ACK, relay.ACK, data)

    def send(self, device: int, data: bytes, now_ms: int, narrow: bytes | None = None) -> None:
        """A message down, by every way there is. `narrow`: what goes by ways of few bytes in its place, b"" nothing;
        None: the message itself where they can bear it."""
        self.publish(topics.orders, device, data)
        for way, heard in self._ways.get(device, {}).items():
            said = data
            if way.bearer in NARROW:
                said = narrow if narrow is not None else data if _bears(heard, data, now_ms) else b""
            if said and self._is_good(device, way, now_ms):
                heard.down_ms = now_ms
                self._send(device, way, Datagram.ORDER, relay.ORDER, said)

    def hand_on(self, device: int, data: bytes, now_ms: int, but: int) -> None:
        """As `send`, what came from above; never back to `but`, the hub that said it."""
        self.publish(topics.orders, device, data)
        for way in self._ways.get(device, {}):
            if (not way.relay or way.relay != but) and self._is_good(device, way, now_ms):
                self._send(device, way, Datagram.ORDER, relay.ORDER, data)

    def narrow_relays(self, device: int, now_ms: int) -> list[int]:
        """Relays that heard the device lately by bearers of few bytes."""
        ways = self._ways.get(device, {})
        return [way.relay for way in ways if way.bearer in NARROW and self._is_good(device, way, now_ms)]

    def broadcast(self, relay_device: int, data: bytes) -> None:
        """To a relay, for everybody who hears its narrow bearers."""
        self.publish(
            topics.back, relay_device, relay.pack_back(relay.Back(relay.EVERYBODY, relay.ORDER, data))
        )

    def is_wide(self, device: int, now_ms: int, within_ms: int) -> bool:
        """Whether the device was heard within this time by a way that carries whole messages."""
        heard = [heard for way, heard in self._ways.get(device, {}).items() if way.bearer not in NARROW]
        own = self._own.get(device)
        return any(0 <= now_ms - one.last_ms < within_ms for one in [*heard, *([own] if own else [])])

    def _is_good(self, device: int, way: Way, now_ms: int) -> bool:
        heard = self._ways.get(device, {}).get(way)
        return heard is not None and 0 <= now_ms - heard.last_ms < GOOD_MS

    def _send(self, device: int, way: Way, kind: Datagram, lane: str, data: bytes) -> None:
        if way.address is not None:
            self.to_address(way.address, pack(kind, data))
        else:
            self.publish(topics.back, way.relay, relay.pack_back(relay.Back(device, lane, data)))


def _bears(heard: Heard, data: bytes, now_ms: int) -> bool:
    """Whether a narrow way bears a message now."""
    waits = heard.down_ms is not None and 0 <= now_ms - heard.down_ms < NARROW_MS
    return len(data) <= NARROW_BYTES and not waits


def mark(what: Datagram, address: Address) -> str:
    """What stands in place of a topic for a datagram."""
    return f"{MARK}{int(what)}{address[0]} {address[1]}"


def parse_mark(topic: str) -> tuple[Datagram, Address] | None:
    """What a datagram's mark says; None for a topic."""
    if not topic.startswith(MARK):
        return None
    host, _, port = topic[2:].rpartition(" ")
    return Datagram(int(topic[1])), (host, int(port))

"""The driver `mesh`: a Meshtastic radio on a serial port, and the nodes that it hears.

Enters: the radio's bytes. Leaves: one observation a packet of another node, their names and texts, and bytes for the
radio. Called through the table in `drivers.py`; `send_frame` and `taken` are for a bearer: our own frames in packets.
The radio itself is not an observation: it is carried by the one who carries the gateway.
"""

from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from firmware_bridge import mesh_wire as wire
from firmware_bridge import mesh_words as words
from firmware_bridge.interface import DriverRow, Settings
from firmware_bridge.stream_driver import StreamDriver
from protocols.catalog import Said, Source, field_id
from protocols.samples import Heard, Identity, Note, Observed
from protocols.units import MS_PER_S, NS_PER_MS

ASK_AGAIN_MS = 15_000
"""A radio that has not told its whole configuration by then is asked again. 250 nodes take 3 s."""
HEARTBEAT_MS = 60_000
"""The firmware closes a serial connection that is silent for 15 minutes."""
SILENT_MS = 180_000
"""A radio that answers no heartbeat for so long was restarted without a word: it is asked anew."""
QUEUE_HOLD_MS = 5_000
"""While the radio's queue is full it is given nothing, and tried again after so long."""
QUEUED_MAX, TAKEN_MAX, NODES_MAX, BLURRED_MAX = 16, 32, 300, 300
PLACE_AGE_S_MAX = 86_400
HEARD_AGE_S_MAX = 900
"""Of a node that the radio remembers: an older position, or battery, is not told."""
CLOCK_SLACK_S = 60
NONCE = 0x5A00_0000
HOPS_DEFAULT, HOPS_MAX, CHANNELS = 3, 7, 8
_AGE = field_id("obs_age_s")


@dataclass(frozen=True, slots=True)
class MeshOptions:
    """`channel`: the radio's channel that our frames take, 0 the primary one; `hops`: how far they are passed on."""

    channel: int = 0
    hops: int = HOPS_DEFAULT


class MeshFrame(NamedTuple):
    """Bytes that another gateway sent through the mesh, to us or to all."""

    sender: int
    to: int
    data: bytes


def options(raw: dict[str, Any], folder: Path) -> MeshOptions:
    """See `interface.DriverRow`."""
    limits = {"channel": (0, CHANNELS - 1), "hops": (1, HOPS_MAX)}
    for key, value in raw.items():
        if key not in limits:
            raise ValueError(f"options: {key!r} is unknown; known are {', '.join(limits)}")
        lo, hi = limits[key]
        if type(value) is not int or not lo <= value <= hi:
            raise ValueError(f"options.{key}: a whole number of {lo}–{hi} needed, got {value!r}")
    return MeshOptions(**raw)


class MeshDriver(StreamDriver):
    """One radio on one port."""

    _splitter: wire.MeshSplitter  # type: ignore[assignment]

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.taken: deque[MeshFrame] = deque(maxlen=TAKEN_MAX)
        """Frames that came, for a bearer, which takes them out; the oldest ones fall out."""
        self.own: int | None = None
        """The radio's own node number, once it has told it."""
        self.channel_use_pct: float | None = None
        self.air_use_pct: float | None = None
        """How busy the channel is, and how much of that is ours, as the radio tells it now and then."""
        self.talk_mono_ns: int | None = 0
        self._splitter = wire.MeshSplitter(self.stats, self._message)
        self._options: MeshOptions = settings.options or MeshOptions()
        self._ready = False
        self._asked = 0
        self._now_ns = self._heard_ns = self._ask_ns = self._heartbeat_ns = self._hold_ns = 0
        self._queue: deque[bytes] = deque()
        self._free = 1
        self._radio_zero_s: int | None = None
        self._remembered: dict[int, words.Node] = {}
        self._blurred: set[int] = set()
        self._model = ""

    # --- bytes in ----------------------------------------------------------------------------------

    def feed(self, data: bytes, t_mono_ns: int) -> list[Any]:
        """See `interface.Driver`."""
        self._now_ns = t_mono_ns
        return super().feed(data, t_mono_ns)

    def _silent(self) -> None:
        """A silence completes nothing: each frame stands alone."""

    def _message(self, tag: int, value: int | bytes) -> None:
        self._heard_ns = self._now_ns
        try:
            used = self._number(tag, value) if isinstance(value, int) else self._bytes(tag, value)
        except wire.MeshWireError:
            self.stats.bad += 1
            return
        if used:
            self.stats.good += 1
        else:
            self.stats.skipped += 1

    def _number(self, tag: int, value: int) -> bool:
        if tag == wire.REBOOTED:
            self._begin_again()
        elif value == NONCE + self._asked and not self._ready:  # else of an older question
            self._ready = True
            self._free, self._heartbeat_ns = 1, self._now_ns + HEARTBEAT_MS * NS_PER_MS
            self._schedule()
            self._out.append(Note("mesh", {"node": text_id(self.own or 0), "asked": self._asked}))
        return True

    def _bytes(self, tag: int, value: bytes) -> bool:
        if tag == wire.PACKET:
            return self._packet(words.packet(value))
        if tag == wire.NODE_INFO:
            self._node(words.node(value))
        elif tag == wire.MY_INFO:
            told = wire.read(value)
            self.own = wire.number(told, words.MY_NUM)
            self._model = wire.part(told, words.PIO_ENV).decode("utf-8", "replace")
        elif tag == wire.METADATA:
            firmware = wire.part(wire.read(value), words.FIRMWARE).decode("utf-8", "replace")
            self._out.append(Identity(f"Meshtastic {self._model}".strip(), firmware))
        elif tag == wire.QUEUE_STATUS:
            self._queue_status(wire.read(value))
        else:
            return False
        return True

    def _begin_again(self) -> None:
        """The radio has restarted, or is silent: what it was asked is lost, what it knew may have changed."""
        self._ready = False
        self._radio_zero_s = None
        self._remembered.clear()
        self._ask_ns = self._now_ns
        self._schedule()

    def _queue_status(self, told: wire.Words) -> None:
        self._free = wire.number(told, words.FREE)
        self._hold_ns = self._now_ns + QUEUE_HOLD_MS * NS_PER_MS
        result = wire.signed(told, words.RESULT)
        if result:
            self._out.append(Note("mesh", {"refused": result}))
        self._schedule()

    # --- other nodes -------------------------------------------------------------------------------

    def _packet(self, packet: words.Packet | None) -> bool:
        if packet is None or self.own is None or packet.sender == 0:
            return False
        if packet.rx_s:
            self._radio_zero_s = packet.rx_s - self._now_ns // (MS_PER_S * NS_PER_MS)
            self._tell_remembered()
        if packet.sender == self.own:
            return self._own_packet(packet)
        values = self._values(packet)
        if values is None:
            return False
        values = packet.values | values
        if values:
            self._out.append(Observed(Source.MESH, packet.sender, values))
        return True

    def _own_packet(self, packet: words.Packet) -> bool:
        if packet.port != words.TELEMETRY_APP:
            return False
        self.channel_use_pct, self.air_use_pct = words.air_use(packet.payload)
        return True

    def _values(self, packet: words.Packet) -> words.Values | None:
        """What the packet says of its sender; None for kinds that are not used."""
        if packet.port == words.POSITION_APP:
            place = words.place(packet.payload)
            return self._placed(packet.sender, place, packet.rx_s) if place else {}
        if packet.port == words.TELEMETRY_APP:
            return words.telemetry(packet.payload)
        if packet.port == words.NODEINFO_APP:
            self._hear(packet.sender, Said.NAME, words.name(packet.payload))
        elif packet.to not in (self.own, words.BROADCAST):
            return None
        elif packet.port in words.TEXT_APPS:
            self._hear(packet.sender, Said.MESSAGE, packet.payload.decode("utf-8", "replace"))
        elif packet.port == words.PRIVATE_APP:
            self.taken.append(MeshFrame(packet.sender, packet.to, packet.payload))
        else:
            return None
        return {}

    def _placed(self, sender: int, place: words.Place, now_s: int) -> words.Values:
        """A position with its age, where both clocks are known; nothing of one that the sender has blurred."""
        if place.blur_m:
            if sender not in self._blurred and len(self._blurred) < BLURRED_MAX:
                self._blurred.add(sender)
                self._out.append(Note("mesh", {"node": text_id(sender), "blur_m": place.blur_m}))
            return {}
        age_s = now_s - place.t_s
        if not now_s or not place.t_s or age_s < -CLOCK_SLACK_S:
            return place.values
        return place.values | {_AGE: max(0, age_s)}

    def _hear(self, sender: int, what: Said, text: str) -> None:
        if text:
            self._out.append(Heard(Source.MESH, sender, what, text))

    def _node(self, node: words.Node) -> None:
        """A name is good at any age. The rest waits until the radio's clock is known: it may be weeks old."""
        if node.number in (0, self.own):
            return
        self._hear(node.number, Said.NAME, node.name)
        if len(self._remembered) < NODES_MAX:
            self._remembered[node.number] = node
        if self._radio_zero_s is not None:
            self._tell_remembered()

    def _tell_remembered(self) -> None:
        if not self._remembered or self._radio_zero_s is None:
            return
        now_s = self._radio_zero_s + self._now_ns // (MS_PER_S * NS_PER_MS)
        for node in self._remembered.values():
            values: words.Values = {}
            if node.heard_s and now_s - node.heard_s <= HEARD_AGE_S_MAX:
                values |= node.values
            if node.place is not None and node.place.t_s:
                placed = self._placed(node.number, node.place, now_s)
                if placed.get(_AGE, PLACE_AGE_S_MAX) < PLACE_AGE_S_MAX:
                    values |= placed
            if values:
                self._out.append(Observed(Source.MESH, node.number, values))
        self._remembered.clear()

    # --- bytes out ---------------------------------------------------------------------------------

    def send_frame(self, data: bytes, to: int = words.BROADCAST) -> bool:
        """Queue up to 233 bytes for node `to`, or for all gateways on the channel; `talk` hands them to the radio,
        which decides when they go out: seconds each, and nothing tells that they arrived.

        False, and nothing is queued: empty or too long, QUEUED_MAX are waiting, or the radio is not ready.
        """
        if not 0 < len(data) <= words.DATA_SIZE_MAX or not 0 < to <= words.BROADCAST:
            return False
        if not self._ready or len(self._queue) >= QUEUED_MAX:
            return False
        inner = wire.put(words.PORTNUM, words.PRIVATE_APP) + wire.put(words.PAYLOAD, data)
        packet = (
            wire.put(words.TO, to)
            + (wire.put(words.CHANNEL, self._options.channel) if self._options.channel else b"")
            + wire.put(words.DECODED, inner)
            + wire.put(words.HOP_LIMIT, self._options.hops)
        )
        self._queue.append(wire.frame(wire.put(wire.TO_PACKET, packet)))
        self._schedule()
        return True

    @property
    def is_ready(self) -> bool:
        """Whether the radio has told its configuration and takes frames."""
        return self._ready

    @property
    def queued(self) -> int:
        """Frames that wait for the radio."""
        return len(self._queue)

    def talk(self, t_mono_ns: int) -> bytes:
        """See `interface.Driver`: the question for all that the radio knows, heartbeats, frames."""
        self._now_ns = t_mono_ns
        out = b""
        if self._ready and t_mono_ns - self._heard_ns >= SILENT_MS * NS_PER_MS:
            self._begin_again()
        if not self._ready:
            if t_mono_ns >= self._ask_ns:
                self._asked += 1
                self._ask_ns = t_mono_ns + ASK_AGAIN_MS * NS_PER_MS
                out = question(self._asked)
        else:
            if t_mono_ns >= self._heartbeat_ns:
                self._heartbeat_ns = t_mono_ns + HEARTBEAT_MS * NS_PER_MS
                out = wire.frame(wire.put(wire.HEARTBEAT, b""))
            if self._queue and (self._free > 0 or t_mono_ns >= self._hold_ns):
                out += self._queue.popleft()
                self._free = max(0, self._free - 1)
                self._hold_ns = t_mono_ns + QUEUE_HOLD_MS * NS_PER_MS
        self._schedule()
        return out

    def _schedule(self) -> None:
        if not self._ready:
            self.talk_mono_ns = self._ask_ns
            return
        self.talk_mono_ns = self._heartbeat_ns
        if self._queue:
            due_ns = self._now_ns if self._free > 0 else self._hold_ns
            self.talk_mono_ns = min(self._heartbeat_ns, due_ns)


def question(nonce: int) -> bytes:
    """Wake the radio, and ask for everything that it knows."""
    return wire.WAKE + wire.frame(wire.put(wire.WANT_CONFIG, NONCE + nonce))


def text_id(number: int) -> str:
    """A node's number as the mesh writes it."""
    return f"!{number:08x}"


ROWS = (
    DriverRow(
        "mesh", "Meshtastic radio: nodes of its mesh", MeshDriver, wire.count_messages, ("observed", "heard", "note"),
        options=options, bauds=(115_200, 38_400), probe=question(0),
    ),
)  # fmt: skip

"""An emulated Meshtastic radio and the nodes around it.

Enters: the truth of each node, what a program writes, the time. Leaves: the radio's bytes, with the log text that the
real firmware prints between frames. Called by drills and tests.
"""

import struct
from dataclasses import dataclass

from firmware_bridge import mesh_wire as wire
from firmware_bridge import mesh_words as words

INPUT_SIZE_MAX = 4_096
QUEUE_MAX = 16
LOG = b"\x1b[32mINFO  \x1b[0m| 09:12:03 418 [Router] Received nodeinfo from=0xa1b2c3d4\x1b[0m\r\n"


@dataclass(slots=True)
class NodeTruth:
    """One node. Degrees, metres, km/h; `hops` from our radio; `precision_bits` 32 for the exact position; `fix_age_s`
    how old its receiver's fix is; no position while `lat_deg` is None."""

    number: int
    long_name: str
    short_name: str = ""
    lat_deg: float | None = None
    lon_deg: float = 0.0
    alt_m: int = 0
    speed_kmph: int = 0
    track_deg: float = 0.0
    battery_pct: int = 80
    voltage_v: float = 3.9
    rssi_dbm: int = -90
    snr_db: float = 6.25
    hops: int = 0
    precision_bits: int = 32
    fix_age_s: int = 0
    heard_ago_s: int = 0


def _float_bits(value: float) -> int:
    (bits,) = struct.unpack("<I", struct.pack("<f", value))
    return int(bits)


class MeshRadio:
    """The radio. Its serial API is open from the first question on; `sent` is what was given to it for the mesh."""

    def __init__(self, number: int, nodes: list[NodeTruth], utc_s: int, *, prints_log: bool = True) -> None:
        """`utc_s`: the radio's clock at t_ms 0; 0 for a radio without one."""
        self.number = number
        self.nodes = nodes
        self.open = False
        self.heartbeats = 0
        self.sent: list[bytes] = []
        self.free = QUEUE_MAX
        self._utc_s = utc_s
        self._log = LOG if prints_log else b""
        self._t_ms = 0
        self._id = 0
        self._heard = b""

    @property
    def now_s(self) -> int:
        """The radio's clock; 0 without one."""
        return self._utc_s + self._t_ms // 1_000 if self._utc_s else 0

    def step(self, t_ms: int) -> bytes:
        """What comes in this moment: of each node its position and its battery."""
        self._t_ms = t_ms
        out = b""
        for node in self.nodes:
            if node.lat_deg is not None:
                out += self.packet(node, words.POSITION_APP, self._position(node))
            out += self.packet(node, words.TELEMETRY_APP, self._telemetry(node))
        return out

    def says(self, node: NodeTruth, text: str) -> bytes:
        """A text to all."""
        return self.packet(node, words.TEXT_APP, text.encode())

    def packet(self, node: NodeTruth, port: int, payload: bytes, to: int = words.BROADCAST) -> bytes:
        """A packet of one node as the radio passes it on; nothing while the API is not open."""
        inner = wire.put(words.PORTNUM, port) + wire.put(words.PAYLOAD, payload) + wire.put(words.BITFIELD, 1)
        return self._passed_on(node, wire.put(words.DECODED, inner), to)

    def secret(self, node: NodeTruth) -> bytes:
        """A packet that the radio has no key for."""
        return self._passed_on(node, wire.put(words.ENCRYPTED, bytes(range(40))), words.BROADCAST)

    def reboot(self) -> bytes:
        """Power off and on: boot text, and the word of it; then silence until it is asked."""
        self.open = False
        self._heard = b""
        return b"ets Jul 29 2019 12:21:46\r\nrst:0x1 (POWERON_RESET)\r\n" + self._from_radio(
            wire.put(wire.REBOOTED, 1)
        )

    def answer(self, data: bytes) -> bytes:
        """What the radio says to what a program wrote."""
        self._heard = (self._heard + data)[-INPUT_SIZE_MAX:]
        out = b""
        while (start := self._heard.find(wire.SYNC)) >= 0:
            size = int.from_bytes(self._heard[start + 2 : start + 4], "big")
            end = start + wire.HEADER_SIZE + size
            if len(self._heard) < end or len(self._heard) < start + wire.HEADER_SIZE:
                break
            out += self._asked(self._heard[start + wire.HEADER_SIZE : end])
            self._heard = self._heard[end:]
        return out

    def _asked(self, payload: bytes) -> bytes:
        try:
            told = wire.read(payload)
        except wire.MeshWireError:
            return b""
        if wire.WANT_CONFIG in told:
            self.open = True
            return self._configuration(wire.number(told, wire.WANT_CONFIG))
        if wire.HEARTBEAT in told:
            self.heartbeats += 1
        elif wire.TO_PACKET in told:
            if self.free == 0:
                return self._queue_status(1)
            self.sent.append(wire.part(told, wire.TO_PACKET))
            self.free -= 1
        return self._queue_status(0)

    def _configuration(self, nonce: int) -> bytes:
        me = wire.put(words.MY_NUM, self.number) + wire.put(words.PIO_ENV, b"tbeam")
        out = self._from_radio(wire.put(wire.MY_INFO, me))
        out += self._node_info(NodeTruth(self.number, "本机", "me"))
        out += self._from_radio(wire.put(wire.METADATA, wire.put(words.FIRMWARE, b"2.7.4.c1f4f79")))
        out += self._from_radio(wire.put(42, b"\x0a\x02\x08\x01"))  # a part of its settings
        for node in self.nodes:
            out += self._node_info(node)
        return out + self._from_radio(wire.put(wire.CONFIG_COMPLETE, nonce))

    def _node_info(self, node: NodeTruth) -> bytes:
        user = wire.put(10, f"!{node.number:08x}".encode()) + wire.put(
            words.LONG_NAME, node.long_name.encode()
        )
        user += wire.put(words.SHORT_NAME, node.short_name.encode())
        info = wire.put(words.NUM, node.number) + wire.put(words.USER, user)
        if node.lat_deg is not None:
            info += wire.put(words.POSITION, self._position(node, node.heard_ago_s))
        info += wire.put(words.SNR, _float_bits(node.snr_db))
        if self.now_s:
            info += wire.put(words.LAST_HEARD, self.now_s - node.heard_ago_s)
        info += wire.put(words.METRICS, self._metrics(node)) + wire.put(words.HOPS_AWAY, node.hops)
        return self._from_radio(wire.put(wire.NODE_INFO, info))

    def _position(self, node: NodeTruth, ago_s: int = 0) -> bytes:
        assert node.lat_deg is not None
        mask = 0xFFFF_FFFF << 32 - node.precision_bits & 0xFFFF_FFFF
        out = wire.put(words.LAT, round(node.lat_deg * 1e7) & mask) + wire.put(
            words.LON, round(node.lon_deg * 1e7) & mask
        )
        out += wire.put(words.ALTITUDE, node.alt_m)
        if self.now_s:
            out += wire.put(words.TIMESTAMP, self.now_s - ago_s - node.fix_age_s)
        out += wire.put(words.SPEED, node.speed_kmph) + wire.put(words.TRACK, round(node.track_deg * 100_000))
        return out + wire.put(words.FIX_TYPE, 3) + wire.put(words.PRECISION, node.precision_bits)

    def _metrics(self, node: NodeTruth) -> bytes:
        return wire.put(words.BATTERY, node.battery_pct) + wire.put(
            words.VOLTAGE, _float_bits(node.voltage_v)
        )

    def _telemetry(self, node: NodeTruth) -> bytes:
        return wire.put(13, self.now_s) + wire.put(words.DEVICE_METRICS, self._metrics(node))

    def _passed_on(self, node: NodeTruth, variant: bytes, to: int) -> bytes:
        if not self.open:
            return self._log
        self._id += 1
        packet = wire.put(words.FROM, node.number) + wire.put(words.TO, to) + variant + wire.put(53, self._id)
        if self.now_s:
            packet += wire.put(words.RX_TIME, self.now_s)
        if node.number != self.number:
            packet += wire.put(words.RX_SNR, _float_bits(node.snr_db)) + wire.put(
                words.RX_RSSI, node.rssi_dbm
            )
        packet += wire.put(words.HOP_LIMIT, 3 - node.hops) + wire.put(words.HOP_START, 3)
        return self._log + self._from_radio(wire.put(wire.PACKET, packet))

    def _queue_status(self, result: int) -> bytes:
        told = wire.put(words.RESULT, result) + wire.put(words.FREE, self.free) + wire.put(24, QUEUE_MAX)
        return self._from_radio(wire.put(wire.QUEUE_STATUS, told))

    def _from_radio(self, variant: bytes) -> bytes:
        self._id += 1
        return wire.frame(wire.put(8, self._id) + variant)

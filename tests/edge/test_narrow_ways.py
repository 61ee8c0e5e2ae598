"""Alarms and the trail by BeiDou and LoRa while there is no IP: the real drivers, emulated devices, and back.

Virtual time; the hub's end is a gateway of the same drivers, as a command-type terminal next to a hub is.
"""

import math
from collections.abc import Callable
from typing import Any

import pytest

from edge.bearers.interface import BearerStats, Traits
from edge.bearers.mesh import MeshBearer
from edge.bearers.rdss import RdssBearer
from edge.config import MeshConfig, RdssConfig
from edge.narrow_sender import PROOF_MS, NarrowSender
from edge.sender import Sender
from edge.serial_worker import SerialWorker
from edge.spool import Spool
from firmware_bridge import mesh_wire as wire
from firmware_bridge import mesh_words as words
from firmware_bridge.interface import Settings
from firmware_bridge.mesh_radio import MeshDriver
from firmware_bridge.rdss import RdssDriver, RdssOptions
from protocols import acks, datagram, narrow, opening
from protocols.acks import Ack
from protocols.brief import BROADCAST_MARK
from protocols.catalog import Bearer, BearerState, EventCode, Kind, Lane, Stream
from protocols.datagram import Datagram
from protocols.frame import FRAME_BYTES_MAX, Row
from protocols.intervals import Intervals
from protocols.keys import MacKey
from sim.devices.mesh_radio import MeshRadio, NodeTruth
from sim.devices.rdss import Satellite, Terminal

UTC_MS = 1_795_000_000_000
SOLDIER, HUB = 123_456, 654_321


class Port(SerialWorker):
    """A port whose device is a function: bytes to bytes."""

    def __init__(self, driver: Any, device: Any) -> None:
        self._driver = driver
        self._device = device
        self.plugged = True

    def fileno(self) -> int | None:
        return 0 if self.plugged else None

    def run(self, t_ms: int) -> None:
        t_ns = t_ms * 1_000_000
        data = self._device.step(t_ms) + self._device.answer(self._driver.talk(t_ns))
        if data:
            self._driver.feed(data, t_ns)
        else:
            self._driver.idle(t_ns)


class NarrowHub:
    """What a hub does with narrow frames: rows it counts, previews it only shows."""

    def __init__(self, mac_key: MacKey) -> None:
        self.mac_key = mac_key
        self.rows: dict[tuple[int, int, int], dict[int, int]] = {}
        self.held: dict[tuple[int, int], Intervals] = {}
        self.previews: list[tuple[int, int]] = []
        self.twice = 0
        self.sizes: list[int] = []

    def take(self, packet: bytes) -> list[bytes]:
        """The acknowledgements for it, as messages back."""
        self.sizes.append(len(packet))
        keys = set()
        for part in opening.parts(packet):
            envelope = opening.open_envelope(part, self.mac_key)
            decoded = opening.decode(part, envelope, self.mac_key)
            if envelope.is_preview:
                self.previews.append((decoded.t_mono_ms[-1] + (decoded.utc_zero_ms or 0), envelope.n))
                continue
            for i in range(envelope.n):
                key = (envelope.boot, envelope.stream, envelope.row + i)
                self.twice += key in self.rows
                values = {bit: column[i] for bit, column in decoded.columns.items()}
                self.rows[key] = {bit: value for bit, value in values.items() if value is not None}
                self.held.setdefault(key[:2], Intervals()).add(key[2], key[2])
                keys.add(key[:2])
        return [datagram.pack(Datagram.ACK, acks.pack(self._ack(*key), self.mac_key)) for key in keys]

    def _ack(self, boot: int, stream: int) -> Ack:
        return Ack(UTC_MS, boot, stream, 0, tuple(self.held[boot, stream]))


class Squad:
    """A soldier's gateway with one narrow bearer and no IP, and the hub's end."""

    def __init__(self, spool: Spool, mac_key: MacKey, bearer: Any, far: Any, ports: list[Port]) -> None:
        self.spool = spool
        self.sender = Sender(spool, mac_key, 1001, live_ms=1_000)
        self.narrow = NarrowSender(self.sender, mac_key, 1001, [bearer])
        self.mac_key = mac_key
        self.hub = NarrowHub(mac_key)
        self.far = far
        self.ports = ports
        self.t_ms = 0
        self.deaf = False

    def keep(self, stream: Stream, kind: Kind, values: dict[int, int]) -> int:
        kept = self.spool.append(stream, kind, Row(self.t_ms, values), UTC_MS, 1)
        self.sender.add(kept)
        self.narrow.add(kept)
        return kept.row

    def run(self, seconds: float, before: Callable[[int], None] = lambda _t_ms: None) -> None:
        for _ in range(round(seconds * 4)):
            self.t_ms += 250
            if self.t_ms % 1_000 == 0:
                at = self.t_ms / 1_000
                turn = math.sin(at / 40)
                self.keep(Stream.ROWS, Kind.STATE, {
                    0: 366_500_000 + round(at * 90), 1: 1_170_000_000 + round(3_000 * turn), 3: 14, 4: 5, 6: 120,
                })  # fmt: skip
            before(self.t_ms)
            for port in self.ports:
                port.run(self.t_ms)
            for way in self.narrow.ways:
                for _number, data in way.bearer.taken():
                    assert data[0] == Datagram.ACK
                    way.heard(self.t_ms)
                    self.sender.on_ack(acks.unpack(data[1:], self.mac_key), self.t_ms)
            self.narrow.pump(self.t_ms)
            for number, data in self.far.taken():
                for message in self.hub.take(data) if not self.deaf else []:
                    self.far.publish(Lane.SOS, message, number)
            self.spool.commit()


@pytest.fixture
def beidou(spool: Spool, mac_key: MacKey) -> tuple[Squad, Terminal]:
    """A soldier's card that may send once a minute; the hub's sends at once."""
    satellite, holder = Satellite(), dict[str, Squad]()
    mine = Terminal("BD-2", satellite, SOLDIER, interval_s=60)
    hubs = Terminal("BD-2", satellite, HUB, interval_s=1)
    ports = [
        Port(RdssDriver(Settings(options=RdssOptions(size_max=78))), terminal) for terminal in (mine, hubs)
    ]

    def clock_ns() -> int:
        return holder["squad"].t_ms * 1_000_000 if holder else 0

    near, far = (
        RdssBearer(RdssConfig(to=to), port, clock_ns) for to, port in ((HUB, ports[0]), (SOLDIER, ports[1]))
    )
    holder["squad"] = Squad(spool, mac_key, near, far, ports)
    return holder["squad"], mine


def test_a_squad_with_nothing_but_beidou_moves_on_the_map(beidou: tuple[Squad, Terminal]) -> None:
    squad, _terminal = beidou
    squad.run(1_800)
    sent = len(squad.hub.sizes)
    assert 25 <= sent <= 31, "one message a minute, and nearly each minute"
    assert max(squad.hub.sizes) <= 78
    trail = sum(count for _, count in squad.hub.previews)
    assert trail >= 1_300, "the whole 1 Hz trail but for the pieces that proofs took"
    newest_ms = squad.hub.previews[-1][0]
    assert squad.t_ms + UTC_MS - newest_ms <= 125_000
    assert squad.narrow.ways[0].is_proven(squad.t_ms)
    assert squad.sender.waiting_rows() >= 1_790, "previews acknowledge nothing: all rows still wait for IP"
    assert squad.narrow.ways[0].link(1, 0, squad.t_ms).kind == Bearer.RDSS


def test_an_alarm_takes_the_next_message_and_repeats_until_the_answer(beidou: tuple[Squad, Terminal]) -> None:
    squad, _terminal = beidou
    squad.run(100)
    squad.deaf = True
    before = len(squad.hub.rows)
    row = squad.keep(
        Stream.EVENTS, Kind.EVENT, {0: int(EventCode.SOS), 1: 77, 2: 0, 5: 366_500_000, 6: 1_170_000_000}
    )
    squad.run(130)
    assert len(squad.hub.rows) == before
    squad.deaf = False
    squad.run(62)
    assert (squad.spool.boot, Stream.EVENTS, row) in squad.hub.rows
    squad.run(62)
    assert squad.sender.open_events() == []
    assert squad.hub.twice <= 1


def test_without_a_beam_or_under_silence_nothing_is_sent_and_the_alarm_waits(
    beidou: tuple[Squad, Terminal],
) -> None:
    squad, terminal = beidou
    squad.run(70)
    terminal.beams = [0] * 6
    squad.run(60)
    assert squad.narrow.ways[0].bearer.state == BearerState.HELD
    sent = len(squad.hub.sizes)
    squad.keep(Stream.EVENTS, Kind.EVENT, {0: int(EventCode.SOS), 1: 5, 2: 0})
    squad.run(300)
    assert len(squad.hub.sizes) == sent
    terminal.beams = [3, 2, 2, 0, 3, 0]
    squad.run(70)
    assert any(key[1] == Stream.EVENTS for key in squad.hub.rows)


def test_with_ip_in_time_the_trail_keeps_off_beidou_and_an_alarm_does_not(
    beidou: tuple[Squad, Terminal], hub: Any, mac_key: MacKey
) -> None:
    squad, _terminal = beidou
    squad.sender.attach(hub)

    def ip(t_ms: int) -> None:
        squad.sender.pump(t_ms)
        for ack in hub.acks():
            squad.sender.on_ack(ack, t_ms)

    squad.run(200, ip)
    assert squad.hub.sizes == []
    hub.state = BearerState.DOWN
    squad.run(150, ip)
    assert len(squad.hub.previews) + len(squad.hub.rows) >= 2
    squad.keep(Stream.EVENTS, Kind.EVENT, {0: int(EventCode.SOS), 1: 5, 2: 0})
    hub.state = BearerState.UP
    hub.deaf = True
    squad.run(70, ip)
    assert any(key[1] == Stream.EVENTS for key in squad.hub.rows)


class Air:
    """Two radios in reach of each other."""

    def __init__(self, mine: MeshRadio, hubs: MeshRadio) -> None:
        self.radios = (mine, hubs)

    def run(self, ports: list[Port], t_ms: int) -> None:
        for radio, other, port in ((*self.radios, ports[1]), (*self.radios[::-1], ports[0])):
            for packet in radio.sent:
                told = wire.read(packet)
                payload = wire.part(wire.read(wire.part(told, words.DECODED)), words.PAYLOAD)
                assert len(payload) <= 233
                node = NodeTruth(radio.number, "x", "x")
                data = other.packet(node, words.PRIVATE_APP, payload, wire.number(told, words.TO))
                port.driver.feed(data, t_ms * 1_000_000)
            radio.sent.clear()
            radio.free = 16


def test_the_same_by_lora_where_alarms_go_on_a_busy_channel_too(spool: Spool, mac_key: MacKey) -> None:
    radios = [MeshRadio(0x1001, [], UTC_MS // 1_000), MeshRadio(0x2002, [], UTC_MS // 1_000)]
    ports = [Port(MeshDriver(Settings()), radio) for radio in radios]
    near, far = MeshBearer(MeshConfig(), ports[0]), MeshBearer(MeshConfig(), ports[1])
    squad, air = Squad(spool, mac_key, near, far, ports), Air(radios[0], radios[1])
    squad.run(900, lambda t_ms: air.run(ports, t_ms))
    assert 14 <= len(squad.hub.sizes) <= 60, "by dead reckoning: at least one a minute, not one a second"
    assert sum(count for _, count in squad.hub.previews) >= 850
    busy: Any = ports[0].driver
    busy.channel_use_pct = 60.0
    assert (near.state, near.duty_permille) == (BearerState.HELD, 600)
    squad.run(1, lambda t_ms: air.run(ports, t_ms))
    sent = len(squad.hub.sizes)
    squad.run(200, lambda t_ms: air.run(ports, t_ms))
    assert len(squad.hub.sizes) == sent
    squad.keep(Stream.EVENTS, Kind.EVENT, {0: int(EventCode.SOS), 1: 5, 2: 0})
    squad.run(5, lambda t_ms: air.run(ports, t_ms))
    assert any(key[1] == Stream.EVENTS for key in squad.hub.rows)
    squad.run(60, lambda t_ms: air.run(ports, t_ms))
    assert squad.sender.open_events() == []
    ports[0].plugged = False
    assert near.state == BearerState.DOWN
    assert not near.publish(Lane.SOS, b"x")


class Plain:
    """A narrow bearer that takes everything."""

    def __init__(self, name: str, cost: int, kind: Bearer) -> None:
        self.stats = BearerStats()
        self.traits = Traits(kind, name, cost, 120, event_repeat_ms=20_000, is_private=False)
        self.state = BearerState.UP
        self.duty_permille = None
        self.everybody = 0xFFFF_FFFF
        self.told: list[int] = []
        self.sent: list[tuple[Lane, bytes]] = []

    def ready(self, lane: Lane) -> bool:
        return True

    def publish(self, lane: Lane, data: bytes, to: int = 0) -> bool:
        assert len(data) <= self.traits.mtu
        self.sent.append((lane, data))
        self.told.append(to)
        return True

    def taken(self) -> list[tuple[int, bytes]]:
        return []


def test_alarms_take_all_narrow_ways_and_the_trail_the_cheapest_that_is_proven(
    spool: Spool, mac_key: MacKey
) -> None:
    lora, beidou = Plain("lora", 5, Bearer.MESH), Plain("beidou", 9, Bearer.RDSS)
    sender = Sender(spool, mac_key, 1001, live_ms=1_000)
    both = NarrowSender(sender, mac_key, 1001, [beidou, lora])

    def run(from_s: int, to_s: int) -> None:
        for t_ms in range(from_s * 1_000, to_s * 1_000, 1_000):
            kept = spool.append(
                Stream.ROWS, Kind.STATE, Row(t_ms, {0: 366_500_000 + t_ms, 1: 9, 3: 14, 4: 0}), UTC_MS, 1
            )
            sender.add(kept)
            both.add(kept)
            both.pump(t_ms)

    run(0, 130)
    assert lora.sent
    assert not beidou.sent or len(beidou.sent) <= len(lora.sent)
    both.ways[0].heard(130_000)
    lora.sent.clear()
    beidou.sent.clear()
    run(130, 250)
    assert lora.sent
    assert not beidou.sent
    kept = spool.append(Stream.EVENTS, Kind.EVENT, Row(250_000, {0: 1, 1: 3, 2: 0}), UTC_MS, 1)
    sender.add(kept)
    both.pump(250_000)
    assert [bearer.sent[-1][0] for bearer in (lora, beidou)] == [Lane.SOS, Lane.SOS]
    run(251, 251 + PROOF_MS // 1_000)
    exact = [
        data for _, data in lora.sent if not opening.open_envelope(opening.parts(data)[0], mac_key).is_preview
    ]
    assert len(exact) >= 2, "the alarm again and again, and now and then a proof"


def test_several_units_share_a_packet_at_a_relay(spool: Spool, mac_key: MacKey) -> None:
    way = Plain("lora", 5, Bearer.MESH)
    sender = Sender(spool, mac_key, 1001, live_ms=1_000)
    both = NarrowSender(sender, mac_key, 1001, [way])
    others = [
        narrow.pack_report(
            MacKey(bytes([n] * 32), "live"), narrow.Head(2_000 + n, 1, UTC_MS, 1, is_preview=True),
            [Row(5_000, {0: 366_500_000, 1: 1_170_000_000})], 60,
        )
        for n in range(6)
    ]  # fmt: skip
    for frame in others:
        both.carried.append(frame)
    both.carried.appendleft(bytes([0x11]) * 500)  # fits no packet
    for t_ms in range(0, 4_000, 1_000):
        both.pump(t_ms)
    packets = [data for _, data in way.sent]
    assert [part for packet in packets for part in opening.parts(packet)] == others
    assert len(packets) < len(others)
    assert FRAME_BYTES_MAX > len(packets[0]) > 60


def test_answers_to_others_go_by_urgency_and_the_newest_of_a_kind_counts(
    spool: Spool, mac_key: MacKey
) -> None:
    bearer = Plain("lora", 5, Bearer.MESH)
    both = NarrowSender(Sender(spool, mac_key, 1001, live_ms=1_000), mac_key, 1001, [bearer])
    way = both.ways[0]
    for number in range(80):
        way.answer(number, datagram.pack(Datagram.ACK, bytes([number])))
    way.answer(79, datagram.pack(Datagram.ACK, b"newer"))
    way.answer(5, datagram.pack(Datagram.ORDER, b"order"))
    way.answer(bearer.everybody, bytes([BROADCAST_MARK]) + b"evacuate")
    way.answer(7, datagram.pack(Datagram.ORDER, bytes(500)))
    for t_ms in range(100):
        both.pump(t_ms)
    assert [data[0] for _, data in bearer.sent[:3]] == [BROADCAST_MARK, Datagram.ORDER, Datagram.ACK]
    assert bearer.told[0] == bearer.everybody
    assert len(bearer.sent) <= 64, "bounded; what fits no packet is left out"
    assert (Lane.SOS, datagram.pack(Datagram.ACK, b"newer")) in bearer.sent

"""A hub below passes on what it has: two whole hubs with their brokers, and a way between them that can be cut."""

import queue
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from hub.live.history import Decoder
from protocols import orders, relay, topics
from protocols.catalog import Bearer, Kind, Lane

pytestmark = pytest.mark.skipif(
    shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin") is None,
    reason="mosquitto is not installed",
)
MASTER = bytes(range(32))
WAIT_S = 10
STATION = 900
"""The hub below, as the one above knows it."""


class Wire:
    """A TCP way that can be cut and mended; its port stays."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._ends: list[socket.socket] = []
        self._is_cut = False
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if self._is_cut:
                    near.close()
                    continue
                try:
                    far = socket.create_connection(("127.0.0.1", self._to))
                except OSError:
                    near.close()
                    continue
                self._ends += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    @staticmethod
    def _carry(one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(65_536):
                other.sendall(data)
        except OSError:
            pass
        for end in (one, other):
            end.close()

    def cut(self) -> None:
        with self._lock:
            self._is_cut = True
            for end in self._ends:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue
            self._ends.clear()

    def mend(self) -> None:
        with self._lock:
            self._is_cut = False

    def close(self) -> None:
        self.cut()
        self._listener.close()


@pytest.fixture
def two(
    tmp_path: Path, running: Callable[..., Any], free_port: Callable[[], int]
) -> Iterator[tuple[Any, Any, Wire]]:
    """(below, above, the way between them); device 7 is known to both."""
    folders = [tmp_path / "below", tmp_path / "above"]
    for folder in folders:
        folder.mkdir()
        (folder / "master.key").write_text(MASTER.hex())
        (folder / "master.key").chmod(0o600)
    above = running()
    above.data = folders[1]
    with above:
        above.hub.registry.devices.reserve(STATION, "hub", True, 0)
        above.hub.registry.devices.activate(STATION, "hub", 0)
        above.enrol(7, STATION)
        wire = Wire(above.hub.broker.port)
        below = running(
            above_host="127.0.0.1", above_port=wire.port, above_device=STATION, above_tls=False, mqtt_port=free_port()
        )  # fmt: skip
        below.data = folders[0]
        with below:
            below.enrol(7, STATION)
            below.until(lambda: below.hub.passer.uplink.is_up)
            yield below, above, wire
        wire.close()


def rows_of(run: Any) -> list[tuple[int, ...]]:
    """Every committed row, (device, boot, stream, row), as an export would give them."""
    decoder = Decoder(run.hub.log, run.hub.keys.logged)
    found = run.hub.log.all_frames(0, 2**52)
    return [tuple(row[:4]) for one in found for row in decoder.rows(one, quarantined=True)]


def same(below: Any, above: Any, count: int) -> None:
    """All rows are above, each once."""
    above.until(lambda: above.hub.counters.rows >= count and not above.hub.inbox.arrived.is_set())
    below.until(lambda: not below.hub.passer.queue.flights)  # answered, so committed
    here, there = rows_of(below), rows_of(above)
    assert sorted(there) == sorted(here)
    assert len(set(there)) == len(there) == count


def test_what_comes_below_is_above_with_its_own_time_and_the_way(
    two: Any, device_at: Callable[..., Any]
) -> None:
    below, above, _ = two
    device = device_at(below, 7)
    side, zero = device.side, device.side.clock.now - 500_000
    device.send(side.frame(row=0, t_ms=side.clock.now - 400_000, zero_ms=zero))
    device.send(side.event(0, zero_ms=zero))
    same(below, above, 2)
    slot = above.hub.units.slot_by_id["u1"]
    above.until(lambda: above.hub.picture.pos_time[slot] == side.clock.now - 400_000)
    above.until(lambda: len(list(above.hub.ingest.events.open())) == 1)
    assert above.hub.ingest.paths.via(7) == STATION
    (way,) = above.hub.ingest.paths.ways(7)
    assert way.bearer == Bearer.RELAY
    below.until(lambda: below.hub.passer.queue.passed == 2 and not below.hub.passer.queue.flights)


def test_an_old_row_does_not_make_a_silent_unit_heard(two: Any, device_at: Callable[..., Any]) -> None:
    below, above, _ = two
    device = device_at(below, 7)
    side = device.side
    at = side.clock.now - 7_200_000
    device.send(side.frame(row=0, t_ms=at, zero_ms=at - 1_000))
    same(below, above, 1)
    slot = above.hub.units.slot_by_id["u1"]
    above.until(lambda: above.hub.picture.t_rx[slot] == at)


def test_nothing_is_lost_over_a_cut(two: Any, device_at: Callable[..., Any]) -> None:
    below, above, wire = two
    device = device_at(below, 7)
    side, zero = device.side, device.side.clock.now - 500_000
    for row in range(5):
        device.send(side.frame(row=row, zero_ms=zero))
    wire.cut()
    below.until(lambda: not below.hub.passer.uplink.is_up)
    assert any("above" in note for note in below.hub.health().notes)
    for row in range(5, 300):
        device.client.publish(*side.frame(row=row, zero_ms=zero, lane=Lane.HISTORY))
    device.send(side.event(0, zero_ms=zero))
    below.until(lambda: below.hub.counters.rows == 301)
    wire.mend()
    same(below, above, 301)
    events = list(above.hub.log.events())
    assert len(events) == 1
    below.until(lambda: not below.hub.passer.queue.flights)
    assert below.hub.passer.queue.main.cursor > 0


def test_a_device_that_is_enrolled_below_is_soon_known_above(
    two: Any, device_at: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.forward.queue.HELD_AGAIN_MS", 200)
    below, above, wire = two
    wire.cut()
    below.enrol(8)
    known, stranger = device_at(below, 7), device_at(below, 8)
    for row in range(4):
        for device in (known, stranger):
            zero = device.side.clock.now - 500_000
            device.send(device.side.frame(device=device.device, row=row, zero_ms=zero))
    wire.mend()
    same(below, above, 8)
    above.until(lambda: above.hub.units.callsign_of(8) == "C8")
    below.until(lambda: not below.hub.passer.queue.held and not below.hub.passer.queue.tracks)


def test_a_device_that_is_revoked_above_is_revoked_below(two: Any) -> None:
    below, above, _ = two
    above.hub.registry.devices.revoke(7, "lost", 5)
    above.loop.call_soon_threadsafe(above.hub.reload)
    below.until(lambda: below.hub.ingest.barred.get(7) == "revoked")
    assert below.hub.registry.devices.row(7).epoch == 1


def test_a_message_from_above_reaches_the_device_and_its_acknowledgements_do_not(
    two: Any, device_at: Callable[..., Any]
) -> None:
    below, above, _ = two
    device = device_at(below, 7)
    side, zero = device.side, device.side.clock.now - 500_000
    heard: queue.Queue[bytes] = queue.Queue()
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.on_message = lambda _c, _u, message: heard.put(message.payload)
    ready = threading.Event()
    client.on_subscribe = lambda *_: ready.set()
    client.connect("127.0.0.1", below.hub.broker.port)
    client.subscribe(topics.orders("live", 7))
    client.loop_start()
    assert ready.wait(WAIT_S)
    device.send(side.frame(row=0, zero_ms=zero))
    same(below, above, 1)
    key = side.mac_key(7)
    message = orders.pack_down(orders.What.SEEN, orders.pack_seen(5, "李安", 1), key)
    above.loop.call_soon_threadsafe(above.hub._publish_order, 7, message)
    above.loop.call_soon_threadsafe(above.hub.link.flush)
    assert orders.unpack_down(heard.get(timeout=WAIT_S), key) == (
        orders.What.SEEN,
        orders.pack_seen(5, "李安", 1),
    )
    below.until(lambda: below.hub.passer.handed_on == 1)
    assert device.acks.empty(), "one acknowledgement, of the hub below"
    client.disconnect()
    client.loop_stop()


def test_a_stranger_who_passes_numbers_is_no_hub(two: Any, device_at: Callable[..., Any]) -> None:
    _, above, _ = two
    device = device_at(above, 7)
    frame = device.side.frame(row=0, zero_ms=device.side.clock.now - 1_000)[1]
    carried = relay.pack_up(relay.Carried(Bearer.RELAY, frame, 5))
    device.client.publish(topics.relayed("live", 7), carried)
    above.until(lambda: above.hub.counters.refused["relay"] == 1)
    assert above.hub.ingest.below.hubs(above.hub.clock.now_ms()) == set()
    assert rows_of(above) == []


def test_kinds_that_take_no_rows_pass_too(two: Any, device_at: Callable[..., Any]) -> None:
    below, above, _ = two
    device = device_at(below, 7)
    side = device.side
    topic, data = side.ranges(Kind.GAP, [1, 0, 9])
    device.send((topic, data))
    above.until(lambda: above.hub.counters.gap_rows == 10)

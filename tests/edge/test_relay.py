"""A relay and a datagram bearer over real sockets: unchanged up, to the right one down, bounded against everything."""

import random
import select
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.bearers.datagram import DatagramBearer
from edge.config import DatagramConfig, RelayConfig
from edge.relay import BURST, DEVICES_MAX, ENDS_MAX, EVERYBODY, WAITING_MAX, End, Relay
from protocols import acks, datagram, frame, narrow, relay
from protocols.acks import Ack
from protocols.brief import BROADCAST_MARK
from protocols.catalog import Bearer, BearerState, Kind, Lane, Stream
from protocols.datagram import Datagram
from protocols.frame import Row
from protocols.keys import MacKey
from protocols.relay import Back

KEY = MacKey(bytes(range(32)), "live")
RELAY = 9


def frame_of(device: int, lane: Lane = Lane.LIVE, row: int = 0) -> bytes:
    kind, stream = (Kind.EVENT, Stream.EVENTS) if lane == Lane.SOS else (Kind.STATE, Stream.ROWS)
    return frame.pack(
        KEY, kind=kind, lane=lane, device=device, boot=5, stream=stream, row=row, rows=[Row(5, {0: 1})],
        utc_zero_ms=None, clock_source=0,
    )  # fmt: skip


class Car:
    """A relay and what it did."""

    def __init__(self, *, listen: str = "127.0.0.1", on: bool = True) -> None:
        self.up: list[bytes] = []
        self.back: list[tuple[End, bytes]] = []
        self.narrow: list[bytes] = []
        self.has_link = True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            line.bind(("127.0.0.1", 0))
            port = line.getsockname()[1]
        self.relay = Relay(
            RelayConfig(on, listen, port),
            RELAY,
            self._take,
            lambda *back: self.back.append(back),
            self.narrow.append,
        )

    def _take(self, data: bytes) -> bool:
        if self.has_link:
            self.up.append(data)
        return self.has_link

    def turn(self) -> None:
        self.relay.maintain(time.monotonic())
        fd = self.relay.fileno()
        if fd is not None and select.select([fd], [], [], 0.02)[0]:
            self.relay.on_readable()


@pytest.fixture
def car() -> Iterator[Car]:
    made = Car()
    yield made
    made.relay.close()


@pytest.fixture
def soldier(car: Car) -> Iterator[tuple[DatagramBearer, list[bytes], list[bytes]]]:
    heard: list[bytes] = []
    ordered: list[bytes] = []
    bearer = DatagramBearer(
        DatagramConfig(host="127.0.0.1", port=car.relay._config.port), 7, KEY, on_ack=heard.append,
        on_order=ordered.append, rng=random.Random(1),
    )  # fmt: skip
    yield bearer, heard, ordered
    bearer.close()


def until(car: Car, bearer: DatagramBearer, what: Callable[[], Any]) -> None:
    end = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end, "waited in vain"
        bearer.maintain(time.monotonic())
        car.turn()
        fd = bearer.fileno()
        if fd is not None and select.select([fd], [], [], 0.02)[0]:
            bearer.on_readable()


def test_frames_go_up_unchanged_and_answers_come_back(car: Car, soldier: Any) -> None:
    bearer, heard, ordered = soldier
    assert not bearer.publish(Lane.SOS, b"x"), "no socket yet"
    assert bearer.state == BearerState.DOWN
    until(car, bearer, lambda: bearer.fileno() is not None)
    assert bearer.state == BearerState.CONNECTING
    data = frame_of(7, Lane.SOS)
    assert bearer.publish(Lane.SOS, data)
    until(car, bearer, lambda: car.up)
    carried = relay.unpack_up(car.up[0])
    assert (carried.bearer, carried.data, carried.number) == (Bearer.DATAGRAM, data, None)
    ack = acks.pack(Ack(1, 5, 0, 1, ()), KEY)
    car.relay.on_back(relay.pack_back(Back(7, relay.ACK, ack)))
    car.relay.on_back(relay.pack_back(Back(7, relay.ORDER, b"order")))
    car.relay.on_back(relay.pack_back(Back(8, relay.ORDER, b"somebody else's")))
    until(car, bearer, lambda: heard and ordered)
    assert (heard, ordered) == ([ack], [b"order"])
    bearer.heard(time.monotonic())
    assert bearer.state == BearerState.UP
    assert bearer.stats.connects == 1


def test_without_a_link_frames_wait_alarms_first_and_narrow_ones_may_take_the_radio(car: Car) -> None:
    car.has_link = False
    here = End(Bearer.DATAGRAM, ("127.0.0.1", 5))
    for row in range(3):
        car.relay.hear(Bearer.DATAGRAM, frame_of(7, Lane.LIVE, row), here)
    sos = frame_of(8, Lane.SOS)
    car.relay.hear(Bearer.DATAGRAM, sos, here)
    report = narrow.pack_report(KEY, narrow.Head(7, 5, None, is_preview=True), [Row(5_000, {0: 1, 1: 1})], 60)
    car.relay.hear(Bearer.DATAGRAM, report, here)
    assert car.narrow == [sos, report]
    car.relay.pump()
    assert car.up == []
    car.has_link = True
    car.relay.pump()
    assert relay.unpack_up(car.up[0]).data == sos
    assert len(car.up) == 5


def test_an_alarm_is_the_last_to_fall_out(car: Car) -> None:
    car.has_link = False
    here = End(Bearer.DATAGRAM, ("127.0.0.1", 5))
    car.relay.hear(Bearer.DATAGRAM, frame_of(8, Lane.SOS), here)
    for row in range(WAITING_MAX + 50):
        car.relay.hear(Bearer.DATAGRAM, frame_of(7, Lane.LIVE, row), here)
    assert car.relay.stats.dropped == 51
    car.has_link = True
    car.relay.pump()
    assert relay.unpack_up(car.up[0]).data == frame_of(8, Lane.SOS)
    assert len(car.up) == WAITING_MAX


def test_answers_go_to_every_end_where_a_device_was_heard(car: Car) -> None:
    for number in range(ENDS_MAX + 2):
        car.relay.hear(Bearer.RDSS, frame_of(7, row=number), End(Bearer.RDSS, None, 100 + number))
    car.relay.hand_back(Back(7, relay.ACK, b"a"))
    assert [(end.number, message) for end, message in car.back] == [
        (100 + number, datagram.pack(Datagram.ACK, b"a")) for number in range(2, ENDS_MAX + 2)
    ]


def test_a_broadcast_goes_by_all_narrow_ways_and_nothing_else_does(car: Car) -> None:
    said = bytes([BROADCAST_MARK]) + bytes(76)
    car.relay.on_back(relay.pack_back(Back(relay.EVERYBODY, relay.ORDER, said)))
    car.relay.on_back(relay.pack_back(Back(relay.EVERYBODY, relay.ORDER, b"anything")))
    assert car.back == [(EVERYBODY, said)]


def test_what_is_ours_or_nothing_is_not_passed_on_and_a_flood_is_bounded(car: Car) -> None:
    here = End(Bearer.MESH, None, 5)
    car.relay.hear(Bearer.MESH, frame_of(RELAY), here)
    car.relay.hear(Bearer.MESH, b"", here)
    car.relay.hear(Bearer.MESH, b"\x21", here)
    car.relay.on_back(b"nonsense")
    assert car.up == []
    assert car.relay.refused["back"] == 1
    for device in range(1, DEVICES_MAX + 100):
        car.relay.hear(Bearer.MESH, frame_of(device), here)
    assert car.relay.status()["devices"] == DEVICES_MAX
    car.turn()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.connect(("127.0.0.1", car.relay._config.port))
        for _ in range(3 * BURST):
            line.send(b"\0flood")
            car.turn()
    assert car.relay.stats.dropped > 0


def test_a_relay_that_is_off_hears_nothing() -> None:
    car = Car(on=False)
    car.turn()
    car.relay.hear(Bearer.MESH, frame_of(7), End(Bearer.MESH, None, 5))
    assert (car.up, car.relay.fileno()) == ([], None)


def test_a_port_that_is_taken_is_told_and_tried_again(car: Car) -> None:
    car.turn()
    other = Car()
    other.relay._config = car.relay._config
    other.turn()
    assert other.relay.refused["socket"] == 1
    assert other.relay.fileno() is None
    car.relay.close()
    other.relay.maintain(time.monotonic() + 10)
    assert other.relay.fileno() is not None
    other.relay.close()


@given(st.binary(max_size=300))
def test_no_bytes_harm_it(data: bytes) -> None:
    car = Car()
    car.relay.hear(Bearer.DATAGRAM, data, End(Bearer.DATAGRAM, ("127.0.0.1", 5)))
    car.relay.on_back(data)
    assert len(car.up) <= 1

"""Other ways than a device's own topic: the MAC says whose a frame is, the way says where to answer."""

import asyncio
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.datagram import BURST, Port
from hub.live.paths import WAYS_MAX, Paths, Way, mark, parse_mark
from hub.live.picture import FLAG_RECKONED
from hub.mqtt import Inbox
from protocols import acks, container, datagram, narrow, relay, topics
from protocols.catalog import Bearer, ClockSource, Stream, field_id
from protocols.datagram import Datagram
from protocols.frame import Row
from protocols.narrow_head import Head

T0 = 1_795_000_000_000
HERE = ("10.0.0.7", 4_000)
BOOT = 77
LAT, LON, HEART = field_id("lat_deg_e7"), field_id("lon_deg_e7"), field_id("heart_bpm")


def carried(bench: Any, data: bytes, by: int = 9, bearer: Bearer = Bearer.MESH) -> tuple[str, bytes]:
    return topics.relayed("live", by), relay.pack_up(relay.Carried(bearer, data))


def by_datagram(data: bytes, address: tuple[str, int] = HERE) -> tuple[str, bytes]:
    return mark(Datagram.FRAME, address), data


@pytest.fixture
def bench(new_bench: Any) -> Any:
    made = new_bench()
    made.enrol(9)
    made.ingest.relays = frozenset({9})
    return made


def rows(count: int, start: int = 0) -> list[Row]:
    return [
        Row(1_000 * (start + i), {LAT: 366_500_000 + start + i, LON: 1_170_000_000, HEART: 120})
        for i in range(count)
    ]


def exact(bench: Any, count: int = 3, row: int = 0) -> bytes:
    head = Head(7, BOOT, bench.clock() - 60_000, ClockSource.GNSS, row=row)
    return narrow.pack(bench.mac_key(7), head, rows(count, row))


def preview(bench: Any, at_ms: int, count: int = 3) -> bytes:
    head = Head(7, BOOT, at_ms - 1_000 * (count - 1), ClockSource.GNSS, is_preview=True)
    return narrow.pack(bench.mac_key(7), head, rows(count))


# --- what is carried counts as if its device had sent it -------------------------------------------------------


def test_a_relayed_frame_is_stored_and_acknowledged_once_over_all_ways(bench: Any) -> None:
    topic, data = bench.frame(row=0)
    bench.put(carried(bench, data), by_datagram(data), (topic, data))
    assert len(bench.stored_rows()) == 1
    assert bench.acks()[0][1].watermark == 1
    assert bench.counters.duplicates == 2


def test_a_narrow_frame_counts_its_rows_and_hides_no_heart_from_the_hub(bench: Any) -> None:
    bench.put(carried(bench, exact(bench)))
    assert [row[1:] for row in bench.stored_rows()] == [(BOOT, Stream.ROWS, i) for i in range(3)]
    bench.clock.now += 1_000
    assert bench.acks()[0][1].watermark == 3
    assert bench.lat() == 366_500_002
    assert bench.ingest.restore(bench.log.newest(0, 6)) == 1


def test_an_undated_narrow_frame_is_dated_later(bench: Any) -> None:
    head = Head(7, BOOT, None, row=0)
    bench.put(carried(bench, narrow.pack(bench.mac_key(7), head, rows(2))))
    bench.put(carried(bench, exact(bench, 2, 2)))
    found = list(bench.log.all_frames(0, 2**52))
    assert all(one.t_first_utc_ms is not None for one in found)


def test_several_units_share_a_packet(bench: Any) -> None:
    bench.enrol(8)
    packet = container.pack_container([exact(bench), bench.frame(device=8, row=0)[1]], 300)[0]
    bench.put(by_datagram(packet))
    assert {row[0] for row in bench.stored_rows()} == {7, 8}


# --- previews -------------------------------------------------------------------------------------------------


def test_a_preview_is_shown_and_acknowledges_nothing_and_the_full_rows_follow(bench: Any) -> None:
    now = bench.clock()
    bench.put(carried(bench, preview(bench, now)))
    assert bench.lat() == 366_500_000
    bench.clock.now += 2_000
    assert (bench.acks(), bench.stored_rows()) == ([], [])
    bench.put(
        bench.frame(
            row=0, boot=BOOT, t_ms=now, rows=[{"lat_deg_e7": 366_500_049, "lon_deg_e7": 1_170_000_000}]
        )
    )
    assert bench.lat() == 366_500_049  # of the same second the full row
    assert len(bench.stored_rows()) == 1
    bench.put(carried(bench, preview(bench, now)))
    assert bench.lat() == 366_500_049
    assert bench.counters.duplicates == 1


def test_the_screen_is_told_who_reports_by_dead_reckoning(bench: Any) -> None:
    slots = np.array([bench.units.carrier_of(7)])
    assert not bench.picture.flags(slots)[0] & FLAG_RECKONED
    bench.put(carried(bench, preview(bench, bench.clock())))
    assert bench.picture.flags(slots)[0] & FLAG_RECKONED
    rows = [{"lat_deg_e7": 366_500_049, "lon_deg_e7": 1_170_000_000}]
    bench.put(bench.frame(row=0, boot=BOOT, t_ms=bench.clock() + 1_000, rows=rows))
    assert not bench.picture.flags(slots)[0] & FLAG_RECKONED


def test_a_preview_from_the_future_moves_nothing(bench: Any) -> None:
    bench.put(carried(bench, exact(bench)))
    bench.put(carried(bench, preview(bench, bench.clock() + 3_600_000)))
    assert reasons(bench) == ["future"]
    assert bench.lat() == 366_500_002


# --- who may, and who may not ---------------------------------------------------------------------------------


def reasons(bench: Any) -> list[str]:
    return [reason for reason, _ in bench.told]


@pytest.fixture(autouse=True)
def _listen(bench: Any) -> None:
    bench.told = []
    bench.ingest.tell = lambda reason, device: bench.told.append((reason, device))


def test_only_relays_relay(bench: Any) -> None:
    _, data = bench.frame(row=0)
    bench.put(carried(bench, data, by=7), carried(bench, data, by=12))
    assert bench.stored_rows() == []
    assert bench.told == [("relay", 7), ("relay", 12)]


def test_a_relay_cannot_forge_or_change(bench: Any) -> None:
    _, data = bench.frame(row=0)
    bench.put(carried(bench, data[:-1] + b"x"), carried(bench, exact(bench)[:-1] + b"x"), carried(bench, b""))
    bench.put(
        (topics.relayed("live", 9), b"\xff"), carried(bench, bench.frame(device=99, row=0, key_of=7)[1])
    )
    assert bench.stored_rows() == []
    assert set(reasons(bench)) <= {"mac", "size", "relay", "unknown_device", "msgpack", "shape"}
    assert len(bench.told) == 5


@given(st.binary(max_size=100))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_garbage_by_any_way_is_counted(bench: Any, data: bytes) -> None:
    before = len(bench.told)
    bench.put(by_datagram(data), (topics.relayed("live", 9), data), (mark(Datagram.ALIVE, HERE), data))
    assert len(bench.told) >= before + 2
    assert bench.stored_rows() == []


# --- the way back -----------------------------------------------------------------------------------------------


class Line:
    """What goes out."""

    def __init__(self) -> None:
        self.topics: list[tuple[str, bytes]] = []
        self.addresses: list[tuple[Any, bytes]] = []
        self.paths = Paths(lambda topic, device, data: self.topics.append((topic("live", device), data)),
                           lambda address, data: self.addresses.append((address, data)))  # fmt: skip


def test_an_answer_goes_where_something_new_came_from(bench: Any) -> None:
    line = Line()
    bench.ingest.paths = line.paths
    bench.put(by_datagram(bench.frame(row=0)[1]))
    ack = acks.pack(acks.Ack(T0, BOOT, 1, 1), bench.mac_key(7))
    line.paths.acknowledge(7, ack, bench.clock())
    assert line.addresses == [(HERE, datagram.pack(Datagram.ACK, ack))]
    bench.put(by_datagram(bench.frame(row=0)[1], ("6.6.6.6", 1)))  # a recording moves nothing
    line.paths.acknowledge(7, ack, bench.clock())
    assert {address for address, _ in line.addresses} == {HERE}
    bench.put(carried(bench, bench.frame(row=1)[1]))
    line.topics.clear()
    line.paths.acknowledge(7, ack, bench.clock())
    assert line.topics == [
        (topics.ack("live", 7), ack),
        (topics.back("live", 9), relay.pack_back(relay.Back(7, "a", ack))),
    ]
    line.paths.send(7, b"order", bench.clock())
    assert line.addresses[-1] == (HERE, datagram.pack(Datagram.ORDER, b"order"))
    assert line.topics[-1] == (topics.back("live", 9), relay.pack_back(relay.Back(7, "o", b"order")))
    line.addresses.clear()
    line.paths.send(7, b"order", bench.clock() + 700_000)
    assert line.addresses == []


def test_a_sign_of_life_opens_the_way_once(bench: Any) -> None:
    line = Line()
    bench.ingest.paths = line.paths
    alive = datagram.pack_alive(7, 5, bench.mac_key(7))[1:]
    bench.put((mark(Datagram.ALIVE, HERE), alive))
    bench.put((mark(Datagram.ALIVE, ("6.6.6.6", 1)), alive))
    assert list(line.paths.ways(7)) == [Way(Bearer.DATAGRAM, address=HERE)]
    bench.put((mark(Datagram.ALIVE, HERE), datagram.pack_alive(7, 6, bench.mac_key(9))[1:]))
    assert bench.told == [("mac", 0)]


def test_ways_are_bounded() -> None:
    line = Line()
    for port in range(20):
        line.paths.note(7, Way(Bearer.DATAGRAM, address=("h", port)), 1_000 * port, fresh=True)
    assert [way.address for way in line.paths.ways(7)] == [("h", 20 - WAYS_MAX + i) for i in range(WAYS_MAX)]


def test_marks() -> None:
    assert parse_mark(mark(Datagram.ALIVE, ("fe80::1", 9))) == (Datagram.ALIVE, ("fe80::1", 9))
    assert parse_mark("z/live/0/1/0") is None


@given(seed=st.integers(0, 10**6))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_doubled_reordered_over_all_ways_the_picture_is_the_same(new_bench: Any, seed: int) -> None:
    rng = random.Random(seed)
    benches = [new_bench(), new_bench()]
    for bench in benches:
        bench.enrol(9)
        bench.ingest.relays = frozenset({9})
    clean, bad = benches
    made = [
        clean.frame(
            row=5 * i,
            rows=[{"lat_deg_e7": 10 * i + j, "lon_deg_e7": 5} for j in range(5)],
            t_ms=T0 - 90_000 + 5_000 * i,
        )
        for i in range(8)
    ]
    clean.put(*made)
    messages = [
        way for one in made for way in (one, by_datagram(one[1]), carried(bad, one[1])) if rng.random() < 0.7
    ]
    messages += [by_datagram(one[1]) for one in made]
    rng.shuffle(messages)
    for message in messages:
        bad.put(message)
    assert sorted(bad.stored_rows()) == sorted(clean.stored_rows())
    assert (bad.lat(), bad.t_fix()) == (clean.lat(), clean.t_fix())


# --- the port ---------------------------------------------------------------------------------------------------


def test_the_port_takes_frames_and_answers_nobody() -> None:
    async def run() -> None:
        inbox, now = Inbox(), [0]
        port = Port(inbox, lambda: now[0])
        number = await port.open("127.0.0.1", 0)
        heard: list[bytes] = []

        class Client(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: Any) -> None:
                heard.append(data)

        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            Client, remote_addr=("127.0.0.1", number)
        )
        for data in (b"\0frame", b"\x03alive", b"\x01ack", b"\x09", b"\x09x", b"\0" + bytes(1_300)):
            transport.sendto(data)
        async with asyncio.timeout(10):
            await inbox.arrived.wait()
            while port.dropped < 4 or len(inbox._urgent) < 2:
                await asyncio.sleep(0.01)
        (first, one), (_, two) = inbox.take(10)
        assert (one, two) == (b"frame", b"alive")
        marked = parse_mark(first)
        assert marked is not None
        port.send(marked[1], b"back")
        async with asyncio.timeout(10):
            while not heard:
                await asyncio.sleep(0.01)
        assert heard == [b"back"]
        transport.close()
        port.close()

    asyncio.run(run())


def test_who_floods_is_not_listened_to_and_others_are() -> None:
    inbox, now = Inbox(), [0]
    port = Port(inbox, lambda: now[0])
    for _ in range(2 * BURST):
        port.datagram_received(b"\0x", ("1.1.1.1", 5))
    port.datagram_received(b"\0y", ("2.2.2.2", 5))
    assert (port.dropped, len(inbox.take(10_000))) == (BURST, BURST + 1)
    now[0] += 1_000
    port.datagram_received(b"\0x", ("1.1.1.1", 5))
    assert len(inbox.take(10)) == 1

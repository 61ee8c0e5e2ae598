"""What a gateway hears of others: paced, bounded, and through spool and frame to the other end."""

from typing import Any

import pytest

from edge.observed import NAMES_EVERY_MS, THINGS_MAX, Observations
from edge.sender import Sender
from edge.spool import Spool
from protocols import frame
from protocols.catalog import FIELDS_BY_NAME, ClockSource, Kind, Lane, Said, Source, Stream, field_id
from protocols.errors import FrameError
from protocols.frame import Row
from protocols.keys import MacKey
from protocols.samples import Heard, Observed

BIT = {name: field.bit for name, field in FIELDS_BY_NAME.items()}
LAT, SPEED = field_id("obs_lat_deg_e7"), field_id("obs_speed_dmps")


def vessel(speed: int, number: int = 413_000_000) -> Observed:
    return Observed(Source.AIS, number, {LAT: 366_500_000, SPEED: speed})


def test_one_row_a_period_with_the_newest_values() -> None:
    seen = Observations(5_000)
    first = seen.take(vessel(10), 1_000)
    assert first is not None
    assert first.values == {
        0: Source.AIS,
        1: 413_000_000,
        BIT["obs_lat_deg_e7"]: 366_500_000,
        BIT["obs_speed_dmps"]: 10,
    }
    assert seen.take(vessel(20), 2_000) is None
    assert seen.take(vessel(30), 3_000) is None
    assert seen.due(5_999) == []
    (late,) = seen.due(6_000)
    assert late.values[BIT["obs_speed_dmps"]] == 30
    assert seen.due(60_000) == []


def test_things_do_not_hold_one_another_up_and_are_bounded() -> None:
    seen = Observations(5_000)
    for number in range(2 * THINGS_MAX):
        assert seen.take(vessel(1, number), number) is not None
        seen.take(vessel(2, number), number)
    assert len(seen._told_ms) == THINGS_MAX
    assert len(seen._waiting) <= THINGS_MAX
    assert len(seen.due(10**9)) == THINGS_MAX


def test_a_name_goes_once_an_hour_and_a_message_always() -> None:
    seen = Observations(5_000)
    name = Heard(Source.MESH, 7, Said.NAME, "山东-3")
    message = Heard(Source.MESH, 7, Said.MESSAGE, "北坡安全")
    assert seen.hear(name, 0) == Row(0, {}, (1, 7, 0, "山东-3"))
    assert seen.hear(name, 1_000) is None
    assert seen.hear(Heard(Source.MESH, 7, Said.NAME, "山东-4"), 2_000) is not None
    assert seen.hear(Heard(Source.MESH, 7, Said.NAME, "山东-4"), 2_000 + NAMES_EVERY_MS) is not None
    assert seen.hear(message, 3_000) == seen.hear(message, 3_000)
    long = seen.hear(Heard(Source.MESH, 7, Said.MESSAGE, "战" * 1_000), 4_000)
    assert long is not None
    assert long.words is not None
    assert len(long.words[3].encode()) <= frame.TEXT_BYTES_MAX


def test_rows_of_both_kinds_go_through_spool_and_frames(spool: Spool, hub: Any, mac_key: MacKey) -> None:
    sender = Sender(spool, mac_key, 7, live_ms=1_000)
    sender.attach(hub)
    words = (1, 7, 1, "北坡安全")
    sender.add(spool.append(Stream.ROWS, Kind.SAID, Row(1_000, {}, words), None, ClockSource.NONE))
    values = {0: 2, 1: 413_000_000, 2: 366_500_000}
    sender.add(spool.append(Stream.ROWS, Kind.OBSERVED, Row(1_000, values), None, ClockSource.NONE))
    spool.commit()
    sent: list[frame.Frame] = []

    def publish(_lane: Lane, data: bytes) -> bool:
        sent.append(frame.decode(frame.open_envelope(data, mac_key)))
        return True

    hub.publish = publish
    for now_ms in range(2_000, 20_000, 1_000):
        sender.pump(now_ms)
    kinds = {one.envelope.kind: one for one in sent}
    assert kinds[Kind.SAID].body == [list(words)]
    assert kinds[Kind.OBSERVED].columns == {bit: [value] for bit, value in values.items()}


@pytest.mark.parametrize(
    "body",
    [
        [],
        ["x"],
        [[1, 7, 1]],
        [[1, 7, 1, 5]],
        [[300, 7, 1, "x"]],
        [[1, -1, 1, "x"]],
        [[1, 7, -1, "x"]],
        [[True, 7, 1, "x"]],
    ],
)
def test_a_saying_of_another_shape_is_refused(body: list[Any], mac_key: MacKey) -> None:
    data = frame.seal(mac_key, [1, Kind.SAID << 3 | Lane.LIVE, 7, 9, 1, 0, None, 0, 1, 0, body])
    with pytest.raises(FrameError):
        frame.decode(frame.open_envelope(data, mac_key))


def test_a_saying_may_grow_later(mac_key: MacKey) -> None:
    data = frame.seal(
        mac_key, [1, Kind.SAID << 3 | Lane.LIVE, 7, 9, 1, 0, None, 0, 1, 0, [[1, 7, 1, "x", 42]]]
    )
    assert frame.decode(frame.open_envelope(data, mac_key)).body == [[1, 7, 1, "x", 42]]

"""The sender: newest first, events at once, everything until it is acknowledged, nothing lost, nothing doubled."""

from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from edge import spool_room
from edge.flow import TIMEOUT_MS_MIN, WINDOW_MAX
from edge.sender import Sender
from edge.spool import Spool
from protocols.catalog import Kind, Lane, Stream
from protocols.frame import Row
from protocols.keys import MacKey

REPEAT_MS = 2_000
FakeHub = Any
"""The hub of conftest.py, which tests get as a fixture."""


def add(spool: Spool, sender: Sender, t_ms: int, stream: Stream = Stream.ROWS, zero: int | None = 5) -> None:
    kind = Kind.EVENT if stream == Stream.EVENTS else Kind.STATE
    sender.add(spool.append(stream, kind, Row(t_ms, {0: t_ms % 200}), zero, 1))


def settle(sender: Sender, hub: FakeHub, t_ms: int) -> None:
    for ack in hub.acks():
        sender.on_ack(ack, t_ms)


def test_a_new_row_goes_at_once_as_live(spool: Spool, sender: Sender, hub: FakeHub) -> None:
    add(spool, sender, 0)
    sender.pump(0)
    assert [(lane, f.envelope.row) for lane, f in hub.frames] == [(Lane.LIVE, 0)]
    assert sender.waiting_rows() == 1
    settle(sender, hub, 40)
    assert sender.waiting_rows() == 0
    assert sender.stats.rtt_ms == 40


def test_rows_gather_until_the_next_live_frame(spool: Spool, sender: Sender, hub: FakeHub) -> None:
    for t_ms in range(0, 2000, 100):
        add(spool, sender, t_ms)
        sender.pump(t_ms)
        settle(sender, hub, t_ms)
    assert [f.envelope.n for _, f in hub.frames] == [1, 8, 8]


def test_a_row_of_health_keeps_no_position_waiting(spool: Spool, sender: Sender, hub: FakeHub) -> None:
    for t_ms in range(0, 60_000, 70):
        if t_ms % 1_050 == 0:
            add(spool, sender, t_ms)
        if t_ms % 9_800 == 0:
            sender.add(spool.append(Stream.ROWS, Kind.HEALTH, Row(t_ms, {0: t_ms // 1000}), 5, 1))
        sender.pump(t_ms)
        positions = [row.t_mono_ms for row in hub.rows.values() if row.t_mono_ms % 1_050 == 0]
        assert max(positions) == t_ms // 1_050 * 1_050, "the newest position waits"
        settle(sender, hub, t_ms)


def test_an_event_goes_before_everything_and_again_until_acknowledged(
    spool: Spool, sender: Sender, hub: FakeHub
) -> None:
    for t_ms in range(50):
        add(spool, sender, t_ms)
    add(spool, sender, 50, Stream.EVENTS)
    hub.deaf = True
    sender.pump(50)
    hub.deaf = False
    sender.pump(50 + REPEAT_MS - 1)
    assert Lane.SOS not in [lane for lane, _ in hub.frames]
    sender.pump(50 + REPEAT_MS)
    lane, repeated = hub.frames[-1]
    assert (lane, repeated.envelope.kind) == (Lane.SOS, Kind.EVENT)


def test_silence_shrinks_the_window_and_slows_the_repeats(spool: Spool, sender: Sender, hub: FakeHub) -> None:
    hub.deaf = True
    sent: list[int] = []
    for t_ms in range(0, 600_000, 100):
        if t_ms % 1000 == 0:
            add(spool, sender, t_ms)
            spool.commit()
        before = sender.stats.frames
        sender.pump(t_ms)
        sent += [t_ms] * (sender.stats.frames - before)
    last_minute = [t for t in sent if t >= 540_000]
    assert 1 <= len(last_minute) <= 4
    assert sender.waiting_rows() == 600


def test_after_an_outage_the_newest_goes_first_and_three_to_one(
    spool: Spool, sender: Sender, hub: FakeHub
) -> None:
    hub.full = True
    for t_ms in range(0, 3_000_000, 1000):
        add(spool, sender, t_ms)
    spool.commit()
    hub.full = False
    t_ms = 3_000_000
    sender.connected(sender.flows[0], t_ms)
    arrived: dict[int, int] = {}
    while t_ms < 3_003_000 or sender.waiting_rows():
        if t_ms % 1000 == 0 and t_ms < 3_003_000:
            add(spool, sender, t_ms)
        sender.pump(t_ms)
        settle(sender, hub, t_ms)
        for _boot, _stream, row in hub.rows:
            arrived.setdefault(row, t_ms)
        t_ms += 50
    first = hub.frames[0]
    assert first[0] == Lane.LIVE
    assert first[1].envelope.row + first[1].envelope.n - 1 == 3_000, "the newest row goes first"
    assert len(hub.rows) == 3_003
    assert hub.repeats == 0
    assert all(arrived[row] <= 1000 * row + 1000 for row in range(3_000, 3_003))
    lanes = [lane for lane, _ in hub.frames[:WINDOW_MAX]]
    assert Lane.HISTORY in lanes, "the backlog must not starve either"


def test_rows_of_an_earlier_boot_go_under_their_own_name(spool: Spool, hub: FakeHub, mac_key: MacKey) -> None:
    first = Sender(spool, mac_key, 1001, live_ms=1000)
    for t_ms in range(300):
        add(spool, first, t_ms, zero=5 if t_ms < 130 else 9)
    spool.commit()
    after = Spool(spool._path, 78, 10 * 2**20)
    after.open()
    sender = Sender(after, mac_key, 1001, live_ms=1000)
    sender.attach(hub)
    sender.start()
    sender.pump(0)
    assert (Kind.HELD, [77, Stream.ROWS, 0, 299]) in hub.bodies
    assert (Kind.HELD, [77, Stream.EVENTS]) in hub.bodies
    assert {key[0] for key in hub.rows} == {77}
    assert len(hub.rows) == 300
    settle(sender, hub, 10)
    after.commit()
    assert after.count() == 0
    after.close()


def test_what_was_shed_is_said_and_not_waited_for(spool: Spool, sender: Sender, hub: FakeHub) -> None:
    hub.full = True
    for t_ms in range(1200):
        add(spool, sender, t_ms)
    spool.commit()
    spool._bytes_max = 10_000
    assert spool.shed() == 1200
    sender.say_gaps(5)
    hub.full = False
    sender.pump(2000)
    assert hub.bodies == [(Kind.GAP, [Stream.ROWS, 0, 1199])]
    assert sender.waiting_rows() == 0


def test_a_thinned_night_goes_in_few_frames_and_leaves_no_hole(
    spool: Spool, sender: Sender, hub: FakeHub
) -> None:
    hub.full = True
    for second in range(12_003):
        add(spool, sender, 1_000 * second)
    spool.commit()
    spool._bytes_max = spool.size_bytes() * 6 // 10
    gone = spool.shed()
    assert gone > 3_000
    assert spool.gaps() == []
    hub.full = False
    t_ms = 12_003_000
    while sender.waiting_rows():
        sender.pump(t_ms)
        settle(sender, hub, t_ms)
        t_ms += 50
    spool.commit()
    assert (spool.count(), hub.repeats, len(hub.rows)) == (0, 0, 12_003 - gone)
    assert list(hub.held[spool.boot, Stream.ROWS]) == [(0, 12_002)]
    assert len(hub.frames) <= len(hub.rows) // 100 + 20


def shed_some(spool: Spool, how: str) -> int:
    """Thin, or drop the oldest; how many rows went."""
    with spool.db:
        if how == "drop":
            return spool_room._drop(spool.db, spool_room._oldest(spool.db, Stream.ROWS)[:7])
        return spool_room._thin(spool.db, spool._thinned, spool_room.STEPS[how == "hard"])


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(["row", "pump", *["row"] * 9, "commit", "thin", "drop", "ack"])
@given(
    st.lists(
        st.sampled_from(
            [
                "row",
                "rows",
                "event",
                "pump",
                "lose",
                "ack",
                "time",
                "commit",
                "reconnect",
                "thin",
                "hard",
                "drop",
            ]
        ),
        max_size=80,
    )
)
def test_whatever_happens_every_row_arrives_and_none_is_left(
    tmp_path_factory: Any, hub: FakeHub, mac_key: MacKey, steps: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("s")
    spool = Spool(folder / "s.db", 5, 2**24)
    spool.open()
    sender, hub, t_ms, made = Sender(spool, mac_key, 1001, live_ms=500), type(hub)(), 0, 0
    sender.attach(hub)
    shed = 0
    for step in [*steps, "commit", "reconnect"]:
        t_ms += 130
        hub.deaf = step == "lose"
        if step in ("row", "rows", "event"):
            for i in range(13 if step == "rows" else 1):
                add(spool, sender, t_ms + i, Stream.EVENTS if step == "event" else Stream.ROWS)
                made += 1
        elif step in ("thin", "hard", "drop"):
            shed += shed_some(spool, step)
            sender.say_gaps(t_ms)
        elif step in ("pump", "lose"):
            sender.pump(t_ms)
        elif step == "ack":
            settle(sender, hub, t_ms)
        elif step == "time":
            t_ms += TIMEOUT_MS_MIN
        elif step == "commit":
            spool.commit()
        else:
            sender.connected(sender.flows[0], t_ms)
    for _ in range(100):
        t_ms += 1000
        sender.pump(t_ms)
        settle(sender, hub, t_ms)
        spool.commit()
        if t_ms % 10 == 0:
            sender.say_gaps(t_ms)
    assert made - shed <= len(hub.rows) <= made  # what was on its way when it was shed may have arrived
    for stream in Stream:
        numbered = spool._next.get(stream, 0)
        assert not numbered or hub.held[spool.boot, stream].missing(0, numbered - 1) == []
    assert (sender.waiting_rows(), spool.count()) == (0, 0)
    spool.close()

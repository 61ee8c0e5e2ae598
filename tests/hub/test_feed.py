"""The feed against docs/feed.md, without a socket."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest

from hub.identity.permissions import ALLOWED, Principal, Role
from hub.live.feed import EVENTS_QUEUE_MAX, MANY_UNITS, RESUME_TICKS_MAX, Feed, Viewer, encode
from hub.live.picture import CHANNEL, Picture

LI = Principal("Li", Role.MEDIC, "", ("*",), "", "s", ALLOWED[Role.MEDIC], 2**50)
DOC_COLUMNS = {
    "slot": "<u4", "t_fix": "<f8", "t_rx": "<f8", "lat": "<i4", "lon": "<i4", "alt": "<i4", "speed": "<u2",
    "course": "<u2", "hacc": "<u2", "mode": "u1", "flags": "<u2", "hr": "u1", "bat": "u1", "air": "<u2", "hist": "<u4",
}  # fmt: skip


@pytest.fixture
def link() -> dict[str, object]:
    return {"broker": True, "t_broker": 1, "silent": 0, "refused": 0}


@pytest.fixture
def feed(bench: Any, link: dict[str, object]) -> Feed:
    bench.enrol(8, 9)
    return Feed(
        bench.picture,
        bench.units,
        bench.ingest.events,
        lambda: dict(link),
        bench.clock,
        realm="live",
        drill=False,
    )


@pytest.fixture
def viewer(feed: Feed) -> Iterator[Viewer]:
    with asyncio.Runner() as runner:
        runner.get_loop()
        made = Viewer(LI)
        feed.join(made)
        yield made


def drain(feed: Feed, viewer: Viewer) -> list[dict[str, Any]]:
    out = []
    while (data := feed.next_message(viewer)) is not None:
        out.append(msgpack.unpackb(data))
    return out


def slots(message: dict[str, Any]) -> list[int]:
    return np.frombuffer(message["c"]["slot"], "<u4").tolist()


def test_greeting(feed: Feed, viewer: Viewer) -> None:
    hello, meta, snap, link = drain(feed, viewer)
    wanted = {
        "k": "hello",
        "v": 1,
        "realm": "live",
        "tick_ms": 250,
        "name": "Li",
        "drill": False,
        "parts": [],
    }
    assert {key: hello[key] for key in wanted} == wanted
    keys = {"slot", "id", "callsign", "kind", "branch", "team", "device", "stale_s", "lost_s", "agency"}
    assert [set(unit) for unit in meta["units"]] == [keys] * 3
    assert (snap["k"], snap["n"], slots(snap), link["k"]) == ("snap", 3, [0, 1, 2], "link")
    assert {name: len(snap["c"][name]) // np.dtype(kind).itemsize for name, kind in DOC_COLUMNS.items()} == (
        dict.fromkeys(DOC_COLUMNS, 3)
    )


def test_ticks_come_also_when_nothing_moved(feed: Feed, viewer: Viewer) -> None:
    last = drain(feed, viewer)[2]["seq"]
    for n in range(1, 4):
        feed.tick()
        (tick,) = [m for m in drain(feed, viewer) if m["k"] == "tick"]
        assert (tick["seq"], tick["n"], slots(tick)) == (last + n, 0, [])


def test_only_what_changed(bench: Any, feed: Feed, viewer: Viewer) -> None:
    feed.tick()
    drain(feed, viewer)
    bench.put(bench.frame(device=8, row=0))
    feed.tick()
    (tick,) = drain(feed, viewer)
    assert slots(tick) == [1]
    assert np.frombuffer(tick["c"]["t_fix"], "<f8").tolist() == [bench.clock.now]
    feed.tick()
    assert drain(feed, viewer)[0]["n"] == 0


def test_a_skipped_tick_loses_no_change(bench: Any, feed: Feed, viewer: Viewer) -> None:
    feed.tick()
    last = drain(feed, viewer)[-1]["seq"]
    for device in (7, 8, 9):
        bench.put(bench.frame(device=device, row=0))
        feed.tick()
    (tick,) = drain(feed, viewer)
    assert (slots(tick), tick["since"], tick["seq"]) == ([0, 1, 2], last, last + 3)


def test_resume(bench: Any, feed: Feed, viewer: Viewer) -> None:
    feed.tick()
    seq = drain(feed, viewer)[-1]["seq"]
    bench.put(bench.frame(device=9, row=0))
    feed.tick()
    drain(feed, viewer)
    feed.hear(viewer, {"k": "resume", "seq": seq})
    (tick,) = drain(feed, viewer)
    assert (tick["k"], slots(tick)) == ("tick", [2])
    for _ in range(RESUME_TICKS_MAX + 1):
        feed.tick()
    drain(feed, viewer)
    for wrong in (seq, 0, 10**12, "x", None):
        feed.tick()
        feed.hear(viewer, {"k": "resume", "seq": wrong})
        assert drain(feed, viewer)[0]["k"] == "snap", wrong


def test_hidden_tab_gets_events_only(bench: Any, feed: Feed, viewer: Viewer) -> None:
    drain(feed, viewer)
    feed.hear(viewer, {"k": "pause"})
    feed.tell(bench.put(bench.event(0)))
    for _ in range(130):
        feed.tick()
    assert [m["k"] for m in drain(feed, viewer)] == ["event"]
    feed.hear(viewer, {"k": "go"})
    assert drain(feed, viewer)[0]["k"] == "snap"


def test_who_comes_later_hears_of_the_open_sos(bench: Any, feed: Feed, viewer: Viewer) -> None:
    feed.tell(bench.put(bench.event(0), bench.event(1, number=6), bench.event(2, number=6, phase=3)))
    late = Viewer(LI)
    feed.join(late)
    assert [m["id"] for m in drain(feed, late) if m["k"] == "event"] == ["7-5"]


def test_slow_viewer_is_sent_away_and_never_skipped(bench: Any, feed: Feed, viewer: Viewer) -> None:
    events = bench.put(bench.event(0))
    for _ in range(EVENTS_QUEUE_MAX):
        feed.tell(events)
    assert viewer.closing == "slow"
    assert len(viewer.queue) == EVENTS_QUEUE_MAX


@pytest.mark.parametrize(
    "noise",
    [None, 7, [], {"k": 5}, {"k": "resume"}, {}, {"k": "other", "x": {}}, {"k": "resume", "seq": True}],
)
def test_noise_from_a_screen(feed: Feed, viewer: Viewer, noise: object) -> None:
    feed.hear(viewer, noise)
    feed.tick()
    assert drain(feed, viewer)


def test_link_when_it_changes(feed: Feed, viewer: Viewer, link: dict[str, object]) -> None:
    feed.tick()
    drain(feed, viewer)
    feed.tick()
    assert [m["k"] for m in drain(feed, viewer)] == ["tick"]
    link["broker"] = False
    feed.tick()
    said = drain(feed, viewer)
    assert said[0] | {"k": "link"} == {"k": "link", **link}


def test_new_unit_is_introduced_before_it_moves(bench: Any, feed: Feed, viewer: Viewer) -> None:
    drain(feed, viewer)
    bench.enrol(10)
    feed.tell_units([3])
    bench.put(bench.frame(device=10, row=0))
    feed.tick()
    said = [m for m in drain(feed, viewer) if m["k"] != "link"]
    assert [m["k"] for m in said] == ["meta", "tick"]
    assert said[0]["units"][0]["slot"] == 3


EXAMPLE = Path(__file__).parent.parent / "web" / "feed_example.json"


def test_screens_own_example() -> None:
    """The screen's builder keeps the feed as bytes; ours are the same bytes."""
    example = json.loads(EXAMPLE.read_text())
    assert list(example["column_types"]) == list(DOC_COLUMNS)
    for one in example["from_hub"]:
        message = dict(one["message"])
        if "c" in message:
            picture = picture_of(message["c"], message["n"])
            message["c"] = picture.columns(np.arange(message["n"])) | {
                "slot": np.array(message["c"]["slot"], "<u4").tobytes()
            }
        assert encode(message).hex() == one["hex"], message["k"]


def picture_of(columns: dict[str, list[Any]], n: int) -> Picture:
    """A picture in which unit i is as row i of these columns."""
    picture = Picture(n)
    for _ in range(n):
        picture.add_unit()
    picture.pos_time[:] = [float(t) for t in columns["t_fix"]]
    picture.t_rx[:] = [float(t) for t in columns["t_rx"]]
    for i, name in enumerate(("lat", "lon", "alt", "speed", "course", "hacc")):
        picture.pos[i, :] = columns[name]
    picture.pos[5, picture.pos[5] == 65535] = -1
    flags = np.array(columns["flags"], np.int64)
    picture.alarms[:], picture.quarantined[:] = flags & 15, flags & 32 != 0
    picture.pos_tag[:] = flags & 16
    picture.hist[:] = columns["hist"]
    last = {
        "mode": ("fix_mode", 0),
        "hr": ("heart_bpm", 255),
        "bat": ("battery_pct", 255),
        "air": ("scba_kpa", 65535),
    }
    for name, (field, absent) in last.items():
        picture.value[CHANNEL[field]] = columns[name]
        picture.time[CHANNEL[field]] = np.where(np.array(columns[name]) == absent, np.nan, 1.0)
    return picture


def test_above_ten_thousand_units_ticks_are_half_as_frequent(feed: Feed, viewer: Viewer) -> None:
    assert feed.tick_ms == 250
    assert [feed.is_due(turn) for turn in range(4)] == [True] * 4
    while feed.picture.n <= MANY_UNITS:
        feed.picture.add_unit()
    assert feed.tick_ms == 500
    assert [feed.is_due(turn) for turn in range(4)] == [True, False, True, False]
    drain(feed, viewer)
    feed.greet_again(viewer, LI)
    assert drain(feed, viewer)[0]["tick_ms"] == 500

"""What devices hear of others: units of their own that touch nobody, names, messages, bounds."""

import asyncio
from collections.abc import Iterator
from typing import Any

import msgpack
import numpy as np
import pytest

from hub.identity.permissions import ALLOWED, Principal, Role
from hub.live import reported
from hub.live.feed import Feed, Viewer
from hub.live.history import Decoder
from hub.live.picture import CHANNEL, FLAG_QUARANTINED
from hub.live.reported import plain_text
from hub.store.interface import UnitRow
from protocols import frame
from protocols.catalog import Kind, Lane, Said, Source, Stream

T0 = 1_795_000_000_000
BOOT = 2**63 + 11

SHIP, NODE = 413_000_123, 0xA1B2C3D4


def seen(
    bench: Any, number: int, row: int = 0, source: int = Source.AIS, device: int = 7, **more: Any
) -> tuple[str, bytes]:
    """One OBSERVED row about a thing; `lat` counts from a place, `more` may hold frame arguments and fields."""
    lat, age = more.pop("lat", 0), more.pop("obs_age_s", None)
    values = {"obs_source": int(source), "obs_id": number}
    values |= {key: more.pop(key) for key in list(more) if key.startswith("obs_")}
    if lat is not None:
        values |= {"obs_lat_deg_e7": 366_500_000 + lat, "obs_lon_deg_e7": 1_170_000_000}
    if age is not None:
        values["obs_age_s"] = age
    return bench.frame(device=device, row=row, rows=[values], kind=Kind.OBSERVED, **more)


def said(bench: Any, row: int, what: Said, text: str, number: int = NODE, source: int = Source.MESH, device: int = 7,
         t_ms: int | None = None) -> tuple[str, bytes]:  # fmt: skip
    at = (bench.clock() if t_ms is None else t_ms) - (T0 - 1_000_000)
    packed = frame.pack(
        bench.mac_key(device), kind=Kind.SAID, lane=Lane.LIVE, device=device, boot=BOOT, stream=Stream.ROWS, row=row,
        rows=[frame.Row(at, {}, (int(source), number, int(what), text))], utc_zero_ms=T0 - 1_000_000, clock_source=1,
    )  # fmt: skip
    return bench.topic(device, Lane.LIVE), packed


def meta_of(bench: Any, unit_id: str) -> dict[str, Any]:
    return bench.units.meta([bench.units.slot_by_id[unit_id]])[0]


def fix(bench: Any, unit_id: str) -> tuple[int, int]:
    slot = bench.units.slot_by_id[unit_id]
    return int(bench.picture.pos[0, slot]) - 366_500_000, int(bench.picture.pos_time[slot])


@pytest.mark.parametrize(
    ("source", "number", "unit_id", "kind", "callsign"),
    [
        (Source.AIS, SHIP, "ais-413000123", "vessel", "AIS 413000123"),
        (Source.MESH, NODE, "mesh-a1b2c3d4", "person", "网格 !a1b2c3d4"),
        (Source.DRONE, 7 * 256 + 1, "drone-7-1", "drone", "无人机 1"),
        (Source.RDSS, 123456, "rdss-123456", "person", "北斗 123456"),
    ],
)
def test_a_thing_becomes_a_unit(
    bench: Any, source: Source, number: int, unit_id: str, kind: str, callsign: str
) -> None:
    bench.put(
        seen(
            bench,
            number,
            source=source,
            obs_age_s=40,
            obs_battery_pct=77,
            obs_speed_dmps=31,
            obs_rssi_dbm=-90,
        )
    )
    meta = meta_of(bench, unit_id)
    assert (meta["kind"], meta["callsign"], meta["device"]) == (kind, callsign, 0)
    word = unit_id.partition("-")[0]
    assert meta["reported"] == {"source": word, "by": bench.units.rows[bench.slot()].id}
    assert fix(bench, unit_id) == (0, T0 - 40_000), "true when it was taken, not when it was told"
    slot = meta["slot"]
    assert bench.picture.value[CHANNEL["battery_pct"], slot] == 77
    assert bench.picture.time[CHANNEL["battery_pct"], slot] == T0
    assert bench.picture.pos[3, slot] == 31
    assert [(f.name, value) for f, value, _ in bench.ingest.reported.more(slot)] == [("obs_rssi_dbm", -90)]
    assert np.isnan(bench.picture.pos_time[bench.slot()]), "the reporter itself has no position by it"


def test_beacons_and_unknown_sources_are_stored_only(bench: Any) -> None:
    bench.put(seen(bench, 1, source=Source.BEACON), seen(bench, 1, row=1, source=77))
    assert len(bench.units.rows) == 1
    assert len(bench.stored_rows()) == 2


def test_the_newest_fix_wins_in_any_order_and_by_any_reporter(bench: Any) -> None:
    bench.enrol(8)
    bench.put(seen(bench, SHIP, lat=30, t_ms=T0, device=8))
    bench.put(seen(bench, SHIP, lat=10, t_ms=T0 - 20_000, lane=Lane.HISTORY))
    bench.put(seen(bench, SHIP, row=1, lat=20, t_ms=T0 + 5_000, obs_age_s=15))
    assert fix(bench, "ais-413000123") == (30, T0)
    assert len(bench.ingest.reported) == 1
    assert meta_of(bench, "ais-413000123")["reported"]["by"] == bench.units.rows[bench.slot(8)].id
    bench.clock.now += 200_000
    bench.put(seen(bench, SHIP, row=2, lat=40))
    assert meta_of(bench, "ais-413000123")["reported"]["by"] == bench.units.rows[bench.slot(7)].id


def test_nothing_heard_moves_a_registered_unit(bench: Any) -> None:
    """Whatever a device says of things: ids like ours, names like ours, all sources."""
    bench.put(bench.frame(row=0))
    before = (bench.lat(), bench.t_fix(), bench.units.rows[0], bench.flags())
    for row, source in enumerate([*Source, 0, 255], 1):
        for number in (0, 1, 7, 7 * 256):
            bench.put(seen(bench, number, row=10 * row + number % 7, source=source, lat=9_000))
            bench.put(said(bench, 500 + 10 * row + number % 7, Said.NAME, "C7", number=number, source=source))
    assert (bench.lat(), bench.t_fix(), bench.units.rows[0], bench.flags()) == before
    called = [bench.units.rows[slot].callsign for slot in range(1, len(bench.units.rows))]
    assert called
    assert "C7" not in called, "nor takes its name"
    assert bench.units.slot_at(7, T0) == 0


def test_names(bench: Any) -> None:
    bench.put(said(bench, 0, Said.NAME, "山脊\u202e\n<b>一号</b>"))
    bench.put(seen(bench, NODE, row=1, source=Source.MESH))
    assert meta_of(bench, "mesh-a1b2c3d4")["callsign"] == "山脊 <b>一号</b>", "text is text"
    bench.put(said(bench, 2, Said.NAME, "老名字", t_ms=T0 - 60_000))
    assert meta_of(bench, "mesh-a1b2c3d4")["callsign"] == "山脊 <b>一号</b>", "the newer name stays"
    bench.put(said(bench, 3, Said.NAME, "x" * 300, t_ms=T0 + 1_000))
    assert meta_of(bench, "mesh-a1b2c3d4")["callsign"] == "x" * 40
    assert plain_text("\u2067a\x00b\u2028c ") == "a b c"


def test_a_jump_is_kept_off(bench: Any) -> None:
    bench.put(seen(bench, SHIP))
    bench.put(seen(bench, SHIP, row=1, lat=50_000_000, t_ms=T0 + 10_000))
    assert fix(bench, "ais-413000123")[0] == 0
    slot = bench.units.slot_by_id["ais-413000123"]
    assert bench.picture.flags(np.array([slot]))[0] & FLAG_QUARANTINED
    assert bench.counters.reported_jumps == 1
    assert bench.refusals == [], "no accusation: a vessel's receiver may be wrong"


def test_restart(bench: Any) -> None:
    bench.put(
        seen(bench, SHIP, lat=5, obs_age_s=7),
        said(bench, 1, Said.NAME, "鲁渔 8", number=SHIP, source=Source.AIS),
    )
    bench.put(*(bench.frame(row=row) for row in range(2, 12)))
    bench.put(said(bench, 20, Said.MESSAGE, "需要水"), said(bench, 21, Said.MESSAGE, "早", t_ms=T0 - 5_000))
    bench.restart()
    assert fix(bench, "ais-413000123") == (5, T0 - 7_000)
    assert meta_of(bench, "ais-413000123")["callsign"] == "鲁渔 8"
    assert [m.text for m in bench.ingest.reported.messages] == ["早", "需要水"]
    assert bench.t_fix() == T0


def test_what_is_heard_does_not_push_a_devices_own_rows_out_of_a_restart(bench: Any) -> None:
    bench.put(bench.frame(row=0))
    for row in range(1, 20):
        bench.put(seen(bench, SHIP + row, row=row, t_ms=T0 + row))
    bench.restart()
    assert bench.t_fix() == T0


def test_bounds(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.enrol(8)
    monkeypatch.setattr(reported, "THINGS_MAX", 5)
    monkeypatch.setattr(reported, "THINGS_OF_DEVICE_MAX", 3)
    bench.put(*(seen(bench, SHIP + n, row=n) for n in range(6)))
    assert (len(bench.ingest.reported), bench.counters.reported_refused) == (3, 3)
    bench.put(*(seen(bench, SHIP + 50 + n, row=n, device=8) for n in range(3)))
    assert len(bench.ingest.reported) == 5
    bench.put(seen(bench, SHIP, row=9, lat=77, t_ms=T0 + 20_000))
    assert fix(bench, "ais-413000123")[0] == 77, "known ones go on"
    bench.put(*(said(bench, 20 + n, Said.MESSAGE, f"m{n}") for n in range(30)))
    assert len(bench.ingest.reported.fresh_messages) == reported.MESSAGES_AT_ONCE_MAX
    assert bench.counters.said_dropped == 20
    assert len(bench.stored_rows()) == 6 + 3 + 1 + 30, "the log has all"


def test_one_message_heard_twice_is_one(bench: Any) -> None:
    bench.enrol(8)
    bench.put(said(bench, 0, Said.MESSAGE, "撤"), said(bench, 0, Said.MESSAGE, "撤", device=8))
    bench.put(said(bench, 1, Said.MESSAGE, "撤", t_ms=T0 - 700_000))
    assert len(bench.ingest.reported.fresh_messages) == 2


def test_estimated_times_move_when_the_clock_comes(bench: Any) -> None:
    bench.put(seen(bench, SHIP, zero_ms=None, t_ms=5_000))
    assert fix(bench, "ais-413000123") == (0, T0), "at its arrival, as long as nothing else is known"
    bench.put(bench.frame(row=9, t_ms=T0 - 60_000 + 4_000, zero_ms=T0 - 65_000))
    assert fix(bench, "ais-413000123") == (0, T0 - 60_000)


def test_what_was_said_is_in_an_export(bench: Any) -> None:
    bench.put(said(bench, 3, Said.MESSAGE, "=撤"))
    (row,) = [
        row
        for stored in bench.log.all_frames(0, 2**52)
        for row in Decoder(bench.log, bench.keys.logged).rows(stored)
    ]
    assert (row.text, sorted(row.values.values())) == ("=撤", [1, NODE])


def test_load_keeps_reported_units(bench: Any) -> None:
    bench.put(seen(bench, SHIP))
    bench.enrol(9)
    assert [row.id for row in bench.units.rows] == ["u1", "ais-413000123", "u2"]
    assert bench.units.silent(T0 + 10**9) == 0, "who is not ours is not counted as silent"
    assert bench.slot(9) == 2


# --- who sees them --------------------------------------------------------------------------------------------------


@pytest.fixture
def two_agencies(bench: Any) -> Any:
    entries = [
        (d, UnitRow("", f"C{d}", "person", "fire", "A", 30, 300, a)) for d, a in ((21, "消防"), (31, "矿山"))
    ]
    bench.registry.enrol(entries, bench.clock())
    bench.load()
    return bench


@pytest.fixture
def loop() -> Iterator[None]:
    with asyncio.Runner() as runner:
        runner.get_loop()
        yield


def drain(feed: Feed, viewer: Viewer) -> list[dict[str, Any]]:
    out = []
    while (data := feed.next_message(viewer)) is not None:
        out.append(msgpack.unpackb(data))
    return out


def test_who_sees_a_reporter_sees_what_it_reports(two_agencies: Any, state: Any, loop: None) -> None:
    bench, feed = two_agencies, state.feed
    bench.put(seen(bench, SHIP, device=21), seen(bench, SHIP, device=31, lat=9))
    bench.put(said(bench, 1, Said.MESSAGE, "甲", device=21), said(bench, 1, Said.MESSAGE, "乙", device=31))
    assert sorted(bench.units.slot_by_id)[:2] == ["ais-413000123-消防", "ais-413000123-矿山"]
    people = {}
    for name, sees in (("消防", ()), ("all", ("*",))):
        viewer = Viewer(Principal("Li", Role.MEMBER, "消防", sees, "", "s", ALLOWED[Role.MEMBER], 2**50))
        feed.join(viewer)
        people[name] = drain(feed, viewer)
    own = people["消防"]
    assert [u["id"] for m in own if m["k"] == "meta" for u in m["units"]] == [
        "u1",
        "u2",
        "ais-413000123-消防",
    ]
    assert [m["text"] for m in own if m["k"] == "said"] == ["甲"]
    assert [m["text"] for m in people["all"] if m["k"] == "said"] == ["甲", "乙"]
    late = Viewer(Principal("Li", Role.MEMBER, "消防", (), "", "s", ALLOWED[Role.MEMBER], 2**50))
    feed.join(late)
    drain(feed, late)
    bench.put(said(bench, 2, Said.MESSAGE, "丙", device=31), said(bench, 2, Said.MESSAGE, "丁", device=21))
    feed.tell_said(bench.ingest.reported.fresh_messages[-2:])
    (message,) = drain(feed, late)
    wanted = {
        "k": "said",
        "slot": None,
        "source": 1,
        "id": NODE,
        "name": "网格 !a1b2c3d4",
        "text": "丁",
        "t": T0,
        "by": "u2",
    }
    assert message == wanted


def test_over_http(bench: Any, state: Any, ask: Any) -> None:
    state.sign_in.new_token("Li", Role.MEMBER)
    ask(
        "POST",
        "/api/v1/session",
        json={"token": state.sign_in.new_token("Li")},
        headers={"Origin": "http://127.0.0.1:8600"},
    )
    for row, lat in enumerate((0, 100, 200)):
        bench.put(
            seen(
                bench,
                SHIP,
                row=row,
                lat=lat,
                t_ms=T0 - 120_000 + 60_000 * row,
                obs_age_s=10,
                obs_ship_type=36,
            )
        )
    bench.put(seen(bench, SHIP + 1, row=9, t_ms=T0))
    bench.clock.now += 200_000
    unit = ask("GET", "/api/v1/units/ais-413000123").json()
    assert unit["reported"] == {"source": "ais", "by": "u1"}
    assert {"name": "obs_ship_type", "value": 36}.items() <= unit["values"][-1].items()
    json_trail = {"Accept": "application/json"}
    trail = ask("GET", "/api/v1/units/ais-413000123/trail", headers=json_trail).json()
    assert trail["c"]["lat"] == [366_500_000, 366_500_100, 366_500_200]
    assert trail["c"]["t"] == [T0 - 130_000, T0 - 70_000, T0 - 10_000]
    assert "reported" in ask("GET", "/api/v1/units").json()["units"][-1]
    assert ask("GET", "/api/v1/units/u1").json()["reported"] is None

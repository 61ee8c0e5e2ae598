"""The log, its segments and room, the registry and its chain."""

import shutil
import threading
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from hub.errors import StoreError, StoreFull
from hub.store import budget, files, migrations
from hub.store.budget import Retention, Space, forecast, measure
from hub.store.interface import Hold, UnitRow
from hub.store.reading import ReadOnlyLog
from hub.store.segments import day_of
from protocols.catalog import Lane, Stream

DAY = 86_400_000
T0 = 1_795_000_000_000


def unit(callsign: str, **more: Any) -> UnitRow:
    values = {"kind": "person", "branch": "fire", "team": "A", "stale_s": 30, "lost_s": 300} | more
    return UnitRow("", callsign, **values)


# --- segments ---------------------------------------------------------------------------------------------


def test_coverage_goes_along_into_a_new_day(bench: Any) -> None:
    first = bench.frame(row=0)
    bench.put(first)
    bench.clock.now += DAY
    bench.put(bench.frame(row=1))
    assert len(bench.log.days()) == 2
    bench.restart()
    bench.put(first)
    assert [row[3] for row in bench.stored_rows()] == [0, 1]


def test_coverage_at_rest_goes_to_the_archive(bench: Any) -> None:
    first = bench.frame(row=0)
    bench.put(first)
    bench.enrol(8)
    bench.clock.now += 40 * DAY
    bench.put(bench.frame(device=8, row=0, boot=3, zero_ms=bench.clock.now - 5_000))
    bench.restart()
    bench.put(first)
    assert bench.counters.duplicates == 1
    assert bench.log.clock(7, 2**63 + 11) is not None


def test_a_clock_set_back_goes_on_in_the_same_segment(bench: Any) -> None:
    bench.put(bench.frame(row=0))
    bench.clock.now -= 5 * DAY
    bench.restart()
    bench.put(bench.frame(row=1, t_ms=T0))
    assert bench.log.days() == [day_of(T0)]


def test_frames_of_yesterday_are_dated_when_the_clock_comes_today(bench: Any) -> None:
    bench.put(bench.frame(row=0, t_ms=1_000, zero_ms=None))
    bench.clock.now += DAY
    zero = T0 - 10_000
    bench.put(bench.frame(row=1, t_ms=zero + 2_000, zero_ms=zero, lane=Lane.HISTORY))
    trail = bench.history.trail(bench.units.carried(0), 0, 2**50, 9)
    assert trail.t_utc_ms == [zero + 1_000, zero + 2_000]


def test_series(bench: Any) -> None:
    rows = [{"heart_bpm": 80 + i, "speed_dmps": 12} for i in range(10)]
    bench.put(bench.frame(row=0, rows=rows, t_ms=T0 - 9_000))
    found = bench.history.series(bench.units.carried(0), ["heart_bpm"], T0 - 9_000, T0, 2)
    heart = found["heart_bpm"]
    assert (heart.least.tolist(), heart.most.tolist(), heart.n.tolist()) == ([80, 85], [84, 89], [5, 5])


def test_a_failed_commit_keeps_nothing(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.store.segments._COVER", "INSERT INTO nowhere VALUES (?,?,?,?,?,?)")
    admitted = bench.ingest.admit([bench.frame(row=0)])
    with pytest.raises(StoreError, match="nowhere"):
        bench.log.commit(admitted.commit)
    monkeypatch.undo()
    assert bench.stored_rows() == []


def test_a_newer_schema_is_not_touched(tmp_path: Path) -> None:
    db = files.open_writer(tmp_path / "x.db")
    migrations.migrate(db, [lambda _db: None] * 0, 0)
    db.execute("INSERT INTO _migrations VALUES (7, 'later', 0)")
    with pytest.raises(StoreError, match="newer hub"):
        migrations.migrate(db, (), 0)
    db.close()


# --- the pipeline on a bad disk -----------------------------------------------------------------------------


def test_full_disk_stops_acknowledging_and_serves_on(
    bench: Any, piped: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_commit: object) -> None:
        raise StoreFull("store: x.db: database or disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(bench.log, "commit", full)
        pipeline = piped.steps([bench.event(0), bench.frame(row=0)])
    assert "full" in pipeline.fault
    assert bench.sent == []
    assert [event.code for event in bench.told] == [1]
    pipeline = piped.steps([bench.event(0), bench.frame(row=0, lane=Lane.HISTORY)])
    assert pipeline.fault == ""
    assert len(bench.sent) == 2
    assert len(bench.told) == 1


def test_a_slow_disk_does_not_hold_up_an_sos(bench: Any, piped: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commit returns only after the SOS was told; nothing is acknowledged before."""
    told, commit = threading.Event(), bench.log.commit
    seen: list[int] = []

    def slow(batch: Any) -> None:
        assert told.wait(10)
        seen.append(len(bench.sent))
        commit(batch)

    monkeypatch.setattr("hub.live.pipeline.SHOW_AFTER_S", 0.01)
    monkeypatch.setattr(bench.log, "commit", slow)
    monkeypatch.setattr(bench, "told", Told(told))
    pipeline = piped.steps([bench.event(0)])
    assert (seen, len(bench.sent), pipeline.fault) == ([0], 1, "")
    assert len(bench.told) == 1, "told once"


class Told(list[Any]):
    """A list that says when something was put into it."""

    def __init__(self, event: threading.Event) -> None:
        super().__init__()
        self.event = event

    def extend(self, events: Any) -> None:
        super().extend(events)
        if self:
            self.event.set()


def test_a_log_that_cannot_be_read_is_not_overwritten(
    bench: Any, piped: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.put(bench.frame(row=0))
    bench.restart()

    def fails(*_: object) -> None:
        raise StoreError("store: disk I/O error")

    with monkeypatch.context() as broken:
        broken.setattr(bench.log, "_find", fails)
        piped.steps([bench.frame(row=1, lane=Lane.HISTORY), bench.event(0)])
    assert bench.sent == []
    assert bench.told
    piped.steps([bench.frame(row=1, lane=Lane.HISTORY)])
    assert bench.acks() == []
    assert [row[3] for row in bench.stored_rows()] == [0, 1]


# --- room ---------------------------------------------------------------------------------------------------


@pytest.fixture
def ten_days(bench: Any) -> Any:
    """History and one event on each of ten days."""
    for day in range(10):
        boot = day + 1
        zero = bench.clock.now - 1_000
        bench.put(bench.frame(row=0, boot=boot, zero_ms=zero, lane=Lane.HISTORY))
        bench.put(bench.event(0, number=day, boot=boot, zero_ms=zero))
        bench.clock.now += DAY
    return bench


def kept(bench: Any, stream: int) -> list[int]:
    return [row[1] for row in bench.stored_rows() if row[2] == stream]


def test_retention_by_class(ten_days: Any) -> None:
    retention = Retention(ten_days.log, history_days=5, events_days=8)
    hold = Hold(1, T0 + DAY, T0 + DAY, "mine fire")
    done = retention.by_age(ten_days.clock(), [hold])
    assert kept(ten_days, Stream.ROWS) == [2, 6, 7, 8, 9, 10]
    assert kept(ten_days, Stream.EVENTS) == [2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert len(done) == 4
    assert retention.by_age(ten_days.clock(), [hold]) == []


def test_thinned_by_space_oldest_first_never_events(ten_days: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shares = iter([0.99, 0.97, 0.96, 0.5])
    monkeypatch.setattr(budget, "measure", lambda *_: Space(int(1000 * next(shares)), 1000, 10**9))
    retention = Retention(ten_days.log, history_days=0, events_days=0)
    done = retention.by_space(ten_days.folder, 1, [Hold(1, T0, T0, "held")])
    assert len(done) == 2
    assert kept(ten_days, Stream.ROWS) == [1, 4, 5, 6, 7, 8, 9, 10]
    assert kept(ten_days, Stream.EVENTS) == list(range(1, 11))


def test_the_hub_stops_before_the_disk_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    (tmp_path / "x").write_bytes(bytes(1000))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(2**40, 0, 2**20))
    assert "1 MiB free" in measure(tmp_path, 0).stop
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(2**40, 0, 2**30))
    space = measure(tmp_path, 0)
    assert (space.stop, space.used, space.budget) == ("", 1000, 2**30 + 1000)


def test_forecast(ten_days: Any) -> None:
    ahead = forecast(ReadOnlyLog(ten_days.folder), Space(0, 2**30, 2**40))
    assert ahead.bytes_a_day > 1000
    assert ahead.days_left == pytest.approx(2**30 / ahead.bytes_a_day)
    assert budget.integrity(ten_days.log.path(ten_days.log.days()[0])) == "ok"


# --- registry -------------------------------------------------------------------------------------------------


def test_records_are_chained(bench: Any) -> None:
    for number in range(5):
        bench.registry.record(T0, "Li", "test", {"n": number, "名": "值"})
    assert bench.registry.verify_records() is None
    bench.registry._file.write("UPDATE records SET content = '{\"n\":9}' WHERE seq = 3", [])
    assert "number 3" in bench.registry.verify_records()
    bench.registry._file.write("DELETE FROM records WHERE seq = 3", [])
    assert "number 4 where 3" in bench.registry.verify_records()


def test_enrol_is_all_or_nothing(bench: Any) -> None:
    with pytest.raises(StoreError):
        bench.registry.enrol([(20, unit("Good")), (21, UnitRow("", None, "person", "fire", "", 1, 1))], T0)  # type: ignore[arg-type]
    assert 20 not in bench.registry.devices.epochs()
    assert bench.registry.enrol([(20, unit("Good")), (21, unit("Good"))], T0) == (2, 0)
    assert bench.registry.enrol([(20, unit("Good", team="B"))], T0) == (0, 1)


def test_another_program_is_noticed(bench: Any) -> None:
    from hub.store.registry import SqliteRegistry

    before = bench.registry.version()
    assert bench.registry.version() == before
    other = SqliteRegistry(bench.folder / "registry.db")
    other.open(T0)
    other.enrol([(30, unit("New"))], T0)
    other.close()
    assert bench.registry.version() != before
    assert 30 in bench.registry.devices.epochs()


def test_what_a_device_said_can_be_read_after_its_keys_were_taken_back(bench: Any) -> None:
    """Revoked, enrolled anew: the key changes, the evidence stays, and its MAC is still checked."""
    bench.enrol(30)
    bench.put(bench.frame(device=30, row=0))
    unit = bench.slot(30)
    bench.registry.devices.revoke(30, "lost", bench.clock())
    bench.load()

    def trail() -> int:
        carried = bench.units.carried(unit)
        return len(bench.history.trail(carried, 0, 2**52, 100).t_utc_ms)

    assert (trail(), len(bench.stored_rows())) == (1, 1)
    assert bench.keys.get(30) is None, "it may not send"
    bench.keys.ever = {30: -1}
    assert (trail(), len(bench.stored_rows())) == (0, 0), "no key of its fits: not shown as evidence"

"""One unit of several devices over HTTP, and pages of many units."""

from typing import Any

import pytest

from hub.state import HubState
from hub.store.interface import UnitRow


@pytest.fixture
def reader(ask: Any, state: HubState) -> Any:
    ask("POST", "/api/v1/session", json={"token": state.sign_in.new_token("王海")})
    return ask


def fix(bench: Any, device: int, row: int, hacc_dm: int, **more: Any) -> Any:
    values = {
        "lat_deg_e7": 366_500_000 + device,
        "lon_deg_e7": 1_170_000_000,
        "hacc_dm": hacc_dm,
        "fix_mode": 3,
    }
    return bench.frame(device=device, row=row, rows=[values], **more)


def test_one_unit_of_three_devices_says_which_it_is_drawn_at_and_why_not_the_others(
    bench: Any, reader: Any
) -> None:
    bench.enrol(8, 9)
    unit = bench.units.rows[0].id
    for device in (8, 9):
        bench.registry.bind(device, unit, 0)
    bench.load()
    for i in range(5):
        bench.clock.now += 1_000
        bench.put(fix(bench, 7, i, 200), fix(bench, 8, i, 30, t_ms=bench.clock.now - 10))
        bench.ingest.tracks.step(bench.clock.now)
    said = reader("GET", f"/api/v1/units/{unit}").json()
    assert said["fix_device"] == 8
    assert said["lat_deg"] == pytest.approx(36.6500008)
    assert said["t_fix_utc_ms"] == bench.clock.now - 10
    assert [(one["device"], one["drawn"], one["why"], one["radius_m"]) for one in said["devices"]] == [
        (8, True, "", 3.0), (7, False, "less_sure", 20.0), (9, False, "no_fix", None),
    ]  # fmt: skip
    assert [one["bearer"] for one in said["devices"]] == ["mqtt", "mqtt", "none"]
    assert said["devices"][0]["t_rx_utc_ms"] == bench.clock.now
    assert said["devices"][0]["usual_s"] == 1.0
    assert said["track"]["outliers"] == 0
    assert bench.units.meta([0])[0]["fix_device"] == 8


def test_a_restart_draws_the_same_receiver(bench: Any) -> None:
    bench.enrol(8)
    bench.registry.bind(8, bench.units.rows[0].id, 0)
    bench.load()
    for i in range(5):
        bench.clock.now += 1_000
        bench.put(fix(bench, 7, i, 200), fix(bench, 8, i, 30, t_ms=bench.clock.now - 10))
    bench.ingest.tracks.step(bench.clock.now)
    before = (bench.lat(), bench.t_fix(), bench.ingest.tracks.state(0))
    bench.restart()
    assert (bench.lat(), bench.t_fix(), bench.ingest.tracks.state(0)) == before


def test_many_units_come_in_pages(bench: Any, reader: Any) -> None:
    entries = [(100 + i, UnitRow("", f"D{i}", "person", "fire", "A", 30, 300)) for i in range(6)]
    bench.registry.enrol(entries, 0)
    bench.load()
    slots: list[int] = []
    after, pages = "", 0
    while after is not None:
        answer = reader(
            "GET", "/api/v1/units", params={"limit": 3, **({"after": after} if after else {})}
        ).json()
        slots += [unit["slot"] for unit in answer["units"]]
        after, pages = answer["next"], pages + 1
    assert (slots, pages) == (list(range(7)), 3)
    assert reader("GET", "/api/v1/units").json()["next"] is None
    assert reader("GET", "/api/v1/units", params={"limit": 501}).status_code == 422
    assert reader("GET", "/api/v1/units", params={"after": "x"}).status_code == 422


def test_an_error_of_the_tracks_takes_nothing_else_with_it(
    bench: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> Any:
        raise ValueError("broken")

    bench.put(fix(bench, 7, 0, 30))
    with monkeypatch.context() as patched:
        patched.setattr("hub.live.track_law.step", broken)
        bench.ingest.follow(bench.clock.now)
    assert "tracks: begun anew" in caplog.text
    assert bench.counters.track_failures == 1
    assert bench.t_fix() == bench.clock.now
    bench.clock.now += 1_000
    bench.put(fix(bench, 7, 1, 30))
    bench.ingest.follow(bench.clock.now)
    assert bench.ingest.tracks.of(0) is not None

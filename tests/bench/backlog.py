"""After an outage: one gateway's day drains while its newest state goes on, and 500 gateways come back at once.

Enters: a hub that runs. Leaves: how long it took, how old the newest state became meanwhile, and how even it was.
Called by run.py.
"""

import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from serial_probe import SerialProbe

from edge import control
from edge.spool import Spool
from hub.identity.keys import load_master
from protocols import topics
from protocols.catalog import FIELDS_BY_NAME, Kind, Stream
from protocols.errors import AckError
from protocols.frame import Row
from protocols.keys import MacKey, device_key
from sim.light import LightUnit
from sim.mqtt_link import MqttLink

DAY_S = 86_400
AWAY_S = 1_800
PATIENCE_S = 180
TURN_S = 0.1
BITS = [FIELDS_BY_NAME[name].bit for name in (
    "lat_deg_e7", "lon_deg_e7", "alt_dm", "speed_cmps", "course_cdeg", "heart_bpm", "battery_pct",
) if name in FIELDS_BY_NAME]  # fmt: skip


def values_of(second: int) -> dict[int, int]:
    """A walk: position, and a few values that change."""
    return {
        bit: 366_000_000 + 90 * second if i < 2 else 60 + (second // 7 + i) % 30 for i, bit in enumerate(BITS)
    }


@dataclass(frozen=True, slots=True)
class Drained:
    """`age_ms`: of the newest state on a screen meanwhile, at its worst."""

    rows: int
    seconds: float
    age_ms: float
    updates: int

    @property
    def times_real(self) -> float:
        return self.rows / self.seconds


def drain_a_day(hub_at: tuple[Path, int, int]) -> Drained:
    """The unmodified agent with a day at 1 Hz in its spool, a receiver, and a signed-in screen."""
    data = hub_at[0]
    spool = Spool(data / "probe.db", 77, 512 * 2**20)
    spool.open()
    start_ms = round(time.time() * 1_000) - 1_000 * DAY_S
    for second in range(DAY_S):
        spool.append(Stream.ROWS, Kind.STATE, Row(1_000 * second, values_of(second)), start_ms, 1)
        if second % 5_000 == 0:
            spool.commit()
    spool.close()
    with SerialProbe(*hub_at) as probe:
        begin = end = time.monotonic()
        first = None
        while end - begin < PATIENCE_S:
            end = time.monotonic()
            try:
                status = control.ask(data / "probe.sock", "status")
            except OSError:
                time.sleep(0.05)
                continue
            waiting = int(str(status["waiting_rows"]))
            if first is None and waiting < DAY_S - 1_000:
                first = end
            if waiting < 10:
                break
            time.sleep(0.05)
        latency = list(probe.latency_ms)
    return Drained(DAY_S, end - (first or begin), max(latency, default=float("nan")), len(latency))


@dataclass(frozen=True, slots=True)
class Returned:
    """`age_s`: per unit the oldest that its newest state became at the hub between its return and the end of all
    backlogs; `done_s`: per unit when its backlog was empty."""

    rows: int
    age_s: list[float]
    done_s: list[float]
    late_s: float


def come_back(hub_at: tuple[Path, int, int], first_device: int, count: int) -> Returned:
    """`count` light units with AWAY_S of rows each connect at once; a new row a second each meanwhile."""
    data, _, mqtt_port = hub_at
    master, now_ms = load_master(data / "master.key"), round(time.time() * 1_000)
    zero_ms = now_ms - 1_000 * AWAY_S
    units = [_unit(master, first_device + i, zero_ms) for i in range(count)]
    link = MqttLink("127.0.0.1", mqtt_port, [topics.ack("live", unit.device) for unit in units])
    link.start()
    if not link.wait_up(20):
        raise SystemExit("no broker")
    by_topic = {topics.ack("live", unit.device): unit for unit in units}
    begin, done, late_s, said = time.monotonic(), {}, 0.0, [AWAY_S] * count
    turn = 0
    while len(done) < count and time.monotonic() - begin < PATIENCE_S:
        t_ms = round(time.time() * 1_000) - zero_ms
        for i, unit in enumerate(units):
            while 1_000 * said[i] + 2 * i <= t_ms:  # each at its own moment of the second
                unit.add_row(1_000 * said[i] + 2 * i, values_of(said[i]))
                said[i] += 1
            for lane, frame in unit.outgoing(t_ms):
                link.publish(topics.up("live", unit.device, lane), frame)
        for topic, payload in link.received():
            try:
                by_topic[topic].on_ack(payload)
            except AckError:
                continue
        for i, unit in enumerate(units):
            if i not in done and unit.waiting() < 5:
                done[i] = time.monotonic() - begin
        turn += 1
        left_s = begin + turn * TURN_S - time.monotonic()
        late_s = max(late_s, -left_s)
        time.sleep(max(0.0, left_s))
    link.stop()
    ages = [
        _worst_age_s(data, unit.device, now_ms, now_ms + round(1_000 * max(done.values(), default=0)))
        for unit in units
    ]
    return Returned(count * AWAY_S, ages, [done.get(i, float("inf")) for i in range(count)], late_s)


def _unit(master: bytes, device: int, zero_ms: int) -> LightUnit:
    unit = LightUnit(device, MacKey(device_key(master, "live", device), "live"), 2**40 + device, zero_ms)
    for second in range(AWAY_S):
        unit.add_row(1_000 * second, values_of(second))
    return unit


def _worst_age_s(data: Path, device: int, from_ms: int, to_ms: int) -> float:
    """How old the newest row that the hub had of a device became, by the hub's own log; from its first answer on."""
    newest, worst = None, 0
    for path in sorted((data / "log").glob("????-??-??.db")):
        with sqlite3.connect(path) as db:
            sql = "SELECT t_hub_ms, t_last_utc_ms FROM frames WHERE device = ? AND t_hub_ms >= ? ORDER BY id"
            for t_hub_ms, t_last_ms in db.execute(sql, (device, from_ms)):
                if newest is not None and t_hub_ms <= to_ms:
                    worst = max(worst, t_hub_ms - newest)
                newest = t_last_ms if newest is None else max(newest, t_last_ms or 0)
        db.close()
    return float("inf") if newest is None else worst / 1_000


def spread(values: list[float]) -> str:
    """Least, median, largest."""
    return " / ".join(f"{v:.1f}" for v in np.percentile(values, [0, 50, 100]))

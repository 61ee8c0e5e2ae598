"""The real programs, three gateways with receivers on ptys, broker and hub: kill -9 of any of them at random moments, a
broker that comes back empty (ours keeps nothing), a hub that is stopped for seconds, partitions, machines' clocks that
jump by an hour. What the receivers said is compared with the hub's export.

The long form takes 60 % of MINUTES here.
"""

import contextlib
import datetime
import os
import random
import runpy
import signal
import sqlite3
import struct
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from protocols.catalog import EventCode, EventPhase
from sim.net.link import LinkSpec
from sim.net.relays import DatagramRelay, StreamRelay

HERE = Path(__file__).parent
HZ = 5.0
GATEWAYS = (1001, 1002, 1003)
SHORT_S = 7.0
NEAR_MS = 2_500


@pytest.fixture(scope="module")
def flow() -> SimpleNamespace:
    """The programs as tests/flow starts them, and how it judges them."""
    found = runpy.run_path(str(HERE.parent / "flow" / "conftest.py"))
    found |= runpy.run_path(str(HERE.parent / "flow" / "test_kills.py"))
    return SimpleNamespace(**found)


class Skew:
    """The wrong clock of programs that are started while `on` says so."""

    def __init__(self, folder: Path) -> None:
        self.library, self.file = folder / "skew.so", folder / "skew"
        source = HERE / "skew" / "skew.c"
        subprocess.run(
            ["gcc", "-O1", "-shared", "-fPIC", "-Wall", "-o", self.library, source, "-ldl"], check=True
        )
        self.set(0)

    def set(self, seconds: int) -> None:
        with self.file.open("r+b" if self.file.exists() else "wb") as file:
            file.write(struct.pack("<q", seconds))

    def on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LD_PRELOAD", str(self.library))
        monkeypatch.setenv("ZHANTU_SKEW", str(self.file))


class Field:
    """A hub, gateways that reach it over a relay, and what their receivers said."""

    def __init__(
        self, flow: SimpleNamespace, folder: Path, seed: int, numbers: tuple[int, ...] = GATEWAYS
    ) -> None:
        self.numbers = numbers
        self.flow, self.rng = flow, random.Random(seed)
        self.hub = flow.Hub(folder)
        for number in self.numbers:
            self.hub.add(number, f"济南消防-{number}")
        self.hub.start()
        delay = LinkSpec(delay_ms=5)
        self.relay = StreamRelay(("127.0.0.1", self.hub.mqtt_port), delay, delay, seed)
        self.relay.__enter__()
        way = SimpleNamespace(folder=self.hub.folder, keys=self.hub.keys, mqtt_port=self.relay.port)
        self.gateways = [flow.Gateway(way, number, hz=HZ, row_s=1 / HZ) for number in self.numbers]
        self.committed: dict[int, set[Any]] = {number: set() for number in self.numbers}
        self.kills: Counter[str] = Counter()
        self.edge_kills: Counter[int] = Counter()
        self.said: dict[int, dict[int, float]] = {number: {} for number in self.numbers}
        for number, gateway in zip(self.numbers, self.gateways, strict=True):
            self._listen(number, gateway.receiver)

    def _listen(self, number: int, receiver: Any) -> None:
        say = receiver.say

        def told() -> None:
            self.said[number][receiver.count + 1] = time.time() * 1_000
            say()

        receiver.say = told

    def start(self) -> None:
        for gateway in self.gateways:
            gateway.start()
        for gateway in self.gateways:
            self.flow.wait_for(lambda gateway=gateway: gateway.status()["link"] == "up", "no link")

    def pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self.flow.wait_for(lambda: time.monotonic() >= end, "time stands still", seconds + 5)

    def kill(self, victim: str) -> None:
        """Kill it, and start it again as its supervisor would."""
        self.kills[victim] += 1
        if victim == "edge":
            i = self.rng.randrange(len(self.numbers))
            gateway = self.gateways[i]
            gateway.program.kill()
            self.committed[self.numbers[i]] |= self.flow.in_the_spool(gateway.folder / "spool.db")
            self.edge_kills[self.numbers[i]] += 1
            gateway.program.start()
        elif victim == "broker":
            try:
                os.kill(self.hub.broker_pid(), signal.SIGKILL)
            except (AssertionError, ProcessLookupError):
                self.kills[victim] -= 1  # it is just being started again
        else:
            self.hub.program.kill()
            self.hub.program.start()

    def stop_hub_for(self, seconds: float) -> None:
        os.kill(self.hub.program.pid, signal.SIGSTOP)
        self.pause(seconds)
        os.kill(self.hub.program.pid, signal.SIGCONT)

    def settle(self) -> None:
        """Everything up, the receivers silent, nothing waits."""
        wait_for = self.flow.wait_for
        wait_for(self.hub.ready, "the hub does not come back", 60)
        for gateway in self.gateways:
            wait_for(lambda gateway=gateway: gateway.status()["link"] == "up", "no link", 90)
            gateway.receiver.close()
        for gateway in self.gateways:
            wait_for(lambda gateway=gateway: gateway.status().get("waiting_rows") == 0, "rows remain", 90)
            gateway.program.stop()

    def judge(self, fault: str, times: int, report: Callable[..., None]) -> None:
        rows = self.hub.rows()
        made = stored = lost = twice = 0
        for number in self.numbers:
            own = [row for row in rows if row["device"] == number]
            numbered = Counter((row["boot"], row["stream"], row["row"]) for row in own)
            self.flow.check_numbers(numbered, Counter(edge=self.edge_kills[number]))
            committed = self.committed[number]
            made += len(committed | set(numbered))
            stored += len(numbered)
            lost += len(committed - set(numbered))
            twice += numbered.total() - len(numbered)
            self._check_contents(number, own)
        print(f"{fault}: {dict(self.kills)}, {made} rows")
        assert (lost, twice) == (0, 0)
        report(fault, times=times, made=made, stored=stored, lost=lost, twice=twice)

    def _check_contents(self, number: int, rows: list[dict[str, Any]]) -> None:
        """Each fix is one that the receiver said, at its time, and stands in one row."""
        places = [row for row in rows if "lat_deg_e7" in row]
        counts = Counter(round(((row["lat_deg_e7"] / 1e7 - 36) * 60 - 39) * 10_000) for row in places)
        assert max(counts.values()) == 1, "one fix in two rows"
        for row in places:
            count = round(((row["lat_deg_e7"] / 1e7 - 36) * 60 - 39) * 10_000)
            if row["t_utc"]:
                t_utc_ms = datetime.datetime.fromisoformat(row["t_utc"]).timestamp() * 1_000
                assert abs(t_utc_ms - self.said[number][count]) < NEAR_MS, row

    def close(self) -> None:
        for gateway in self.gateways:
            gateway.close()
        self.hub.program.stop()
        self.relay.__exit__()


@pytest.fixture
def field(
    flow: SimpleNamespace, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Field]:
    made = Field(flow, tmp_path, seed)
    yield made
    made.close()


@pytest.mark.slow
def test_kills_at_random_moments(field: Field, report: Callable[..., None], minutes: float) -> None:
    field.start()
    end = time.monotonic() + (minutes * 60 * 0.45 if minutes else SHORT_S)
    while time.monotonic() < end:
        field.pause(field.rng.uniform(0.05, 1.0) * field.rng.choice([1, 1, 1, 6]))
        for victim in field.rng.choices(["edge", "broker", "hub"], [16, 3, 1], k=field.rng.choice([1, 2, 3])):
            field.kill(victim)
    field.settle()
    field.judge("kill -9 of the programs", field.kills.total(), report)


@pytest.mark.slow
def test_stops_partitions_and_jumps_of_machine_clocks(
    flow: SimpleNamespace, tmp_path: Path, seed: int, minutes: float, report: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    skew = Skew(tmp_path)
    skew.on(monkeypatch)
    (tmp_path / "field").mkdir()
    field = Field(flow, tmp_path / "field", seed, GATEWAYS[:2])
    try:
        field.start()
        end, times = time.monotonic() + (minutes * 60 * 0.15 if minutes else SHORT_S), 0
        while time.monotonic() < end:
            for seconds in field.rng.sample([3_600, -3_600, -86_400], 1):
                skew.set(seconds)
                field.pause(0.7)
                skew.set(0)
            field.stop_hub_for(field.rng.uniform(0.5, 3.0))
            field.relay.cut(up=field.rng.random() < 0.7, down=True)
            field.pause(field.rng.uniform(0.5, 3.0))
            field.relay.join()
            field.pause(field.rng.uniform(0.1, 1.0))
            times += 3
        field.settle()
        field.judge("programs: hub stopped, partition, machine clock jumps", times, report)
    finally:
        field.close()


@pytest.mark.slow
def test_a_damaged_spool_is_an_alarm_at_the_hub_and_its_rows_come_after_all(
    flow: SimpleNamespace, tmp_path: Path, seed: int
) -> None:
    field = Field(flow, tmp_path, seed, GATEWAYS[:1])
    try:
        field.start()
        gateway, number = field.gateways[0], GATEWAYS[0]
        field.relay.cut()
        field.pause(3)
        gateway.program.kill()
        path = gateway.folder / "spool.db"
        kept = flow.in_the_spool(path)
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with path.open("r+b") as file:
            file.write(bytes(100))
        field.relay.join()
        gateway.program.start()
        field.settle()
        rows = [row for row in field.hub.rows() if row["device"] == number]
        faults = [row for row in rows if row.get("event_code") == EventCode.SPOOL_FAULT]
        assert [row["event_phase"] for row in faults][:1] == [EventPhase.RAISED]
        assert kept
        assert kept <= {(row["boot"], row["stream"], row["row"]) for row in rows}
        assert "spool was damaged" in gateway.program.output()
        assert list(gateway.folder.glob("spool.db.salvaged-*"))
    finally:
        field.close()


@pytest.mark.slow
def test_an_sos_over_a_bad_way_by_datagrams(
    flow: SimpleNamespace, tmp_path: Path, seed: int, minutes: float, report: Callable[..., None]
) -> None:
    """30 % loss at 1.2 kbit/s, the way of positions too, and no other. The long form only: it takes its time."""
    if not minutes:
        pytest.skip("the long form only; test_slow_link.py does it in virtual time")
    port = flow.free_port()
    hub = flow.Hub(tmp_path, "--datagrams-port", str(port))
    hub.add(1001, "济南消防-01")
    hub.start()
    bad = LinkSpec(loss=0.3, delay_ms=300, jitter_ms=200, rate_bps=1_200, queue_ms=20_000)
    nowhere = SimpleNamespace(folder=hub.folder, keys=hub.keys, mqtt_port=flow.free_port())
    gateway = flow.Gateway(nowhere, 1001)
    with DatagramRelay(("127.0.0.1", port), bad, bad, seed) as relay:
        with gateway.config.open("a") as config:
            config.write(f'[[bearer]]\nkind = "datagram"\nhost = "127.0.0.1"\nport = {relay.port}\n')
        try:
            gateway.start()
            flow.wait_for(lambda: gateway.status()["link"] == "up", "no link", 120)
            count = max(3, round(minutes * 2))
            for _ in range(count):
                gateway.command("sos")
                end = time.monotonic() + 6
                flow.wait_for(lambda end=end: time.monotonic() >= end, "time stands still")
                gateway.command("sos", "--cancel")
            flow.wait_for(lambda: len(alarms(hub)) >= count, "alarms are missing", 60)
        finally:
            gateway.close()
            found = alarms(hub)
            hub.program.stop()
    delays_s = sorted((told(row["t_hub"]) - told(row["t_utc"])) for row in found if row["t_utc"])
    print(f"SOS by datagrams, real programs: {[round(s, 1) for s in delays_s]}")
    assert len(found) == len({(row["boot"], row["stream"], row["row"]) for row in found})
    assert delays_s[len(delays_s) // 2] <= 10
    report("30 % loss, 1.2 kbit/s: SOS by datagrams, real programs", times=len(found), made=len(found),
           stored=len(found), worst_s=delays_s[-1])  # fmt: skip


def alarms(hub: Any) -> list[dict[str, Any]]:
    """SOS that were raised, as the hub's export has them."""
    rows = hub.rows()
    return [
        row
        for row in rows
        if row.get("event_code") == EventCode.SOS and row["event_phase"] == EventPhase.RAISED
    ]


def told(iso: str) -> float:
    return datetime.datetime.fromisoformat(iso).timestamp()

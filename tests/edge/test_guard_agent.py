"""The guard in the agent: rows on the disk first, feedback by the sender, SEEN from the hub, duty over a restart."""

import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from edge.config import Config, SpoolConfig
from edge.sender import Sender, Where
from edge.spool import Spool, SpoolRow
from edge.trust import Trust
from edge.wearer import Wearer
from firmware_bridge.interface import Command, Play
from protocols import orders
from protocols.catalog import Duty, EventCode, EventPhase, Kind, Lane, Stream, field_id
from protocols.errors import OrderError
from protocols.frame import Row
from protocols.keys import MacKey
from protocols.orders import What
from protocols.samples import Pressed, Reading
from protocols.wearer import Gesture, Pattern

Hub = Any
UTC_MS = 1_795_000_000_000
HOUR_MS = 3_600_000
ACTIVITY = field_id("activity_mg")


class Gateway:
    """A wearer with a real spool and sender, and a hub that can be deaf; the boards' commands are kept."""

    def __init__(self, folder: Path, hub: Hub, mac_key: MacKey, boot: int = 1) -> None:
        self.config = replace(Config(), spool=SpoolConfig(path=folder / "spool.db"))
        self.hub = hub
        self.spool = Spool(self.config.spool.path, boot, 2**24)
        self.spool.open()
        self.sender = Sender(self.spool, mac_key, 1001, live_ms=1_000)
        self.sender.attach(hub)
        self.commands: list[Command] = []
        self.wearer = Wearer(self.config, boot, self.keep, self.commands.append, self.sender.where)
        self.t_ms = 0

    def keep(self, row: Row) -> SpoolRow:
        kept = self.spool.append(Stream.EVENTS, Kind.EVENT, row, UTC_MS, 2)
        assert self.spool.commit()
        self.sender.add(kept)
        return kept

    def run(self, seconds: float, acknowledges: bool = True, **values: int) -> None:
        for i in range(round(seconds * 5)):
            self.t_ms += 200
            if values and i % 5 == 0:
                self.wearer.hear(Reading({field_id(k): v for k, v in values.items()}), self.t_ms)
            self.sender.pump(self.t_ms)
            self.wearer.tick(self.t_ms, UTC_MS + self.t_ms, False)
            if acknowledges:
                for ack in self.hub.acks():
                    self.sender.on_ack(ack, self.t_ms)

    def played(self) -> list[Pattern]:
        return [command.pattern for command in self.commands if isinstance(command, Play)]


@pytest.fixture
def new_gateway(tmp_path: Path, hub: Hub, mac_key: MacKey) -> Callable[..., Gateway]:
    return lambda boot=1: Gateway(tmp_path, hub, mac_key, boot)


@pytest.fixture
def gateway(new_gateway: Callable[..., Gateway]) -> Gateway:
    return new_gateway()


def events(hub: Hub) -> list[tuple[int, int]]:
    return [(row.values[0], row.values[2]) for _, row in sorted(hub.rows.items())]


def test_an_sos_is_on_the_disk_before_anything_is_heard(gateway: Gateway, tmp_path: Path) -> None:
    gateway.wearer.hear(Pressed(Gesture.SOS), 0)
    with sqlite3.connect(tmp_path / "spool.db") as db:
        assert db.execute("SELECT count(*) FROM rows").fetchone() == (1,)
    assert gateway.played() == []


def test_it_is_heard_when_it_goes_out_and_when_the_hub_has_it(gateway: Gateway) -> None:
    gateway.hub.full = True  # no link
    gateway.wearer.hear(Pressed(Gesture.SOS), 0)
    gateway.run(5)
    assert gateway.played() == []
    gateway.hub.full = False
    gateway.hub.deaf = True
    gateway.run(20)
    assert gateway.played() == [Pattern.SENDING]  # once, however often it is repeated
    gateway.hub.deaf = False
    gateway.run(5)
    assert gateway.played() == [Pattern.SENDING, Pattern.SENDING]
    assert events(gateway.hub) == [(EventCode.SOS, EventPhase.RAISED)]
    assert gateway.hub.frames[0][0] == Lane.SOS


def test_a_man_down_goes_at_once_and_again_until_the_hub_has_it(gateway: Gateway) -> None:
    gateway.wearer.hear(Pressed(Gesture.ENTRY), 0)
    gateway.run(2, activity_mg=400)
    tries: list[int] = []
    publish = gateway.hub.publish

    def lose(lane: Lane, data: bytes) -> bool:
        if lane != Lane.SOS:
            return bool(publish(lane, data))
        tries.append(gateway.t_ms)
        return True

    gateway.hub.publish = lose
    gateway.run(45, activity_mg=20)
    assert 30_000 <= tries[0] <= 32_400  # the rule fires 30 s after the last motion
    assert len(tries) >= 5
    assert max(b - a for a, b in pairwise(tries)) <= 2_200
    gateway.hub.publish = publish
    gateway.run(3, activity_mg=20)
    assert (EventCode.MAN_DOWN, EventPhase.RAISED) in events(gateway.hub)
    before = len(gateway.hub.frames)
    gateway.run(10, activity_mg=20)
    assert len(gateway.hub.frames) == before
    assert Pattern.SENDING in gateway.played()
    assert gateway.played()[-1] == Pattern.ALARM


def test_seen_comes_down_is_heard_and_answered(gateway: Gateway) -> None:
    gateway.wearer.hear(Pressed(Gesture.SOS), 0)
    gateway.run(3)
    (row,) = gateway.hub.rows.values()
    for _ in range(3):
        gateway.wearer.seen(orders.pack_seen(row.values[1], "王指挥", UTC_MS), gateway.t_ms)
        gateway.run(3)
    told = [row.values for _, row in sorted(gateway.hub.rows.items())]
    assert [(values[1], values[2], values.get(10)) for values in told] == [
        (row.values[1], EventPhase.RAISED, None),
        (row.values[1], EventPhase.REPEATED, 1),
    ]
    assert gateway.played().count(Pattern.SEEN) == 1
    with pytest.raises(OrderError):
        gateway.wearer.seen(b"\x90", gateway.t_ms)


def test_where_a_row_is(gateway: Gateway) -> None:
    gateway.hub.full = True
    kept = gateway.wearer.sos(0)
    assert kept is not None
    assert gateway.sender.where(kept) == Where.WAITING
    gateway.hub.full = False
    gateway.run(0.2, acknowledges=False)
    assert gateway.sender.where(kept) == Where.FLYING
    gateway.run(0.2)
    assert gateway.sender.where(kept) == Where.HELD


def test_duty_and_alarms_outlive_a_kill(gateway: Gateway, new_gateway: Callable[..., Gateway]) -> None:
    gateway.wearer.hear(Pressed(Gesture.ENTRY), 0)
    gateway.wearer.hear(Pressed(Gesture.SOS), 0)
    gateway.run(2, activity_mg=400)
    gateway.spool.close()  # the agent is killed: nothing else is closed
    after = new_gateway(2)
    after.wearer.load(UTC_MS + 60_000)
    status = after.wearer.guard.status(0)
    assert status["duty"] == "entered"
    assert [event["event"] for event in status["open"]] == ["sos"]  # type: ignore[attr-defined]
    after.run(1, activity_mg=400)
    assert after.wearer.cancel(after.t_ms) is not None
    assert after.wearer.cancel(after.t_ms) is None


@pytest.mark.parametrize(("age_h", "duty"), [(11, "entered"), (13, "standby"), (-100, "entered")])
def test_duty_of_long_ago_is_forgotten_but_a_wrong_clock_disarms_nothing(
    gateway: Gateway, new_gateway: Callable[..., Gateway], age_h: int, duty: str
) -> None:
    gateway.wearer.set_duty("entered", 0)
    gateway.run(1)
    after = new_gateway(2)
    after.wearer.load(UTC_MS + age_h * HOUR_MS)
    assert after.wearer.guard.status(0)["duty"] == duty


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"t_utc_ms": 1}', '{"t_utc_ms": "x", "duty": 2}', '{"t_utc_ms": 1e400}']
)
def test_a_damaged_file_begins_at_standby(
    gateway: Gateway, tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    (tmp_path / "spool.duty.json").write_text(text)
    gateway.wearer.load(0)
    assert gateway.wearer.guard.status(0)["duty"] == "standby"
    assert "duty begins at standby" in caplog.text


def test_the_file_is_written_on_change_and_not_each_tick(gateway: Gateway, tmp_path: Path) -> None:
    path = tmp_path / "spool.duty.json"
    gateway.run(10)
    assert not path.exists()
    gateway.wearer.set_duty("rehab", gateway.t_ms)
    gateway.run(1)
    first = path.stat().st_mtime_ns
    assert json.loads(path.read_text())["duty"] == Duty.REHAB
    gateway.run(50)
    assert path.stat().st_mtime_ns == first
    assert gateway.wearer.set_duty("x", 0).startswith("duty 'x'; known are standby, entered")


def test_the_disk_is_an_alarm_while_it_refuses(gateway: Gateway) -> None:
    gateway.wearer.tick(200, UTC_MS, True)
    gateway.wearer.tick(400, UTC_MS, True)
    gateway.wearer.tick(600, UTC_MS, False)
    gateway.t_ms = 600
    gateway.run(1)
    assert events(gateway.hub) == [
        (EventCode.SPOOL_FAULT, EventPhase.RAISED),
        (EventCode.SPOOL_FAULT, EventPhase.CLEARED),
    ]


def test_what_comes_down_goes_to_who_takes_its_kind(mac_key: MacKey) -> None:
    taken: list[bytes] = []

    def take(body: bytes, _t_mono_ns: int) -> None:
        orders.open_seen(body)
        taken.append(body)

    trust = Trust(None, None, "live", mac_key, {What.SEEN: take})
    body = orders.pack_seen(5, "a", UTC_MS)
    good = orders.pack_down(What.SEEN, body, mac_key)
    trust.hear(good, 0)
    trust.hear(good[:-1] + bytes([good[-1] ^ 1]), 0)
    trust.hear(orders.pack_down(What.SEEN, b"\x90", mac_key), 0)
    assert taken == [body]
    assert dict(trust.refused) == {"message": 1, "body": 1}

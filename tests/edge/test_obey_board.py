"""Orders on a body: the emulated board, its driver, the guard, the desk and a real spool together, on a fake clock."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.clock import BootClock
from edge.config import Config, Device, SpoolConfig
from edge.down import Down
from edge.guard.guard import TICK_MS
from edge.overlay import Overlay
from edge.sender import Sender
from edge.spool import Spool, SpoolRow
from edge.trust import Trust
from edge.wearer import Wearer
from firmware_bridge.board import BoardDriver
from firmware_bridge.board_wire import Can
from firmware_bridge.interface import Command, Settings
from protocols import brief, orders
from protocols.catalog import FIELDS_BY_NAME, ClockSource, EventCode, Kind, Lane, Stream
from protocols.frame import Row
from protocols.keys import MacKey
from protocols.orders import Order, OrderType, What
from protocols.wearer import GESTURES, Gesture, Pattern
from sim.devices.board import EVERYTHING, Board

UTC_MS, HOUR_MS, NS_PER_MS = 1_795_000_000_000, 3_600_000, 1_000_000
STEP_MS = 50
CODE, ORDER, ID = (FIELDS_BY_NAME[name].bit for name in ("event_code", "event_order", "event_id"))
Hub = Any


class Soldier:
    """A gateway with a board, or with a port on which there is none, and a hub that keeps rows."""

    def __init__(self, folder: Path, hub: Hub, mac_key: MacKey, boot: int, can: Can | None) -> None:
        config = Config(
            folder / "edge.toml", device=Device(number=1001), spool=SpoolConfig(folder / "spool.db")
        )
        self.hub, self.mac_key, self.t_ms = hub, mac_key, 0
        self.spool = Spool(config.spool.path, boot, 2**24)
        self.spool.open()
        self.sender = Sender(self.spool, mac_key, 1001, live_ms=1_000)
        self.sender.attach(hub)
        self.sender.start()
        self.driver = BoardDriver(Settings())
        self.board = None if can is None else Board(can=can, values={"activity_mg": 400})
        self.wearer = Wearer(
            config, boot, lambda row: self.keep(Kind.EVENT, row), self.tell, self.sender.where,
            lambda order, code, t_ms: self.down.desk.answered(order, code, t_ms),
        )  # fmt: skip
        self.trust = Trust(None, None, "live", mac_key, on_forged=self.wearer.forged)
        self.clock = BootClock(0)
        for _ in range(3):
            self.clock.hear(ClockSource.HUB, UTC_MS, 0)
        self.down = Down(
            config, Overlay(config.path), self.trust, self.wearer, self.clock, lambda t_ns: UTC_MS + t_ns // NS_PER_MS,
            lambda row: self.keep(Kind.TEXT, row), lambda: None,
        )  # fmt: skip
        self.trust._others = self.down.takes
        self.wearer.load(UTC_MS)
        self.down.load(0)
        if self.board:
            self.board.answer(self.driver.hello())
        self.run(2)

    def keep(self, kind: Kind, row: Row) -> SpoolRow:
        kept = self.spool.append(Stream.EVENTS, kind, row, UTC_MS, 2)
        assert self.spool.commit()
        self.sender.add(kept)
        return kept

    def tell(self, command: Command) -> None:
        self.driver.tell(command)

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds * 1000 / STEP_MS)):
            self.t_ms += STEP_MS
            up = self.board.step(self.t_ms) if self.board else b""
            for _ in range(4):
                for sample in self.driver.feed(up, self.t_ms * NS_PER_MS):
                    self.wearer.hear(sample, self.t_ms)
                down = self.driver.talk(self.t_ms * NS_PER_MS)
                up = self.board.answer(down) if self.board else b""
            if self.t_ms % TICK_MS == 0:
                while self.driver.done:
                    self.wearer.shown(self.driver.done.popleft(), self.t_ms)
                self.wearer.tick(self.t_ms, UTC_MS + self.t_ms, False)
            if self.t_ms % 1_000 == 0:
                self.down.tick(self.t_ms * NS_PER_MS, disk_refuses=False)
            self.sender.pump(self.t_ms)
            for ack in self.hub.acks():
                self.sender.on_ack(ack, self.t_ms)

    def press(self, gesture: Gesture) -> None:
        assert self.board
        row = next(row for row in GESTURES if row.gesture == gesture)
        for _ in range(row.presses):
            self.board.levels(row.buttons in ("red", "both"), row.buttons in ("grey", "both"), self.t_ms)
            self.run((row.hold_ms + 200) / 1000 if row.hold_ms else 0.15)
            self.board.levels(False, False, self.t_ms)
            self.run(0.2)
        self.run(1.5)

    def send(self, kind: OrderType, seq: int, text: str = "") -> None:
        order = Order(
            "o", "live", "all", kind, {"text": text}, "李", "commander", seq, UTC_MS, UTC_MS + HOUR_MS
        )
        body = orders.pack_signed(orders.pack_order(order), [])
        self.trust.hear(orders.pack_down(What.ORDER, body, self.mac_key), self.t_ms * NS_PER_MS)

    def send_brief(self, kind: OrderType, seq: int) -> None:
        order = Order("o", "live", "all", kind, {}, "李", "commander", seq, UTC_MS, UTC_MS + HOUR_MS)
        body = orders.pack_down(What.BRIEF, brief.pack_brief(order), self.mac_key)
        self.trust.hear(body, self.t_ms * NS_PER_MS)

    def told(self) -> list[tuple[EventCode, int]]:
        """What the hub has heard of orders, in the order of the rows."""
        rows = [row.values for key, row in sorted(self.hub.rows.items()) if CODE in row.values]
        return [(EventCode(values[CODE]), values.get(ORDER, 0)) for values in rows]

    def playing(self) -> Pattern:
        assert self.board
        return self.board.playing

    def reads(self) -> str:
        assert self.board
        return self.board.shown[-1][1]

    def heard(self) -> list[Pattern]:
        assert self.board
        return [pattern for _, pattern in self.board.played]


@pytest.fixture
def new_soldier(tmp_path: Path, hub: Hub, mac_key: MacKey) -> Callable[..., Soldier]:
    (tmp_path / "edge.toml").write_text("[device]\nnumber = 1001\n")
    return lambda boot=1, can=EVERYTHING: Soldier(tmp_path, hub, mac_key, boot, can)


@pytest.fixture
def soldier(new_soldier: Callable[..., Soldier]) -> Soldier:
    return new_soldier()


def test_an_evacuation_is_received_shown_heard_until_it_is_answered(soldier: Soldier) -> None:
    soldier.send(OrderType.EVACUATE, 5)
    assert [code for code, _ in soldier.told()] == []
    soldier.run(60)
    assert soldier.playing() == Pattern.EVACUATE
    assert soldier.told() == [(EventCode.RECEIVED, 5), (EventCode.SHOWN, 5)]
    assert soldier.reads() == "全体撤离 EVACUATE"
    soldier.press(Gesture.ANSWER)
    assert soldier.playing() == Pattern.OFF
    assert soldier.told()[2:] == [(EventCode.ACCEPTED, 5)]
    soldier.send(OrderType.EVACUATE, 5)
    soldier.run(60)
    assert soldier.playing() == Pattern.OFF
    assert soldier.reads() == ""


def test_a_crash_in_the_middle_sounds_it_again_and_tells_the_hub_nothing_twice(
    soldier: Soldier, new_soldier: Callable[..., Soldier]
) -> None:
    soldier.send_brief(OrderType.RETREAT, 5)
    soldier.spool.close()  # before anything was sent or shown
    again = new_soldier(boot=2)
    again.run(3)
    assert again.playing() == Pattern.EVACUATE
    again.press(Gesture.REFUSE)
    assert again.playing() == Pattern.OFF
    assert sorted(again.told()) == [(EventCode.RECEIVED, 5), (EventCode.REFUSED, 5), (EventCode.SHOWN, 5)]


def test_a_task_is_accepted_and_done_while_a_roll_call_comes_between(soldier: Soldier) -> None:
    soldier.send(OrderType.TASK, 5, "搜三楼")
    soldier.run(3)
    soldier.press(Gesture.ANSWER)  # heard, not decided
    soldier.press(Gesture.ACCEPT)
    soldier.send(OrderType.ROLL_CALL, 6)
    soldier.run(3)
    soldier.press(Gesture.ANSWER)
    soldier.press(Gesture.DONE)
    assert [told for told in soldier.told() if told[1] == 5] == [
        (EventCode.RECEIVED, 5), (EventCode.SHOWN, 5), (EventCode.RECEIVED, 5), (EventCode.ACCEPTED, 5),
        (EventCode.DONE, 5),
    ]  # fmt: skip
    assert [told for told in soldier.told() if told[1] == 6] == [
        (EventCode.RECEIVED, 6), (EventCode.SHOWN, 6), (EventCode.ROLL_CALL, 6),
    ]  # fmt: skip
    assert soldier.heard() == [Pattern.ORDER, Pattern.ROLL_CALL]
    soldier.press(Gesture.DONE)  # nothing is asked any more: an event of its own
    assert soldier.told()[-1] == (EventCode.DONE, 0)


def test_a_text_is_shown_after_the_evacuation_that_hides_it(soldier: Soldier) -> None:
    soldier.send(OrderType.EVACUATE, 5)
    soldier.run(3)
    soldier.send(OrderType.TEXT, 6, "到东门")
    soldier.run(5)
    assert (EventCode.SHOWN, 6) not in soldier.told()
    soldier.press(Gesture.ANSWER)
    assert soldier.reads() == "到东门"
    assert (EventCode.SHOWN, 6) in soldier.told()
    soldier.press(Gesture.ANSWER)
    assert soldier.told()[-1] == (EventCode.ACCEPTED, 6)


def test_a_board_without_a_display_is_shown_by_ear(new_soldier: Callable[..., Soldier]) -> None:
    soldier = new_soldier(can=EVERYTHING & ~Can.DISPLAY)
    soldier.send(OrderType.EVACUATE, 5)
    soldier.run(3)
    assert soldier.told() == [(EventCode.RECEIVED, 5), (EventCode.SHOWN, 5)]


def test_without_a_board_nothing_is_claimed_to_be_shown(new_soldier: Callable[..., Soldier]) -> None:
    soldier = new_soldier(can=None)
    soldier.send(OrderType.EVACUATE, 5)
    soldier.run(60)
    assert soldier.told() == [(EventCode.RECEIVED, 5)]
    assert soldier.down.answer("orders", soldier.t_ms * NS_PER_MS)
    assert soldier.down.answer("answer 5 accept", soldier.t_ms * NS_PER_MS)
    soldier.run(1)
    assert soldier.told()[1:] == [(EventCode.SHOWN, 5), (EventCode.ACCEPTED, 5)]


def test_forged_orders_are_one_alarm_that_ends(soldier: Soldier) -> None:
    for _ in range(300):
        soldier.trust.hear(b"\x93\x01\x03\xc4\x01x" + bytes(8), soldier.t_ms * NS_PER_MS)
        soldier.run(1)
    assert soldier.trust.refused["message"] == 300
    forged = [told for told in soldier.told() if told[0] == EventCode.FORGED_ORDER]
    assert len(forged) == 1
    soldier.run(601)
    assert len([told for told in soldier.told() if told[0] == EventCode.FORGED_ORDER]) == 2  # raised, cleared


def test_a_text_of_the_wearer_goes_up_as_a_row(soldier: Soldier, hub: Hub, mac_key: MacKey) -> None:
    answer = soldier.down.answer("say  三楼有人  ", soldier.t_ms * NS_PER_MS)
    assert answer == {"row": 0}
    soldier.down.answer("say " + "长" * 900, soldier.t_ms * NS_PER_MS)
    assert soldier.down.answer("say  ", 0) is soldier.down.answer("hello", 0) is None
    soldier.run(1)
    texts = [(lane, frame.body) for lane, frame in hub.frames if frame.envelope.kind == Kind.TEXT]
    assert texts == [(Lane.RECEIPTS, ["三楼有人", "长" * 333])] or texts == [
        (Lane.RECEIPTS, ["三楼有人"]), (Lane.RECEIPTS, ["长" * 333]),
    ]  # fmt: skip
    assert soldier.sender.waiting_rows() == 0

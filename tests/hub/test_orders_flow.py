"""A whole hub with its broker: an order goes out until a device's receipt comes back, and a restart changes nothing."""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from hub.identity.permissions import ALLOWED, Principal, Role
from protocols import orders, topics
from protocols.catalog import EventCode, Kind, Lane, Stream
from protocols.orders import Order, OrderType, What

WAIT_S = 15
ME = Principal("调度", Role.DISPATCHER, "", ("*",), "", "s", ALLOWED[Role.DISPATCHER], 2**50)


class Listener:
    """What goes down to devices, as they read it."""

    def __init__(self, run: Any, side: Any) -> None:
        self.heard: queue.Queue[tuple[int, Order]] = queue.Queue()
        self.side = side
        ready = threading.Event()
        version = MQTTProtocolVersion.MQTTv5 if run.hub.broker.version_5 else MQTTProtocolVersion.MQTTv311
        self.client = paho.Client(CallbackAPIVersion.VERSION2, protocol=version)
        self.client.on_subscribe = lambda *_: ready.set()
        self.client.on_message = lambda _c, _u, message: self.take(message.topic, bytes(message.payload))
        self.client.connect("127.0.0.1", run.hub.broker.port)
        self.client.subscribe("z/live/+/+/o", qos=1)
        self.client.loop_start()
        assert ready.wait(WAIT_S)

    def take(self, topic: str, data: bytes) -> None:
        device = int(topic.split("/")[3])
        assert topic == topics.orders("live", device)
        what, body = orders.unpack_down(data, self.side.mac_key(device))
        if what == What.ORDER:
            self.heard.put((device, orders.open_order(orders.open_signed(body)[0])))

    def next_of(self, device: int) -> Order:
        while True:
            to, order = self.heard.get(timeout=WAIT_S)
            if to == device:
                return order

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def listen() -> Iterator[Callable[..., Listener]]:
    made: list[Listener] = []

    def make(run: Any, side: Any) -> Listener:
        made.append(Listener(run, side))
        return made[-1]

    yield make
    for one in made:
        one.close()


def give(run: Any, text: str) -> int:
    row = run.hub.order_desk.give(ME, OrderType.TASK, "all", {"text": text})
    run.loop.call_soon_threadsafe(run.hub.outbox.add, row)
    return int(row.seq)


def receipt(side: Any, device: int, row: int, seq: int, code: EventCode) -> tuple[str, bytes]:
    values = {"event_code": int(code), "event_id": 10 + row, "event_order": seq}
    made: tuple[str, bytes] = side.frame(
        device, row, [values], kind=Kind.EVENT, lane=Lane.RECEIPTS, stream=Stream.EVENTS
    )
    return made


def state(run: Any, seq: int, device: int) -> str:
    entry = run.hub.outbox.entry(seq)
    (unit,) = entry.targets[device].units
    return str(entry.unit_state(unit, run.hub.clock.now_ms(), 0)["state"])


def test_out_and_back_over_a_restart(
    running: Callable[..., Any], device_at: Callable[..., Any], listen: Callable[..., Listener]
) -> None:
    with running() as run:
        run.enrol(7, 8)
        seven = device_at(run, 7)
        down = listen(run, seven.side)
        seq = give(run, "搜索三层")
        assert down.next_of(7) == down.next_of(8)
        assert down.next_of(7).seq == seq  # again: nobody has answered
        seven.send(receipt(seven.side, 7, 0, seq, EventCode.RECEIVED))
        run.until(lambda: state(run, seq, 7) == "received")
        seven.send(receipt(seven.side, 7, 1, seq, EventCode.ACCEPTED))
        run.until(lambda: state(run, seq, 7) == "accepted")
    with running() as run:
        assert (state(run, seq, 7), state(run, seq, 8) in ("waiting", "sent")) == ("accepted", True)
        eight = device_at(run, 8)
        down = listen(run, eight.side)
        assert down.next_of(8).seq == seq
        assert all(device == 8 for device, _ in list(down.heard.queue))
        eight.send(receipt(eight.side, 8, 0, seq, EventCode.DONE))
        run.until(lambda: state(run, seq, 8) == "done")
        assert run.hub.registry.verify_records() is None

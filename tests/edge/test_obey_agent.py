"""Orders, texts and settings through a real broker to an unmodified agent, and what comes back."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import paho.mqtt.client as paho
import pytest
from nacl.signing import SigningKey
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge import enrol
from edge.agent import Agent
from edge.cli import main
from edge.config import load
from edge.obey_text import as_text
from protocols import acks, brief, datagram, frame, opening, orders, topics
from protocols.acks import Ack
from protocols.catalog import FIELDS_BY_NAME, EventCode, Kind
from protocols.datagram import Datagram
from protocols.intervals import Intervals
from protocols.keys import MacKey
from protocols.orders import ConfigRefusal, Order, OrderType, Signature, What

Hub = Any
CODE, ORDER, VALUE = (FIELDS_BY_NAME[name].bit for name in ("event_code", "event_order", "event_value"))
LI = SigningKey("李".encode().ljust(32)[:32])
SIGNER = SigningKey(b"h" * 32)
UTC_MS = 1_795_000_000_000
YEAR_MS = 365 * 24 * 3_600_000


class HubSide:
    """What a hub does over its plain listener: keeps event rows, acknowledges unless `deaf`, sends messages down."""

    def __init__(self, port: int, mac_key: MacKey, signer: SigningKey) -> None:
        self.deaf = False
        self.told: set[tuple[int, EventCode, int | None]] = set()
        self.texts: list[str] = []
        self.boots: set[int] = set()
        self._held: dict[tuple[int, int], Intervals] = {}
        self._mac_key, self._signer = mac_key, signer
        self._lock = threading.Lock()
        self.client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self.client.on_message = self._message
        self.client.connect("127.0.0.1", port)
        self.client.subscribe("z/#")
        self.client.loop_start()

    def _message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        if message.topic[-1] in "ao":
            return
        said = frame.decode(frame.open_envelope(bytes(message.payload), self._mac_key))
        head = said.envelope
        self.boots.add(head.boot)
        if self.deaf or not head.n:
            return
        if head.kind == Kind.TEXT:
            self.texts += [text for text in said.body if text not in self.texts]
        for i in range(head.n if head.kind == Kind.EVENT else 0):
            row = {bit: column[i] for bit, column in said.columns.items()}
            if row.get(ORDER) is not None:
                self.told.add((row[ORDER], EventCode(row[CODE] or 0), row.get(VALUE)))  # type: ignore[arg-type]
        held = self._held.setdefault((head.boot, head.stream), Intervals())
        held.add(head.row, head.last)
        ranges = list(held)
        first = ranges.pop(0)[1] + 1 if ranges[0][0] == 0 else 0
        ack = acks.pack(Ack(UTC_MS, head.boot, head.stream, first, tuple(ranges)), self._mac_key)
        self.client.publish(topics.ack("live", 1001), ack)

    def say(self, what: What, body: bytes) -> None:
        self.client.publish(topics.orders("live", 1001), orders.pack_down(what, body, self._mac_key), qos=1)

    def order(self, kind: OrderType, seq: int, by: SigningKey | None = None, **body: Any) -> Order:
        made = Order(f"o{seq}", "live", "all", kind, body, "李", "commander", seq, 1, UTC_MS + YEAR_MS)
        core = orders.pack_order(made)
        by = self._signer if kind == OrderType.CONFIG else by
        said = []
        if by is not None:
            made_by = bytes(by.sign(orders.signed_bytes(core)).signature)
            said = [Signature(orders.key_id(bytes(by.verify_key)), made_by)]
        self.say(What.ORDER, orders.pack_signed(core, said))
        return made

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def edge(*words: str, config: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "edge", *words, "--config", config],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.slow
def test_orders_texts_and_settings_reach_an_agent_and_come_back(
    new_hub: Callable[..., Hub], tmp_path: Path, mac_key: MacKey, tls_broker: Callable[[Hub], Any],
    start_agent: Callable[[Path], Any], wait_for: Callable[..., Any],
) -> None:  # fmt: skip
    hub = new_hub()
    folder = tmp_path / "zhantu"
    enrol.enrol(hub.code(), folder, replace=False, list_ports=list)
    config = folder / "edge.toml"
    with config.open("a") as file:
        file.write("[pace]\nhealth_s = 1.0\n")
    broker = tls_broker(hub)
    agent = start_agent(config)
    wait_for(lambda: agent.status().get("link") == "up", f"no link: {agent.log.read_text()}")
    side = HubSide(broker.hub_port, mac_key, hub.signer)
    wait_for(lambda: agent.status().get("utc_known") == "hub", "no time")

    # an evacuation of a commander whose key comes after it; then one that is forged
    side.order(OrderType.EVACUATE, 5, by=LI, text="走东门")
    wait_for(lambda: agent.status()["orders"]["refused"] == {"keys": 1}, "nothing came")
    side.say(What.KEYS, hub.keys(7, "李"))
    side.order(OrderType.EVACUATE, 5, by=LI, text="走东门")
    side.order(OrderType.RETREAT, 6, by=SigningKey(b"t" * 32))
    evacuated = (5, EventCode.RECEIVED, None)
    wait_for(lambda: evacuated in side.told, f"not received: {agent.log.read_text()}")
    assert "EVACUATE by 李 (commander)" in edge("orders", config=config)
    assert "走东门" in edge("orders", config=config)
    assert edge("answer", "5", "accept", config=config) == "order 5: accept\n"
    wanted = {(5, code, None) for code in (EventCode.RECEIVED, EventCode.SHOWN, EventCode.ACCEPTED)}
    wait_for(lambda: side.told == wanted, "the receipts do not come")

    # texts both ways
    text = Order("t", "live", "all", OrderType.TEXT, {"text": "到齐了吗"}, "王", "x", 8, 1, UTC_MS + YEAR_MS)
    side.say(What.BRIEF, brief.pack_brief(text))
    wait_for(lambda: "到齐了吗" in edge("orders", config=config), "the text does not come")
    assert "sent" in edge("say", "三楼", "有人", config=config)
    wait_for(lambda: side.texts == ["三楼 有人"], "the text does not go up")

    # settings: confirmed by the hub's answers to the next run; refused; taken back when the hub is deaf
    side.order(OrderType.CONFIG, 9, version=9, changes={"pace.row_s": 2.0}, confirm_s=60)
    wait_for(lambda: (9, EventCode.ACCEPTED, None) in side.told, f"not confirmed: {agent.log.read_text()}")
    assert len(side.boots) == 2
    assert agent.process.poll() is None
    assert agent.status()["settings"] == {"version": 9, "changes": {"pace.row_s": 2.0}, "trial": None}
    side.order(OrderType.CONFIG, 10, version=10, changes={"device.number": 5}, confirm_s=60)
    refused = (10, EventCode.REFUSED, int(ConfigRefusal.KEY))
    wait_for(lambda: refused in side.told, "not refused")
    side.deaf = True
    side.order(OrderType.CONFIG, 11, version=11, changes={"pace.row_s": 1.0}, confirm_s=10)
    wait_for(lambda: len(side.boots) == 4, f"not taken back: {agent.log.read_text()}")
    side.deaf = False
    back = (11, EventCode.REFUSED, int(ConfigRefusal.NOT_REACHED))
    wait_for(lambda: back in side.told, "nobody is told")

    # a kill and a start: nothing is asked again, the text is still open
    side.told.clear()
    agent.process.kill()
    agent.process.wait(10)
    again = start_agent(config)
    wait_for(lambda: again.status().get("link") == "up", "the agent does not start again")
    side.order(OrderType.EVACUATE, 5, by=LI, text="走东门")
    wait_for(lambda: (5, EventCode.ACCEPTED, None) in side.told, "the receipts are not given again")
    listed = json.loads(edge("orders", "--json", config=config))["orders"]
    assert [one["seq"] for one in listed] == [8]
    assert again.status()["settings"]["changes"] == {"pace.row_s": 2.0}
    side.close()


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    """One that does not run: its parts are made, its spool is open."""
    (tmp_path / "edge.toml").write_text(
        "[device]\nnumber = 1001\nteam = '攻坚一组'\n[spool]\npath = 'spool.db'\n"
    )
    (tmp_path / "device.key").write_text(bytes(range(32)).hex())
    made = Agent(load(tmp_path / "edge.toml"))
    made._spool.open()
    made._trust._signer = bytes(SIGNER.verify_key)
    yield made
    made._spool.close()


def open_orders(agent: Agent) -> list[int]:
    return [one["seq"] for one in agent._answer("orders")["orders"]]  # type: ignore[attr-defined]


def test_orders_come_by_narrow_ways_too(agent: Agent, mac_key: MacKey) -> None:
    base = Order("o", "live", "all", OrderType.EVACUATE, {}, "李", "commander", 5, 1, UTC_MS + YEAR_MS)
    mine = orders.pack_down(What.BRIEF, brief.pack_brief(base), mac_key)
    others = orders.pack_down(What.BRIEF, brief.pack_brief(base), MacKey(bytes(32), "live"))

    def sign(data: bytes) -> bytes:
        return bytes(SIGNER.sign(data).signature)

    packets = [
        datagram.pack(Datagram.ORDER, others),
        datagram.pack(Datagram.ORDER, mine),
        brief.pack_broadcast(base._replace(seq=6), sign),
        brief.pack_broadcast(base._replace(seq=7, target="team:供水组"), sign),
        brief.pack_broadcast(base._replace(seq=8, target="team:攻坚一组"), sign),
        brief.pack_broadcast(base._replace(seq=9), lambda data: bytes(LI.sign(data).signature)),
    ]
    for packet in packets:
        assert opening.is_ours(packet)
        agent._hear_narrow(MagicMock(), 1, packet, 0)
    assert open_orders(agent) == [8, 6, 5]
    status: Any = agent._status()
    assert status["orders"] == {"open": 3, "obeyed": 3, "refused": {"target": 1, "broadcast": 1}}
    assert status["trust"]["refused"] == {}  # what is another's is no news there
    agent._on_order(others)
    agent._guard(time.monotonic_ns())
    assert status["trust"]["refused"] == {} != agent._status()["trust"]
    assert [event["event"] for event in agent._wearer.guard.status(0)["open"]] == ["forged_order"]  # type: ignore[attr-defined]


def test_a_stop_wins_over_a_beginning_anew(agent: Agent) -> None:
    agent._begin_again()
    assert agent.wants_again
    agent.stop()
    agent._begin_again()
    assert not agent.wants_again


def test_the_command_line_says_what_is_wrong(
    tmp_path: Path, agent: Agent, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ["--config", str(tmp_path / "edge.toml")]
    for words in (["orders"], ["answer", "5", "accept"], ["say", "x"]):
        assert main([*words, *config]) == 1
        assert "no agent answers" in capsys.readouterr().err
    assert main(["say", "  ", *config]) == 1
    assert "a text is needed" in capsys.readouterr().err
    assert "error" in agent._answer("say  ")
    assert "error" in agent._answer("answer 5 accept")
    assert as_text({"orders": []}) == "no order is open"

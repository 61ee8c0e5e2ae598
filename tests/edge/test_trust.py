"""The list of commanders' keys on a gateway: delivered, kept, never replaced by an older or a forged one."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from nacl.signing import SigningKey
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge import config, enrol
from edge.trust import LOG_EVERY_NS, Trust
from protocols import frame, orders, topics
from protocols.catalog import FIELDS_BY_NAME, Kind
from protocols.keys import MacKey
from protocols.orders import What

Hub = Any
KEY_LIST = FIELDS_BY_NAME["key_list"].bit


@pytest.fixture
def hub(new_hub: Callable[..., Hub]) -> Hub:
    return new_hub()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "commanders.bin"


@pytest.fixture
def new_trust(hub: Hub, path: Path, mac_key: MacKey) -> Callable[[], Trust]:
    def make() -> Trust:
        made = Trust(path, bytes(hub.signer.verify_key), "live", mac_key)
        made.load()
        return made

    return make


@pytest.fixture
def trust(new_trust: Callable[[], Trust]) -> Trust:
    return new_trust()


@pytest.fixture
def down(mac_key: MacKey) -> Callable[..., bytes]:
    def pack(body: bytes, what: int = What.KEYS) -> bytes:
        return orders.pack_down(what, body, mac_key)  # type: ignore[arg-type]

    return pack


def names(trust: Trust) -> object:
    return trust.status()["commanders"]


def test_the_newest_list_is_held_and_survives_a_restart(
    hub: Hub, trust: Trust, path: Path, new_trust: Callable[[], Trust], down: Callable[..., bytes]
) -> None:
    assert trust.number == 0
    trust.hear(down(hub.keys(7, "李", "王")), 0)
    assert (trust.number, names(trust)) == (7, ["李", "王"])
    assert path.stat().st_mode & 0o777 == 0o600
    trust.hear(down(hub.keys(9)), 0)
    assert (trust.number, names(trust)) == (9, [])
    trust.hear(down(hub.keys(10, "赵")), 0)
    again = new_trust()
    assert (again.number, names(again)) == (10, ["赵"])
    again.hear(down(hub.keys(9, "李")), 0)
    assert (again.number, names(again), again.refused) == (10, ["赵"], {"older": 1})


def test_what_the_hub_did_not_sign_for_this_realm_is_refused(
    hub: Hub, trust: Trust, path: Path, down: Callable[..., bytes]
) -> None:
    trust.hear(down(hub.keys(7, "李")), 0)
    held = path.read_bytes()
    forged = hub.keys(8, "贼", by=SigningKey(b"x" * 32))
    for body in (forged, hub.keys(8, "李", realm="drill"), held[:-1], b"", b"\xc1"):
        trust.hear(down(body), 0)
    trust.hear(down(hub.keys(7, "贼")), 0)
    trust.hear(down(hub.keys(8, "李"), what=2), 0)
    trust.hear(orders.pack_down(What.KEYS, hub.keys(8, "李"), MacKey(bytes(32), "live")), 0)
    trust.hear(b"", 0)
    trust.hear(down(hub.keys(7, "李")), 0)
    assert trust.refused == {"list": 5, "older": 1, "unknown": 1, "message": 2}
    assert (trust.number, names(trust), path.read_bytes()) == (7, ["李"], held)


def test_a_flood_of_refusals_is_a_line_a_minute(trust: Trust, caplog: pytest.LogCaptureFixture) -> None:
    for t_s in range(120):
        trust.hear(b"noise", t_s * 10**9)
    assert trust.refused["message"] == 120
    assert len(caplog.records) == 2
    assert "(59 more were refused before)" in caplog.messages[1]
    assert LOG_EVERY_NS == 60 * 10**9


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "of another hub"])
def test_a_list_that_was_damaged_on_the_disk_is_not_obeyed(
    hub: Hub, trust: Trust, path: Path, new_trust: Callable[[], Trust], down: Callable[..., bytes], damage: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    trust.hear(down(hub.keys(7, "李")), 0)
    good = path.read_bytes()
    path.write_bytes(
        {
            "cut": good[:-9], "flipped": good[:20] + bytes([good[20] ^ 1]) + good[21:], "emptied": b"",
            "of another hub": hub.keys(99, "贼", by=SigningKey(b"x" * 32)),
        }[damage]
    )  # fmt: skip
    again = new_trust()
    assert (again.number, names(again)) == (0, [])
    assert str(path) in caplog.text
    again.hear(down(hub.keys(7, "李")), 0)
    assert again.number == 7
    assert path.read_bytes() == good


def test_a_disk_that_refuses_the_list_does_not_stop_it(
    hub: Hub, mac_key: MacKey, down: Callable[..., bytes], caplog: pytest.LogCaptureFixture
) -> None:
    trust = Trust(Path("/proc/commanders.bin"), bytes(hub.signer.verify_key), "live", mac_key)
    trust.load()
    trust.hear(down(hub.keys(7, "李")), 0)
    assert (trust.number, names(trust)) == (7, ["李"])
    assert "in memory only" in caplog.text


def test_a_gateway_of_the_roster_ignores_lists_and_says_so_once(
    hub: Hub, mac_key: MacKey, down: Callable[..., bytes], caplog: pytest.LogCaptureFixture
) -> None:
    trust = Trust(None, None, "live", mac_key)
    trust.load()
    for number in range(3):
        trust.hear(down(hub.keys(number, "李")), 0)
    assert (trust.number, trust.refused) == (None, {"signer": 3})
    assert [r.levelno for r in caplog.records] == [logging.WARNING]


class HubSide:
    """What a hub does over its plain listener: hears health rows, sends messages down."""

    def __init__(self, port: int, mac_key: MacKey) -> None:
        self.heard: list[int | None] = []
        self.topics: set[str] = set()
        self._mac_key = mac_key
        self.client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self.client.on_message = self._message
        self.client.connect("127.0.0.1", port)
        self.client.subscribe("z/#")
        self.client.loop_start()

    def _message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        self.topics.add(message.topic)
        if message.topic[-1] in "ao":
            return
        decoded = frame.decode(frame.open_envelope(bytes(message.payload), self._mac_key))
        if decoded.envelope.kind == Kind.HEALTH:
            self.heard += decoded.columns.get(KEY_LIST, [None])

    def say(self, data: bytes) -> None:
        self.client.publish(topics.orders("live", 1001), data, qos=1)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.mark.slow
def test_an_enrolled_agent_hears_the_list_over_tls_reports_it_and_keeps_it(
    hub: Hub, tmp_path: Path, mac_key: MacKey, tls_broker: Callable[[Hub], Any],
    start_agent: Callable[[Path], Any], wait_for: Callable[..., Any], down: Callable[..., bytes],
) -> None:  # fmt: skip
    folder = tmp_path / "zhantu"
    enrol.enrol(hub.code(), folder, replace=False, list_ports=list)
    with (folder / "edge.toml").open("a") as file:
        file.write("[pace]\nhealth_s = 1.0\n")
    broker = tls_broker(hub)
    agent = start_agent(folder / "edge.toml")
    wait_for(lambda: agent.status().get("link") == "up", f"no link: {agent.log.read_text()}")
    side = HubSide(broker.hub_port, mac_key)
    wait_for(lambda: 0 in side.heard, "the gateway does not report that it has no list")
    libraries = agent.loaded()
    assert "libssl" in libraries or "_ssl" in libraries
    assert "cryptography" not in libraries
    assert "nacl" not in libraries
    side.say(down(hub.keys(8, "贼", by=SigningKey(b"x" * 32))))
    side.say(down(hub.keys(7, "李", "王")))
    wait_for(lambda: 7 in side.heard, "the gateway does not report the list")
    status = agent.status()
    assert status["trust"] == {"list": 7, "commanders": ["李", "王"], "refused": {"list": 1}}
    assert status["certificate_until"].endswith("days)")
    assert "cryptography" not in agent.loaded()
    assert "nacl" in agent.loaded()
    assert 8 not in side.heard
    agent.stop()
    side.close()
    broker.kill()
    again = start_agent(folder / "edge.toml")
    wait_for(again.status, "the agent does not start again")
    assert again.status()["trust"] == {"list": 7, "commanders": ["李", "王"], "refused": {}}
    assert config.load(folder / "edge.toml").device.number == 1001

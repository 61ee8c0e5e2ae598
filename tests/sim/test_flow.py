"""Light units and the load generator against a real mosquitto, with a hub that only acknowledges."""

import json
import threading

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from protocols import frame, topics
from protocols.catalog import Kind, Stream
from protocols.keys import device_key
from sim import cli, run, scenario

MASTER = bytes(range(1, 33))


class BrokerHub:
    """A fake hub on a broker: acknowledges every authentic frame. `hub_of` keeps one per device."""

    def __init__(self, port, make_hub):
        self._make_hub = make_hub
        self.hubs = {}
        self.deaf = False
        self.ready = threading.Event()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
        self.client.on_connect = lambda client, *_: client.subscribe([(t, 0) for t in topics.all_up("live")])
        self.client.on_subscribe = lambda *_: self.ready.set()
        self.client.on_message = self._on_message
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def hub_of(self, device):
        if device not in self.hubs:
            self.hubs[device] = self._make_hub(device)
        return self.hubs[device]

    def _on_message(self, client, _data, message):
        up = topics.parse_up("live", message.topic)
        hub = self.hub_of(up.device)
        hub.deaf = self.deaf
        if ack := hub.take(up.lane, message.payload):
            client.publish(topics.ack("live", up.device), hub.pack(ack))

    def rows(self):
        return sum(len(hub.rows) for hub in list(self.hubs.values()))

    def stop(self):
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def keys_dir(tmp_path, drill_text):
    folder = tmp_path / "keys"
    folder.mkdir()
    (folder / "master.key").write_text(MASTER.hex())
    for unit in scenario.parse(drill_text).units:
        (folder / f"{unit.device}.key").write_text(device_key(MASTER, "live", unit.device).hex())
    return folder


@pytest.fixture
def broker_hub(broker_port, hub):
    from protocols.keys import MacKey

    made = BrokerHub(
        broker_port, lambda device: type(hub)(MacKey(device_key(MASTER, "live", device), "live"))
    )
    assert made.ready.wait(60)
    yield made
    made.stop()


def test_a_drill_of_light_units_reaches_the_hub(
    broker_hub, broker_port, keys_dir, drill_text, tmp_path, wait_until
):
    drill = scenario.parse(drill_text.replace("at_s: 20", "at_s: 1"))
    stop = threading.Event()
    ready = threading.Event()
    failed = []

    def play():
        try:
            run.play(
                drill, "127.0.0.1", broker_port, keys_dir, "live", tmp_path / "run", stop, ready=ready.set
            )
        except BaseException as err:
            failed.append(err)
            raise

    thread = threading.Thread(target=play)
    thread.start()
    try:
        assert ready.wait(10)
        wait_until(lambda: broker_hub.rows() >= 9)
    finally:
        stop.set()
        thread.join(10)
    assert not failed
    assert set(broker_hub.hubs) == {1001, 1002, 2001, 2002}
    assert sum(hub.repeats for hub in broker_hub.hubs.values()) == 0
    events = broker_hub.hub_of(2002).row_numbers(2002, Stream.EVENTS)
    assert events == [0]
    assert Kind.EVENT in broker_hub.hub_of(2002).kinds()


def load(capsys, broker_port, keys_dir, *words):
    code = cli.main(
        [
            "load",
            "--mqtt",
            f"127.0.0.1:{broker_port}",
            "--master",
            str(keys_dir / "master.key"),
            "--json",
            *words,
        ]
    )
    out, err = capsys.readouterr()
    assert code == 0, err
    return json.loads(out)


def test_the_load_generator_counts_what_was_acknowledged(broker_hub, broker_port, keys_dir, capsys):
    words = ("--units", "20", "--hz", "10", "--seconds", "0.5", "--fixes", "2", "--settle", "5")
    told = load(capsys, broker_port, keys_dir, *words)
    assert (told["frames"], told["rows"], told["rows_lost"], told["acks_bad"]) == (50, 100, 0, 0)
    assert told["ack"]["count"] == 50
    assert 0 < told["ack"]["p50_ms"] <= told["ack"]["p99_ms"] <= told["ack"]["max_ms"] < 5_000
    assert told["screen"] is None
    assert broker_hub.rows() == 100
    frames = [decoded for hub in broker_hub.hubs.values() for _lane, decoded in hub.frames]
    assert all(isinstance(decoded, frame.Frame) for decoded in frames)


def test_what_no_hub_acknowledges_is_reported_as_lost(broker_hub, broker_port, keys_dir, capsys):
    broker_hub.deaf = True
    told = load(capsys, broker_port, keys_dir, "--units", "5", "--seconds", "0.2", "--settle", "0.1")
    assert (told["rows_lost"], told["loss"]) == (told["rows"], 1.0)
    assert told["ack"]["p50_ms"] is None


def test_a_broker_that_is_not_there_is_one_line(free_port, keys_dir, capsys):
    words = ["load", "--mqtt", f"127.0.0.1:{free_port}", "--master", str(keys_dir / "master.key")]
    assert cli.main(words) == 1
    err = capsys.readouterr().err
    assert f"127.0.0.1:{free_port}" in err.splitlines()[-1]
    assert "Traceback" not in err

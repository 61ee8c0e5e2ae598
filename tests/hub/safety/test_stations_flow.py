"""A station that speaks by MQTT to the hub's own broker, from its message to the API's answer."""

import json
import time
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

MAPPING = """
[[source]]
name = "slope"
kind = "geology"
mqtt = "geo/+/up"
[source.station]
id = "@topic.1"
[source.time]
column = "ts"
format = "unix_ms"
[[source.quantity]]
name = "tilt"
zh = "倾角"
column = "tilt"
unit = "°"
threshold = 1.5
"""


def test_a_message_becomes_an_alarm(running: Callable[..., Any], tmp_path: Any) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "stations.toml").write_text(MAPPING)
    with running() as run:
        part = run.hub.parts.stations
        run.until(lambda: part.supplies[0].line is not None and part.supplies[0].line.transport is not None)
        client = paho.Client(CallbackAPIVersion.VERSION2)
        client.connect("127.0.0.1", run.hub.broker.port)
        client.loop_start()
        for body in (b"\xff no json", json.dumps({"ts": int(time.time() * 1000), "tilt": 2.5}).encode()):
            client.publish("geo/s1/up", body).wait_for_publish(5)
        run.until(lambda: part.book.get("slope:s1") is not None)
        run.until(lambda: any(alarm.kind == "station" for alarm in run.hub.parts.alarms.open()))
        assert part.book.get("slope:s1").values["tilt"].value == 2.5
        client.disconnect()
        client.loop_stop()

"""The doctor of a gateway: what each port really delivers, and whether the hub answers.

Enters: a `Config` and how long to listen. Leaves: a report. Called by `zhantu-edge check`. It uses the agent's
own ports, drivers and bearer, so what it finds is what the agent would have; run it while the agent is stopped.
"""

import random
import secrets
import select
import textwrap
import time
from typing import Any

from edge import identity
from edge.apart_worker import Worker, make_worker
from edge.bearers.mqtt import MqttBearer, Phase
from edge.config import Config, key_files, read_key
from edge.ntrip import Ntrip
from firmware_bridge.drivers import DRIVERS
from protocols import acks, frame
from protocols.catalog import Kind, Lane
from protocols.errors import AckError
from protocols.keys import MacKey
from protocols.samples import Fix, FixMode, Sample, sample_as_dict

REPEAT_NS = 10**9
NO_BOOT = 0
"""A boot is a random number; that an agent ever drew this one is as likely as never."""


class _Hub:
    """Asks the hub for one acknowledgement, by an empty list of held rows of a boot that never was."""

    def __init__(self, config: Config) -> None:
        number, realm = config.device.number, config.device.realm
        self._mac_key = MacKey(read_key(config.device.key_file), realm)
        self._question = frame.pack_ranges(
            self._mac_key, Kind.HELD, device=number, boot=secrets.randbits(63), t_mono_ms=0, body=[NO_BOOT, 0]
        )
        self.bearer = MqttBearer(
            config.mqtt, realm, number, on_ack=self._hear, on_order=lambda _data: None,
            rng=random.Random(1),
        )  # fmt: skip
        self._asked_ns = 0
        self.rtt_ms: int | None = None
        self.error = ""

    def _hear(self, data: bytes) -> None:
        try:
            ack = acks.unpack(data, self._mac_key)
        except AckError as err:
            self.error = f"{err}; does the key file belong to this device?"
            return
        if ack.boot == NO_BOOT:
            self.rtt_ms = (time.monotonic_ns() - self._asked_ns) // 1_000_000

    def maintain(self, t_mono_ns: int) -> None:
        self.bearer.maintain(t_mono_ns / 1e9)
        due = self.rtt_ms is None and t_mono_ns - self._asked_ns >= REPEAT_NS
        if due and self.bearer.publish(Lane.RECEIPTS, self._question):
            self._asked_ns = t_mono_ns

    def report(self) -> dict[str, object]:
        stats = self.bearer.stats
        return {
            "broker": self.bearer.phase == Phase.UP,
            "answers": self.rtt_ms is not None,
            "rtt_ms": self.rtt_ms,
            "error": self.error or stats.last_error,
        }


def check(config: Config, seconds: float) -> dict[str, Any]:
    """Listen for `seconds`; `{"ok", "identity": …, "ports": {name: …}, "hub": …}`. ConfigError when the key cannot
    be read."""
    values: dict[str, dict[str, object]] = {}
    fixes: dict[str, int] = {}
    ports: list[Worker] = []
    ntrip = Ntrip(
        config.ntrip,
        lambda frame: any(port.send(frame) for port in ports if port.name == config.ntrip.port),
        random.Random(1),
    )
    for wanted in config.ports:

        def note(sample: Sample, _t: int, name: str = wanted.name) -> None:
            values.setdefault(name, {}).update(sample_as_dict(sample))
            if isinstance(sample, Fix) and sample.mode != FixMode.NONE:
                fixes[name] = fixes.get(name, 0) + 1
                ntrip.note_fix(sample, time.monotonic_ns())

        ports.append(make_worker(wanted, note))
    hub = _Hub(config)
    ntrip.start()
    _listen(ports, hub, ntrip, time.monotonic_ns() + round(seconds * 1e9))
    found = {
        port.name: {**port.status(), "fixes": fixes.get(port.name, 0)}
        | ({"last": values[port.name]} if port.name in values else {})
        for port in ports
    }
    corrections = ntrip.status(time.monotonic_ns())
    ntrip.close()
    for port in ports:
        port.close()
    answer = hub.report()
    hub.bearer.close()
    who = _identity(config)
    ok = (
        bool(answer["answers"]) and not who["exposed"] and corrections["state"] in ("off", "flowing")
        and all(port["messages"]["good"] for port in found.values())  # type: ignore[index]
    )  # fmt: skip
    return {"ok": ok, "identity": who, "ports": found, "corrections": corrections, "hub": answer}


def _identity(config: Config) -> dict[str, object]:
    """Who this gateway is, until when, and which files of its keys everybody can read."""
    held = config.identity
    return {
        "device": config.device.number,
        "realm": config.device.realm,
        "enrolled": held is not None,
        "certificate_until": held.until(round(time.time() * 1000)) if held and held.mqtt_tls else None,
        "exposed": [str(path) for path in identity.exposed(key_files(config))],
    }


def _listen(ports: list[Worker], hub: _Hub, ntrip: Ntrip, end_ns: int) -> None:
    while (now_ns := time.monotonic_ns()) < end_ns:
        for port in ports:
            port.maintain(now_ns)
        hub.maintain(now_ns)
        workers: list[Worker | MqttBearer | Ntrip] = [*ports, hub.bearer, ntrip]
        readers = {fd: worker for worker in workers if (fd := worker.fileno()) is not None}
        fd = hub.bearer.fileno()
        writers = [fd] if fd is not None and hub.bearer.wants_write() else []
        ready, writable, _ = select.select(list(readers), writers, [], 0.05)
        for fd in ready:
            readers[fd].on_readable()
        if writable:
            hub.bearer.on_writable()


def as_text(report: dict[str, Any]) -> str:
    """The report for a person: who it is, one line a port, one for the hub, and what to do where something is wrong."""
    who = report["identity"]
    until = f", certificate until {who['certificate_until']}" if who["certificate_until"] else ""
    lines = [f"device {who['device']} of realm {who['realm']}{until}"]
    lines += [f"KEY THAT EVERYBODY ON THIS MACHINE CAN READ: chmod 600 {path}" for path in who["exposed"]]
    for name, port in report["ports"].items():
        lines.append(_port_line(name, port))
    lines += _corrections_line(report["corrections"])
    hub = report["hub"]
    if hub["answers"]:
        lines.append(f"hub: answers in {hub['rtt_ms']} ms")
    elif hub["broker"]:
        why = hub["error"] or "is it running, and does it know this device?"
        lines.append(f"hub: BROKER IS THERE, HUB DOES NOT ANSWER: {why}")
    else:
        lines.append(f"hub: NO BROKER: {hub['error'] or 'no connection'}")
    return "\n".join([*lines, "all well" if report["ok"] else "something is wrong, see the capitals"])


def _corrections_line(said: dict[str, Any]) -> list[str]:
    """Nothing without a caster in the configuration."""
    if not said["caster"]:
        return []
    if said["state"] != "flowing":
        why = said["why"] or "no answer yet"
        return [f"corrections: {said['state'].upper()} at {said['caster']}: {why}"]
    lost = f", {said['unsent']} FRAMES NOT TAKEN BY {said['port']}" if said["unsent"] else ""
    gga = "" if said["ggas"] else ", no position told yet"
    return [f"corrections: {said['frames']} frames from {said['caster']} for {said['port']}{gga}{lost}"]


def _port_line(name: str, port: dict[str, Any]) -> str:
    if not port["open"]:
        return f"{name}: NOT OPEN: {port['last_error']}"
    if not port["byte_count"]:
        return f"{name}: OPEN BUT SILENT at {port['path']}: is the device powered?"
    good, bad = port["messages"]["good"], port["messages"]["bad"]
    if not good:
        return f"{name}: {port['byte_count']} BYTES BUT NOTHING VALID for {port['driver']} at {port['baud']} baud"
    place = f", {port['fixes']} fixes" if port["fixes"] else ""
    if not port["fixes"] and "lat_deg_e7" in DRIVERS[port["driver"]].reads:
        place = ", no fix yet (needs the sky)"
    model = f" {port['model']}" if port["model"] else ""
    last = {key: value for key, value in port.get("last", {}).items() if key != "sample"}
    live = textwrap.fill(
        "  ".join(f"{key}={value}" for key, value in last.items()),
        110,
        initial_indent="    ",
        subsequent_indent="    ",
    )
    line = (
        f"{name}:{model} {port['driver']} at {port['baud']} baud, {good} good and {bad} bad messages{place}"
    )
    return f"{line}\n{live}" if last else line

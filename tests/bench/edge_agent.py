"""Memory and CPU of the unmodified agent: 10 Hz GNSS and five 1 Hz channels, TLS to a broker, acknowledged.

    python tests/bench/edge_agent.py [--seconds 60] [--json]

The five further channels are five more serial ports with a 1 Hz receiver each: the spine has no other drivers yet.
Prints resident memory (kB, from /proc) and CPU (percent of one core, of the agent alone) over the steady part.
"""

import argparse
import datetime
import json
import os
import pty
import socket
import subprocess
import sys
import tempfile
import time
import tty
from pathlib import Path

import paho.mqtt.client as paho
from certificates import make_certificates
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from protocols import acks, frame, topics
from protocols.acks import Ack
from protocols.intervals import Intervals
from protocols.keys import MacKey

KEY = bytes(range(32))
WARM_UP_S = 15.0


def sentence(body: str) -> bytes:
    """A sentence with its checksum."""
    checksum = 0
    for byte in body.encode():
        checksum ^= byte
    return f"${body}*{checksum:02X}\r\n".encode()


def epoch(t_s: float, full: bool) -> bytes:
    """One epoch: six sentences for the 10 Hz receiver, two for the others."""
    utc = datetime.datetime.fromtimestamp(t_s, datetime.UTC)
    clock = utc.strftime("%H%M%S.") + f"{utc.microsecond // 10_000:02d}"
    lat = f"36{39 + (t_s % 600) / 1e3:09.6f}"
    out = sentence(f"GNRMC,{clock},A,{lat},N,11700.000000,E,2.0,10.0,{utc:%d%m%y},,,A,V")
    if full:
        out += sentence("GNVTG,10.0,T,,M,2.0,N,3.7,K,A")
    out += sentence(f"GNGGA,{clock},{lat},N,11700.000000,E,1,12,0.80,50.0,M,-5.0,M,,")
    if full:
        out += sentence("GNGSA,A,3,01,11,31,14,22,32,04,25,03,,,,1.56,0.91,1.27,1")
        out += sentence("GPGSV,2,1,05,01,40,083,46,02,17,308,41,12,07,344,39,14,22,228,45,1")
        out += sentence(f"GNGLL,{lat},N,11700.000000,E,{clock},A,A")
    return out


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        return int(line.getsockname()[1])


def start_hub(port: int) -> paho.Client:
    """A hub that only acknowledges."""
    key, held = MacKey(KEY, "bench"), dict[tuple[int, int], Intervals]()

    def on_message(client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        envelope = frame.open_envelope(bytes(message.payload), key)
        rows = held.setdefault((envelope.boot, envelope.stream), Intervals())
        rows.add(envelope.row, envelope.row + envelope.n - 1)
        ranges = list(rows)
        watermark = ranges.pop(0)[1] + 1 if ranges and ranges[0][0] == 0 else 0
        ack = Ack(time.time_ns() // 10**6, envelope.boot, envelope.stream, watermark, tuple(ranges))
        client.publish(topics.ack("bench", envelope.device), acks.pack(ack, key))

    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.on_message = on_message
    client.connect("127.0.0.1", port)
    for topic in topics.all_up("bench"):
        client.subscribe(topic)
    client.loop_start()
    return client


def usage(pid: int) -> tuple[float, int]:
    """CPU seconds and resident kB of a process. **Source:** proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    status = Path(f"/proc/{pid}/status").read_text()
    rss = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), rss


def measure(seconds: float) -> dict[str, object]:
    """Run the agent for a warm-up and `seconds` more."""
    tls_port, plain_port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_certificates(folder)
        (folder / "broker.conf").write_text(
            f"listener {tls_port} 127.0.0.1\nallow_anonymous true\ncertfile {name}/cert.pem\nkeyfile {name}/key.pem\n"
            f"user root\nlistener {plain_port} 127.0.0.1\n"
        )
        (folder / "k").write_text(KEY.hex())
        lines = [pty.openpty() for _ in range(6)]
        for _, slave in lines:
            tty.setraw(slave)
        ports = "".join(
            f'[[port]]\nname = "p{i}"\npath = "{os.ttyname(slave)}"\nbaud = 115200\n'
            for i, (_, slave) in enumerate(lines)
        )
        (folder / "edge.toml").write_text(
            f'[device]\nnumber = 9\nrealm = "bench"\nkey_file = "k"\n{ports}'
            f'[pace]\nrow_s = 0.1\n[mqtt]\nhost = "localhost"\nport = {tls_port}\nca_file = "cert.pem"\n'
        )
        broker = subprocess.Popen(["mosquitto", "-c", folder / "broker.conf"])
        hub, agent = None, None
        try:
            hub = _retry(plain_port)
            agent = subprocess.Popen([sys.executable, "-m", "edge", "run", "--config", folder / "edge.toml"])
            return _drive([master for master, _ in lines], agent, seconds)
        finally:
            for process in (agent, broker):
                if process is not None:
                    process.terminate()
                    process.wait(10)
            if hub is not None:
                hub.loop_stop()


def _retry(port: int) -> paho.Client:
    for _ in range(50):
        try:
            return start_hub(port)
        except OSError:
            time.sleep(0.1)
    raise SystemExit("no broker")


def _drive(masters: list[int], agent: "subprocess.Popen[bytes]", seconds: float) -> dict[str, object]:
    start = time.monotonic()
    first: tuple[float, float] | None = None
    tick = 0
    while (elapsed := time.monotonic() - start) < WARM_UP_S + seconds:
        if first is None and elapsed >= WARM_UP_S:
            first = (elapsed, usage(agent.pid)[0])
        now = time.time()
        os.write(masters[0], epoch(now, full=True))
        if tick % 10 == 0:
            for master in masters[1:]:
                os.write(master, epoch(now, full=False))
        tick += 1
        time.sleep(max(0.0, start + tick * 0.1 - time.monotonic()))
    assert first is not None
    cpu, rss_kb = usage(agent.pid)
    elapsed = time.monotonic() - start
    return {"cpu_pct": round(100 * (cpu - first[1]) / (elapsed - first[0]), 2), "rss_kb": rss_kb,
            "seconds": round(elapsed - first[0], 1)}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    result = measure(args.seconds)
    text = "agent: {cpu_pct} % of a core, {rss_kb} kB resident, over {seconds} s".format(**result)
    print(json.dumps(result) if args.json else text)


if __name__ == "__main__":
    main()

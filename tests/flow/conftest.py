"""Fixtures of the end-to-end tests: the real hub with its real broker, real agents on ptys, a signed-in client.

Every program is started as a person would start it, in a folder of its own, on ports that are free, and is ended
by its own process id.
"""

import datetime
import json
import os
import pty
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from hub import addresses

PATIENCE_S = 30.0
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
    "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
]  # fmt: skip


def free_port() -> int:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        return int(line.getsockname()[1])


def wait_for(what: Callable[[], Any], why: str, patience_s: float = PATIENCE_S) -> Any:
    """The first true answer of `what`, asked every 50 ms; AssertionError with `why` when none comes."""
    end = time.monotonic() + patience_s
    pause = threading.Event()
    while time.monotonic() < end:
        answer = what()
        if answer:
            return answer
        pause.wait(0.05)
    raise AssertionError(f"waited {patience_s:g} s in vain: {why}")


class Program:
    """One of our programs, its output kept in a file."""

    def __init__(self, folder: Path, name: str, *arguments: str) -> None:
        self.log_path = folder / f"{name}.log"
        self._arguments = [sys.executable, "-m", *arguments]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self._arguments, stdout=log, stderr=log, cwd=self.log_path.parent
            )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def output(self) -> str:
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(10)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.terminate()
        try:
            return self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_mosquitto(pid: int) -> bool:
    return "mosquitto" in Path(f"/proc/{pid}/comm").read_text()


class Hub:
    """A hub with a data folder of its own. `options` of `zhantu-hub run` beside those of every test."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.keys = folder / "keys"
        self.port, self.mqtt_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.program = Program(
            folder, "hub", "hub", "run", "--data", str(self.data), "--port", str(self.port),
            "--mqtt-port", str(self.mqtt_port), "--json", *options,
        )  # fmt: skip

    def command(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "hub", *arguments, "--data", str(self.data)],
            capture_output=True, text=True, check=False, cwd=self.folder, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, f"zhantu-hub {arguments}: {done.stderr}"
        return done.stdout

    def add(self, device: int, callsign: str, kind: str = "person", team: str = "一队") -> None:
        self.command("roster", "add", "--device", str(device), "--callsign", callsign, "--kind", kind,
                     "--branch", "fire", "--team", team, "--keys", str(self.keys))  # fmt: skip

    def start(self) -> None:
        self.program.start()
        wait_for(self.ready, f"the hub is not ready; it says:\n{self.program.output()}")

    def ready(self) -> bool:
        assert self.program.alive(), self.program.output()
        try:
            with self.client() as client:
                return client.get("/healthz", timeout=2).status_code == 200
        except (httpx.HTTPError, OSError):  # OSError: its certificate is not there yet
            return False

    def link(self, role: str = "safety-officer") -> str:
        """A fresh one-time sign-in link of the person called like the role. A safety officer sees all of a unit."""
        made = self.command("user", "link", "--name", role, "--role", role, "--url", self.url, "--json")
        return str(json.loads(made)["link"])

    def client(self) -> httpx.Client:
        """An HTTP client of this hub, not signed in yet."""
        return httpx.Client(base_url=self.url, headers={"Origin": self.url}, timeout=10)

    def sign_in(self, client: httpx.Client, role: str = "safety-officer") -> None:
        """With a fresh link, as the page does it."""
        token = self.link(role).partition("#t=")[2]
        client.post("/api/v1/session", json={"token": token}).raise_for_status()

    def rows(self) -> list[dict[str, Any]]:
        """Every committed row, as the export gives it."""
        return [
            json.loads(line)
            for line in self.command(
                "export", "--from", "0", "--to", str(2**42), "--format", "jsonl"
            ).splitlines()
        ]

    def broker_pid(self) -> int:
        """The broker's process: the hub's child."""
        found = [pid for pid in children_of(self.program.pid) if is_mosquitto(pid)]
        assert found, "the hub has no mosquitto child"
        return found[0]


class OpenHub(Hub):
    """A hub that others reach: HTTPS for screens, TLS for devices. Its authority is the only one trusted."""

    def __init__(self, folder: Path) -> None:
        self.devices_port = free_port()
        super().__init__(folder, "--host", "0.0.0.0", "--devices-port", str(self.devices_port))
        self.url = f"https://{addresses.outward()}:{self.port}"

    def client(self) -> httpx.Client:
        context = ssl.create_default_context(cafile=str(self.data / "tls" / "authority.pem"))
        headers = {"Origin": self.url}
        return httpx.Client(base_url=self.url, headers=headers, timeout=10, verify=context, trust_env=False)


def sentence(body: str) -> bytes:
    checksum = 0
    for byte in body.encode():
        checksum ^= byte
    return f"${body}*{checksum:02X}\r\n".encode()


class Receiver:
    """A GNSS receiver on a pty that says where it is, and counts its fixes in the sixth digit of the minute."""

    def __init__(self, path: Path, hz: float) -> None:
        self.path = path
        self._period_s = 1 / hz
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._master, self._slave = -1, -1
        self.count = 0
        self.plug()

    def plug(self) -> None:
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(self._slave))

    def unplug(self) -> None:
        master, slave, self._master, self._slave = self._master, self._slave, -1, -1
        self.path.unlink(missing_ok=True)
        os.close(master)
        os.close(slave)

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        next_s = time.time()
        while not self._stop.is_set():
            if self._master >= 0:
                self.say()
            next_s += self._period_s
            self._stop.wait(max(0.0, next_s - time.time()))

    def say(self) -> None:
        self.count += 1
        now = datetime.datetime.now(datetime.UTC)
        clock = now.strftime("%H%M%S.") + f"{now.microsecond // 1000:03d}"
        minutes = f"{39 + self.count / 10_000:09.6f}"
        data = sentence(f"GNRMC,{clock},A,36{minutes},N,11700.000000,E,2.0,10.0,{now:%d%m%y},,,A,V")
        data += sentence(f"GNGGA,{clock},36{minutes},N,11700.000000,E,1,12,0.80,50.0,M,-5.0,M,,")
        try:
            os.write(self._master, data)
        except (BlockingIOError, OSError):
            return  # nobody listens, and the line is full: as on a real wire, the bytes are gone

    def close(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5)
        if self._master >= 0:
            self.unplug()


class Gateway:
    """An unmodified agent as a program, with a receiver on a pty."""

    def __init__(
        self, hub: Hub, device: int, hz: float = 1.0, row_s: float = 1.0, path: Path | None = None
    ) -> None:
        self.folder = hub.folder / f"gateway-{device}"
        self.folder.mkdir()
        self.receiver = Receiver(self.folder / "tty", hz)
        self.config = self.folder / "edge.toml"
        self.config.write_text(
            f'[device]\nnumber = {device}\nkey_file = "{hub.keys}/{device}.key"\n'
            f"[pace]\nrow_s = {row_s}\nlive_s = {row_s}\n"
            f'[[port]]\nname = "gnss"\npath = "{path or self.receiver.path}"\nbaud = 115200\n'
            f"[mqtt]\nport = {hub.mqtt_port}\n"
        )
        self.program = Program(self.folder, "edge", "edge", "run", "--config", str(self.config))

    def start(self) -> None:
        self.receiver.start()
        self.program.start()

    def status(self) -> dict[str, Any]:
        """What the agent says of itself; the link is "off" while it does not answer."""
        done = subprocess.run(
            [sys.executable, "-m", "edge", "status", "--config", str(self.config)],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        return dict(json.loads(done.stdout)) if done.returncode == 0 else {"link": "off"}

    def start_and_wait(self) -> None:
        self.start()
        wait_for(lambda: self.status()["link"] == "up", f"no link; the agent says:\n{self.program.output()}")

    def command(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "edge", *arguments, "--config", str(self.config)],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def close(self) -> None:
        self.program.stop()
        self.receiver.close()


class EnrolledGateway(Gateway):
    """A gateway that was made known with a code, as a technician does it."""

    def __init__(self, hub: Hub, device: int, callsign: str) -> None:
        made = hub.command("enrol", "--device", str(device), "--callsign", callsign, "--json")
        self.folder = hub.folder / f"gateway-{device}"
        self.config = self.folder / "edge.toml"
        done = subprocess.run(
            [sys.executable, "-m", "edge", "enrol", json.loads(made)["code"], "--dir", str(self.folder)],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        self.receiver = Receiver(self.folder / "tty", 2.0)
        with self.config.open("a") as config:
            config.write(f'[[port]]\nname = "pty"\npath = "{self.receiver.path}"\nbaud = 115200\n')
            config.write("[pace]\nhealth_s = 1.0\n")
        self.program = Program(self.folder, "edge", "edge", "run", "--config", str(self.config))


@pytest.fixture
def new_hub(tmp_path: Path) -> Iterator[Callable[..., Hub]]:
    """Makes hubs that are not started yet; all are stopped at the end."""
    made: list[Hub] = []

    def make(*options: str) -> Hub:
        folder = tmp_path / f"hub-{len(made)}"
        folder.mkdir()
        made.append(Hub(folder, *options))
        return made[-1]

    yield make
    for hub in made:
        hub.program.stop()


@pytest.fixture
def hub(new_hub: Callable[..., Hub]) -> Hub:
    """A hub that runs, with device 1001 on its roster."""
    made = new_hub()
    made.add(1001, "济南消防-01")
    made.start()
    return made


@pytest.fixture(scope="module")
def shared_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """One hub that runs for all tests of a module, with device 1001 on its roster."""
    made = Hub(tmp_path_factory.mktemp("shared-hub"))
    made.add(1001, "济南消防-01")
    made.start()
    yield made
    made.program.stop()


@pytest.fixture
def open_hub(tmp_path: Path) -> Iterator[OpenHub]:
    """A hub beyond loopback that runs."""
    made = OpenHub(tmp_path)
    made.start()
    yield made
    made.program.stop()


@pytest.fixture
def enrol() -> Iterator[Callable[[Hub, int, str], EnrolledGateway]]:
    """Enrols gateways, which are not started; all are stopped at the end."""
    made: list[EnrolledGateway] = []

    def new(hub: Hub, device: int, callsign: str) -> EnrolledGateway:
        made.append(EnrolledGateway(hub, device, callsign))
        return made[-1]

    yield new
    for gateway in made:
        gateway.close()


@pytest.fixture
def new_gateway() -> Iterator[Callable[..., Gateway]]:
    """Makes gateways; all are stopped at the end."""
    made: list[Gateway] = []

    def make(hub: Hub, device: int, **settings: Any) -> Gateway:
        made.append(Gateway(hub, device, **settings))
        return made[-1]

    yield make
    for gateway in made:
        gateway.close()


class Demo(Program):
    """What `make run` starts, with its sign-in link."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        super().__init__(
            folder, "demo", "sim", "demo", "--data", str(self.data), "--port", str(free_port()),
            "--mqtt-port", str(free_port()),
        )  # fmt: skip

    def link(self) -> str:
        """The link of its start line."""
        return str(wait_for(self._said_link, f"no sign-in link; it says:\n{self.output()}"))

    def _said_link(self) -> str | None:
        assert self.alive(), self.output()
        found = re.search(r"http://\S+#t=\S+", self.output())
        return found[0] if found else None

    def next_link(self) -> str:
        """A link for one more screen."""
        url = self.link().partition("/#")[0]
        command = [
            sys.executable,
            "-m",
            "hub",
            "user",
            "link",
            "--json",
            "--data",
            str(self.data),
            "--url",
            url,
        ]
        return str(
            json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)["link"]
        )

    def broker_pid(self) -> int:
        """The broker: a child of the hub, which is a child of the demo."""
        found = [pid for child in children_of(self.pid) for pid in children_of(child) if is_mosquitto(pid)]
        assert len(found) == 1, found
        return found[0]


@pytest.fixture
def start_program(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Starts programs of ours; all are stopped at the end."""
    made: list[Program] = []

    def start(name: str, *arguments: str) -> Program:
        made.append(Program(tmp_path, name, *arguments))
        made[-1].start()
        return made[-1]

    yield start
    for program in made:
        program.stop()


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    made = Demo(tmp_path)
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="session")
def patiently() -> Callable[..., Any]:
    """`wait_for`, for tests."""
    return wait_for


@pytest.fixture(scope="module")
def launch() -> Iterator[Callable[..., Browser]]:
    """Starts the system's Chromium, with flags beside those of every test."""
    with sync_playwright() as playwright:
        made: list[Browser] = []

        def start(*flags: str) -> Browser:
            made.append(playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags]))
            return made[-1]

        yield start
        for browser in made:
            browser.close()


@pytest.fixture(scope="module")
def browser(launch: Callable[..., Browser]) -> Browser:
    return launch()


@contextmanager
def open_page(browser: Browser, url: str, allowed: str = "none", **settings: Any) -> Iterator[Page]:
    """A page whose errors (but for an allowed one), and requests to anywhere else, fail the test."""
    problems: list[str] = []
    context = browser.new_context(**settings)
    page = context.new_page()
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
    origin = url.split("/#")[0].rstrip("/")
    page.on(
        "request", lambda r: None if r.url.startswith((origin, "data:", "blob:")) else problems.append(r.url)
    )
    page.goto(url)
    yield page
    context.close()
    assert [problem for problem in problems if allowed not in problem] == []


@pytest.fixture(scope="session")
def opened() -> Callable[..., Any]:
    """`open_page`, for tests."""
    return open_page


@pytest.fixture(scope="session")
def artifacts() -> Path:
    """Where screenshots go, to be looked at."""
    made = Path(__file__).resolve().parents[1] / "artifacts"
    made.mkdir(exist_ok=True)
    return made

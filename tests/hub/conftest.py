"""A hub without sockets for tests: real log and registry in a temporary folder, a fake clock, made frames."""

import asyncio
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import paho.mqtt.client as paho
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from starlette.types import ASGIApp

from hub.api import app as api
from hub.api import entry_routes, order_routes, problems, rollcall_routes
from hub.api.guard import Guard, Names, check_declared
from hub.api.once import Once
from hub.app import Hub
from hub.identity.authority import Authority
from hub.identity.commanders import Commanders
from hub.identity.enrolment import Enrolment
from hub.identity.keys import KeyRing, load_master
from hub.identity.list_sender import ListSender
from hub.identity.people import ACTIVE, Passwords, Person
from hub.identity.permissions import Permission, Role
from hub.identity.signin import SignIn
from hub.identity.watch import Watch
from hub.live.clock import HubClock
from hub.live.counters import Counters
from hub.live.events import Event
from hub.live.feed import Feed
from hub.live.history import Decoder, History
from hub.live.ingest import Ingest
from hub.live.outbox import Outbox
from hub.live.outbox_desk import OrderDesk
from hub.live.outbox_screen import OrderScreen
from hub.live.picture import Picture
from hub.live.pipeline import Pipeline
from hub.live.seen import SeenEvents
from hub.live.units import Units
from hub.mqtt import Inbox
from hub.safety import parts as safety
from hub.safety.part import Ground
from hub.settings import Settings
from hub.state import Health, HubState
from hub.store.interface import UnitRow
from hub.store.registry import SqliteRegistry
from hub.store.segments import SegmentLog
from protocols import acks, frame, topics
from protocols.catalog import FIELDS_BY_NAME, ClockSource, Kind, Lane, Stream
from protocols.keys import MacKey

MASTER = bytes(range(32))
T0 = 1_795_000_000_000
"""Hub time when a test begins."""
BOOT = 2**63 + 11
WAIT_S = 10


class FakeClock:
    """UTC ms that only a test moves."""

    def __init__(self) -> None:
        self.now = T0

    def __call__(self) -> int:
        return self.now


class Bench:
    """Ingest on a real log, and a device's side to feed it."""

    realm = "live"
    master = MASTER

    def __init__(self, folder: Path, clock: FakeClock | None = None) -> None:
        self.folder = folder
        self.clock = clock or FakeClock()
        self.open()

    def open(self) -> None:
        self.registry = SqliteRegistry(self.folder / "registry.db")
        self.registry.open(self.clock())
        self.log = SegmentLog(self.folder / "log")
        self.log.open(self.clock())
        self.keys = KeyRing(self.master, self.realm)
        self.picture = Picture(4)
        self.units = Units(self.picture)
        self.counters = Counters()
        self.hub_clock = HubClock(self.clock)
        self.ingest = Ingest(
            self.realm, self.log, self.keys, self.units, self.picture, self.hub_clock, self.counters,
            lambda reason, device: self.refusals.append((reason, device)),
        )  # fmt: skip
        self.history = History(self.log, self.keys.logged, self.clock)
        self.ingest.late.listeners.append(self.history.slices.cache.late)
        self.sent: list[tuple[int, bytes]] = []
        self.down: list[tuple[str, int, bytes]] = []
        self.told: list[Event] = []
        self.refusals: list[tuple[str, int]] = []
        self.load()

    def close(self) -> None:
        self.log.close()
        self.registry.close()

    def restart(self) -> None:
        """As after a kill: only what is on disk is known."""
        self.close()
        self.open()
        self.ingest.restore(self.log.events())
        self.ingest.restore(self.log.newest(self.clock() - 86_400_000, 6))
        self.ingest.restore(reversed(list(self.log.heard(self.clock() - 86_400_000, 1_000))))

    def enrol(self, *devices: int) -> None:
        entries = [(d, UnitRow("", f"C{d}", "person", "fire", "A", 30, 300)) for d in devices]
        self.registry.enrol(entries, self.clock())
        self.load()

    def load(self) -> None:
        self.keys.replace(self.registry.devices.epochs(), self.registry.devices.all_epochs())
        self.units.load(self.registry.units(), self.registry.bindings())

    # --- the device's side ---------------------------------------------------------------------------

    def frame(
        self,
        device: int = 7,
        row: int = 0,
        rows: list[dict[str, int]] | None = None,
        *,
        t_ms: int | None = None,
        step_ms: int = 1_000,
        kind: int = Kind.STATE,
        lane: int = Lane.LIVE,
        boot: int = BOOT,
        stream: int = Stream.ROWS,
        zero_ms: int | None = T0 - 1_000_000,
        source: int = ClockSource.GNSS,
        key_of: int | None = None,
        topic_of: int | None = None,
        step: int = 1,
    ) -> tuple[str, bytes]:
        """A frame with its topic. `t_ms` is the first row's UTC, or boot time when `zero_ms` is None."""
        made = rows or [{"lat_deg_e7": 366_500_000 + row, "lon_deg_e7": 1_170_000_000, "fix_mode": 3}]
        start = (self.clock() if t_ms is None else t_ms) - (zero_ms or 0)
        packed = frame.pack(
            self.mac_key(device if key_of is None else key_of),
            kind=kind,
            lane=lane,
            device=device,
            boot=boot,
            stream=stream,
            row=row,
            rows=[frame.Row(start + i * step_ms, bits(values)) for i, values in enumerate(made)],
            utc_zero_ms=zero_ms,
            clock_source=source,
            step=step,
        )
        return self.topic(device if topic_of is None else topic_of, lane), packed

    def event(
        self, row: int, phase: int = 0, number: int = 5, code: int = 1, **more: Any
    ) -> tuple[str, bytes]:
        values = {"event_code": code, "event_id": number, "event_phase": phase}
        values |= {"event_lat_deg_e7": 366_000_000, "event_lon_deg_e7": 1_170_000_000}
        return self.frame(
            row=row,
            rows=[values],
            kind=Kind.EVENT,
            lane=more.pop("lane", Lane.SOS),
            stream=Stream.EVENTS,
            **more,
        )

    def ranges(self, kind: Kind, body: list[int], device: int = 7, boot: int = BOOT) -> tuple[str, bytes]:
        packed = frame.pack_ranges(
            self.mac_key(device), kind, device=device, boot=boot, t_mono_ms=1, body=body
        )
        return self.topic(device, Lane.RECEIPTS), packed

    def topic(self, device: int, lane: int) -> str:
        return topics.up(self.realm, device, Lane(lane))

    def mac_key(self, device: int) -> MacKey:
        ring = KeyRing(self.master, self.realm)
        ring.epochs = {device: 0}
        key = ring.get(device)
        assert key is not None
        return key

    # --- the hub's side ------------------------------------------------------------------------------

    def put(self, *messages: tuple[str, bytes]) -> list[Event]:
        """One batch: admit, commit, settle."""
        admitted = self.ingest.admit(messages)
        self.log.commit(admitted.commit)
        events = self.ingest.settle(admitted, safe=True)
        self.told += events
        return events

    def acks(self) -> list[tuple[int, acks.Ack]]:
        """What is due to be acknowledged now."""
        self.sent.clear()
        self.ingest.acknowledge(lambda device, data: self.sent.append((device, data)))
        return [(device, acks.unpack(data, self.mac_key(device))) for device, data in self.sent]

    def slot(self, device: int = 7) -> int:
        return self.units.slot_by_id[next(b.unit for b in self.registry.bindings() if b.device == device)]

    def lat(self, device: int = 7) -> int:
        return int(self.picture.pos[0, self.slot(device)])

    def t_fix(self, device: int = 7) -> float:
        return float(self.picture.pos_time[self.slot(device)])

    def flags(self, device: int = 7) -> int:
        return int(self.picture.flags(np.array([self.slot(device)]))[0])

    def stored_rows(self) -> list[tuple[int, int, int, int]]:
        """(device, boot, stream, row) of every row in the log, in order, as an export would give it."""
        decoder = Decoder(self.log, self.keys.logged)
        stored = self.log.all_frames(0, 2**52)
        return [tuple(row[:4]) for one in stored for row in decoder.rows(one, quarantined=True)]  # type: ignore[misc]


def bits(values: dict[str, int]) -> dict[int, int]:
    return {FIELDS_BY_NAME[name].bit: value for name, value in values.items()}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def bench(tmp_path: Path, clock: FakeClock) -> Iterator[Bench]:
    made = Bench(tmp_path, clock)
    made.enrol(7)
    yield made
    made.close()


@pytest.fixture
def new_bench(tmp_path: Path) -> Iterator[Callable[[], Bench]]:
    """Benches that a test makes itself, such as one for each Hypothesis example."""
    made: list[Bench] = []

    def new() -> Bench:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Bench(folder))
        made[-1].enrol(7, 8)
        return made[-1]

    yield new
    for one in made:
        one.close()


class Piped:
    """A pipeline over a bench, run step by step."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.writer = ThreadPoolExecutor(1)

    def steps(self, *batches: list[tuple[str, bytes]]) -> Pipeline:
        async def go() -> Pipeline:
            inbox = Inbox()
            pipeline = Pipeline(
                inbox,
                self.bench.ingest,
                self.writer,
                lambda device, data: self.bench.sent.append((device, data)),
                self.bench.told.extend,
            )
            for batch in batches:
                inbox.put(batch)
                await pipeline.step()
            return pipeline

        return asyncio.run(go())


@pytest.fixture
def piped(bench: Bench) -> Iterator[Piped]:
    made = Piped(bench)
    yield made
    made.writer.shutdown()


HOST = "http://127.0.0.1:8600"


@pytest.fixture
def health() -> Health:
    return Health([], [])


@pytest.fixture
def state(bench: Bench, health: Health, tmp_path: Path) -> Iterator[HubState]:
    """All of a hub that its HTTP needs, without sockets. Passwords are hashed with little memory."""
    feed = Feed(
        bench.picture, bench.units, bench.ingest.events, lambda: {"broker": True}, bench.clock,
        realm="live", drill=False, messages=bench.ingest.reported.messages,
    )  # fmt: skip
    quick = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    sign_in = SignIn(bench.registry, bench.clock, token_s=900, session_s=3600, passwords=quick)
    watch = Watch(bench.registry, bench.clock, lambda message: feed.say(message, Permission.SECURITY))
    sign_in.alarm = watch.tell
    authority = Authority(MASTER, "live", tmp_path / "tls", bench.clock)
    commanders = Commanders(
        bench.registry, authority.sign, authority.signer, "live", bench.clock, feed.say,
        lambda reason, words: watch.tell(reason, 0, words),
    )  # fmt: skip
    outbox = Outbox(
        bench.registry.orders, bench.units, bench.picture, bench.keys, bench.ingest.paths, bench.clock
    )
    bench.ingest.paths.publish = lambda topic, device, data: bench.down.append(
        (topic("live", device), device, data)
    )
    bench.ingest.take_receipt = outbox.take
    screen = OrderScreen(outbox, bench.ingest.texts, bench.units, bench.clock)
    desk = OrderDesk(
        bench.registry, commanders, bench.units, authority.sign, authority.signer, "live", bench.clock
    )
    feed.greetings += [watch.greeting, commanders.greeting, screen.greeting]
    sender = ListSender(
        lambda: commanders.standing, set, bench.units, bench.picture, bench.keys,
        lambda _device, _data: None, bench.clock,
    )  # fmt: skip
    with ThreadPoolExecutor(1) as readers:
        ground = Ground(
            settings=Settings(), data=tmp_path, clock_ms=bench.clock, clock=bench.hub_clock,
            registry=bench.registry, log=bench.log, units=bench.units, picture=bench.picture,
            events=bench.ingest.events, ingest=bench.ingest, outbox=outbox, order_desk=desk, readers=readers,
        )  # fmt: skip
        parts = safety.make(ground)
        for part in parts:
            part.load()
            feed.greetings.append(part.greeting)
        feed.parts = [part.name for part in parts]
        parts.alarms.attach(feed)
        yield HubState(
            settings=Settings(),
            version="1",
            clock=bench.hub_clock,
            authority=authority,
            registry=bench.registry,
            enrolment=Enrolment(Settings(), bench.registry, authority, bench.keys, bench.clock, watch.tell),
            reload=bench.load,
            sign_in=sign_in,
            watch=watch,
            commanders=commanders,
            list_sender=sender,
            units=bench.units,
            picture=bench.picture,
            feed=feed,
            ingest=bench.ingest,
            seen=SeenEvents(
                bench.registry,
                bench.ingest.events,
                bench.keys,
                lambda device, data: bench.sent.append((device, data)),
                bench.clock,
            ),
            outbox=outbox,
            order_desk=desk,
            order_screen=screen,
            history=bench.history,
            counters=bench.counters,
            readers=readers,
            health=lambda: health,
            gauges=lambda: {"units": 1.0},
            safety=parts,
        )


class Browser:
    """One request at a time; cookies are kept. `client` is the address it comes from."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.jar = httpx.Cookies()

    def __call__(
        self, method: str, path: str, client: str = "127.0.0.1", base: str = HOST, **more: Any
    ) -> httpx.Response:
        async def go() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, client=(client, 1))
            async with httpx.AsyncClient(transport=transport, base_url=base, cookies=self.jar) as http:
                answer = await http.request(method, path, **more)
                self.jar.update(http.cookies)
                if 'zhantu=""' in answer.headers.get("set-cookie", ""):
                    self.jar.clear()
                return answer

        return asyncio.run(go())


@pytest.fixture
def new_browser(state: HubState, tmp_path: Path) -> Callable[[], Browser]:
    """Browsers of one hub, each with cookies of its own."""
    static = tmp_path / "static"
    (static / "assets").mkdir(parents=True)
    (static / "index.html").write_text("<p>screen")
    (static / "assets" / "a.mjs").write_text("1")
    (static / "assets" / "b.geojson").write_text("{}")
    made = api.make(state, Names("127.0.0.1", 8600, ("hub.example",)), static)
    return lambda: Browser(made)


@pytest.fixture
def ask(new_browser: Callable[[], Browser]) -> Browser:
    return new_browser()


class Running:
    """A whole hub with its broker, on a thread of its own. Ports are the system's choice."""

    def __init__(self, data: Path, **settings: Any) -> None:
        self.data = data
        self.settings = settings
        self.started = threading.Event()
        self.error: BaseException | None = None
        self.hub: Hub
        self._thread = threading.Thread(target=self._main, daemon=True)

    def _main(self) -> None:
        async def go() -> None:
            self.loop = asyncio.get_running_loop()
            self.hub = Hub(Settings(port=0, **self.settings), self.data)
            await self.hub.run(lambda _: self.started.set())

        try:
            asyncio.run(go())
        except BaseException as err:  # noqa: BLE001 -- shown by the test's own thread
            self.error = err
        finally:
            self.started.set()

    def __enter__(self) -> "Running":
        self._thread.start()
        assert self.started.wait(15), "the hub did not start"
        if self.error:
            raise self.error
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self.hub.stop.set)
        self._thread.join(15)
        assert not self._thread.is_alive(), "the hub did not stop"
        if self.error:
            raise self.error

    def until(self, what: Callable[[], object]) -> None:
        """Wait on the hub's own loop until it is true."""
        done = threading.Event()

        def look() -> None:
            if what():
                done.set()
            else:
                self.loop.call_later(0.01, look)

        self.loop.call_soon_threadsafe(look)
        assert done.wait(WAIT_S), "it did not come true in time"

    def enrol(self, *devices: int) -> None:
        entries = [(d, UnitRow("", f"C{d}", "person", "fire", "A", 30, 300)) for d in devices]
        self.hub.registry.enrol(entries, 0)
        self.loop.call_soon_threadsafe(self.hub._load_registry)
        self.until(lambda: self.hub.link.connected and set(devices) <= set(self.hub.keys.epochs))

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.hub.port}"


@pytest.fixture
def running(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Callable[..., Running]]:
    def make(**settings: Any) -> Running:
        return Running(tmp_path / "data", **{"mqtt_port": free_port(), **settings})

    return make


@pytest.fixture
def free_port() -> Callable[[], int]:
    def find() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    return find


class Device:
    """A device at the broker: publishes, and keeps the acknowledgements that come."""

    def __init__(self, run: Running, device: int) -> None:
        run.until(lambda: run.hub.link.connected)  # screens are served before the broker listens
        self.acks: queue.Queue[bytes] = queue.Queue()
        self.ready = threading.Event()
        self.side = Bench.__new__(Bench)  # only its frame-making half
        self.side.clock = FakeClock()
        self.side.clock.now = run.hub.clock.now_ms()
        self.side.master = load_master(run.data / "master.key")
        self.device = device
        protocol = MQTTProtocolVersion.MQTTv5 if run.hub.broker.version_5 else MQTTProtocolVersion.MQTTv311
        self.client = paho.Client(CallbackAPIVersion.VERSION2, protocol=protocol)
        self.client.on_connect = lambda c, *_: c.subscribe(topics.ack("live", device))
        self.client.on_subscribe = lambda *_: self.ready.set()
        self.client.on_message = lambda _c, _u, message: self.acks.put(message.payload)
        self.client.connect("127.0.0.1", run.hub.broker.port)
        self.client.loop_start()
        assert self.ready.wait(WAIT_S)

    def send(self, message: tuple[str, bytes]) -> acks.Ack:
        """Publish, and wait for the hub's acknowledgement."""
        self.client.publish(*message)
        return acks.unpack(self.acks.get(timeout=WAIT_S), self.side.mac_key(self.device))

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def device_at() -> Iterator[Callable[..., Device]]:
    made: list[Device] = []

    def connect(run: Running, device: int) -> Device:
        made.append(Device(run, device))
        return made[-1]

    yield connect
    for one in made:
        one.close()


@pytest.fixture
def signed_in(state: HubState) -> Callable[..., Any]:
    """Somebody at a browser of their own: asks for a path below /api/v1 with a JSON body of keywords. Only the routes
    of entry control, roll-calls and orders are there, behind the real guard: the whole API takes longer to make than
    such a test."""
    app = FastAPI()
    problems.install(app)
    for routes in (entry_routes, rollcall_routes, order_routes):
        app.include_router(routes.router(state), prefix="/api/v1")
    once = Once(app, state.registry.answers, state.clock.now_ms, state.readers)
    guard = Guard(app, Names("127.0.0.1", 8600, ()), check_declared(app.routes), state.sign_in, once)

    def make(name: str, role: Role, agency: str = "", team: str = "") -> Any:
        sees = () if agency else ("*",)
        state.sign_in.accounts.put(Person(name, role, agency, sees, team, ACTIVE), "test", 1)
        began = state.sign_in.sign_in(state.sign_in.new_token(name))
        assert began is not None
        browser = Browser(guard)
        browser.jar.set("zhantu", began.cookie)

        def ask(method: str, path: str, **body: Any) -> httpx.Response:
            more = {"json": body} if method != "GET" else {}
            return browser(method, f"/api/v1{path}", **more)

        return ask

    return make

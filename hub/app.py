"""The hub as a program: real clock, disk, broker and sockets, wired together. Caller: `hub.commands.run`.

One asyncio loop. The writer's thread commits; a few readers' threads look into the log.
"""

import asyncio
import gc
import logging
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path

import uvicorn

from hub import broker as brokers
from hub import data_folder, web_server
from hub.api import app as api
from hub.api.guard import Names
from hub.broker_log import BrokerLog
from hub.datagram import Port
from hub.device_door import DeviceDoor
from hub.disk_watch import DiskWatch
from hub.forward.assembly import ListsBelow, passer_of
from hub.forward.talk import FamilyTalk
from hub.identity.authority import Authority
from hub.identity.commanders import Commanders
from hub.identity.enrolment import Enrolment
from hub.identity.keys import KeyRing, load_master
from hub.identity.list_sender import ListSender
from hub.identity.permissions import Permission
from hub.identity.signin import SignIn
from hub.identity.watch import Watch
from hub.identity.web_tls import WebTls, names_of
from hub.live.clock import HubClock
from hub.live.contact import Contact
from hub.live.counters import Counters
from hub.live.events import Event
from hub.live.feed import TICK_MS, Feed
from hub.live.history import History
from hub.live.ingest import Ingest
from hub.live.outbox import Outbox
from hub.live.outbox_desk import OrderDesk
from hub.live.outbox_screen import OrderScreen
from hub.live.picture import Picture
from hub.live.pipeline import Pipeline
from hub.live.seen import SeenEvents
from hub.live.team_sender import TeamSender
from hub.live.units import Units
from hub.mqtt import Inbox, MqttLink
from hub.rounds import Trouble, every
from hub.safety import parts as safety
from hub.safety.part import Ground
from hub.settings import Settings
from hub.state import Health, HubState
from hub.store.budget import WARN_AT
from hub.store.registry import SqliteRegistry
from hub.store.segments import SegmentLog
from hub.version import current
from protocols.brief import pack_broadcast
from protocols.units import MS_PER_DAY

log = logging.getLogger(__name__)
READERS = 2
REGISTRY_EVERY_S = 0.5
DOOR_EVERY_S = 3_600.0
NOTICES_EVERY_S = 1.0
JUDGE_EVERY_MS = 60_000
CERTIFICATE_EVERY_S = 60.0
HEARD_STEP_MS = 5_000
"""Of the link's `t_heard`: the link is told when it changes, and that must not be with every tick."""
COMMAND_EVERY_S = 1.0
SAFETY_EVERY_S = 1.0
REBUILD_FRAMES = 6
REBUILD_HEARD_FRAMES = 20_000
"""Of the last day, what devices heard of others: at most a second or two of a start."""
REBUILD_LINKS_FRAMES = 5_000
REBUILD_TEXT_DAYS, REBUILD_TEXTS = 7, 1_000
BROKER_GRACE_MS = 5_000
BROKER_STOP_S = 0.3


def utc_ms() -> int:
    return time.time_ns() // 1_000_000


class Hub:
    """One hub on one data folder. `run` opens everything, serves until `stop` is set, and closes it again."""

    def __init__(self, settings: Settings, data: Path) -> None:
        self.settings = settings
        self.data = data
        self.clock = HubClock(utc_ms)
        self.counters = Counters()
        self.picture = Picture()
        self.units = Units(self.picture)
        self.log = SegmentLog(data / "log")
        self.registry = SqliteRegistry(data / "registry.db")
        self.sign_in = SignIn(
            self.registry, self.clock.now_ms, token_s=settings.token_s, session_s=settings.session_s
        )
        self.watch = Watch(
            self.registry,
            self.clock.now_ms,
            lambda message: self.feed.say(message, Permission.SECURITY),
            self.units.callsign_of,
        )
        self.sign_in.alarm = self.watch.tell
        self.door: DeviceDoor | None = None
        self.broker_log: BrokerLog | None = None
        self.stop = asyncio.Event()
        self.disk = DiskWatch(data, settings, self.log, self.registry, self.clock.now_ms)
        self.trouble = Trouble()
        self._writer = ThreadPoolExecutor(1, "hub-writer")
        self._readers = ThreadPoolExecutor(READERS, "hub-reader")
        self._registry_version = -1
        self._judge_ms = 0
        self._judges: set[int] = set()
        self._lock: socket.socket | None = None

    # --- run ---------------------------------------------------------------------------------------------

    async def run(self, started: Callable[["Hub"], None]) -> None:
        """Serve until `stop`. `started` is called once screens can connect."""
        async with AsyncExitStack() as stack:
            stack.callback(self._close)
            self._open()
            listener = web_server.listen(self.settings.host, self.settings.port)
            stack.callback(listener.close)
            self.port = int(listener.getsockname()[1])
            self._wire()
            self._choose_broker()
            if self.settings.datagrams_port:
                host = self.settings.devices_at or self.settings.host
                await self.datagrams.open(host, self.settings.datagrams_port)
                stack.callback(self.datagrams.close)
            # What lives until the end is not looked at again; batches make many short-lived objects, no cycles.
            gc.collect()
            gc.freeze()
            gc.set_threshold(100_000, 50, 50)
            await self._run_tasks(listener, started)

    async def _run_tasks(self, listener: socket.socket, started: Callable[["Hub"], None]) -> None:
        """All tasks; when one fails, all end and its error is raised: whoever started the hub starts it again."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(
                web_server.serve(self._server(), listener, self.stop, lambda: started(self), self.feed.stop)
            )
            tasks.create_task(self.pipeline.run(self.stop))
            tasks.create_task(self.link.run(self.stop))
            if self.broker.child is not None:
                tasks.create_task(self.broker.child.run(self.broker_stop))
            if self.broker_log is not None:
                tasks.create_task(self.broker_log.run(self.broker_stop))
            tasks.create_task(self._tick())
            tasks.create_task(self._watch_registry())
            tasks.create_task(self._watch_door())
            tasks.create_task(self._keep_notices())
            tasks.create_task(self._renew_certificate())
            tasks.create_task(self._watch_command())
            tasks.create_task(self._watch_safety())
            tasks.create_task(self.disk.run(self.stop, self._readers, self.trouble))
            tasks.create_task(self._talk_to_family())
            if self.passer is not None:
                tasks.create_task(self.passer.uplink.line.run(self.stop))
                tasks.create_task(self.passer.run(self.stop, self._readers, self.trouble))
            tasks.create_task(self._end_in_order())

    def _open(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        self.data.chmod(0o700)
        self._lock = data_folder.lock(self.data)
        now_ms = self.clock.now_ms()
        self.registry.open(now_ms)
        self.log.open(now_ms)
        master = load_master(self.data / "master.key", create=True)
        self.keys = KeyRing(master, self.settings.realm)
        self.authority = Authority(master, self.settings.realm, self.data / "tls", self.clock.now_ms)
        self.enrolment = Enrolment(
            self.settings, self.registry, self.authority, self.keys, self.clock.now_ms, self.watch.tell
        )
        data_folder.check_realm(self.registry, self.settings.realm)
        self.watch.load()
        self.tls = WebTls(self.settings, self.authority) if self.settings.https else None
        if self.tls is not None:
            self.tls.load()
        self.disk.measure()

    def _choose_broker(self) -> None:
        """Choose the broker. Its child and our client start with the other tasks."""
        settings = self.settings
        self.broker_stop = asyncio.Event()
        if settings.broker:
            self.broker = brokers.external(settings.broker)
        elif settings.devices_at:
            self._open_door()
        else:
            self.broker = brokers.embedded(self.data, settings.mqtt_port)
        self.link = MqttLink(
            self.inbox,
            settings.realm,
            self.broker.host,
            self.broker.port,
            version_5=self.broker.version_5,
            clock_ms=self.clock.now_ms,
        )
        if self.broker.demonstration:
            log.warning("mosquitto is not installed: the embedded broker is for demonstration only")

    def _open_door(self) -> None:
        """The broker with its TLS listener for devices, whose files it finds ready."""
        self.door = DeviceDoor(
            self.settings, self.data / "tls", self.authority, self.registry.devices, self.clock.now_ms
        )
        self.door.write()
        self.broker_log = BrokerLog(self.data / "mosquitto.log", self.door.port, self.watch.tell)
        self.broker = brokers.embedded(
            self.data, self.settings.mqtt_port, self.door, self.broker_log.write_end
        )

    def _wire(self) -> None:
        settings, clock = self.settings, self.clock
        self.inbox = Inbox()
        self.ingest = Ingest(
            settings.realm,
            self.log,
            self.keys,
            self.units,
            self.picture,
            clock,
            self.counters,
            self.watch.tell,
        )
        self.contact = Contact(self.units, self.ingest.rhythms)
        self.ingest.paths.publish = lambda topic, device, data: self.link.publish(topic, device, data)
        self.datagrams = Port(self.inbox, clock.now_ms)
        self.ingest.paths.to_address = self.datagrams.send
        self.history = History(self.log, self.keys.logged, clock.now_ms)
        self.ingest.late.listeners.append(self.history.slices.cache.late)
        self._load_registry()
        self._open_outbox()
        self._rebuild()
        self.feed = Feed(
            self.picture,
            self.units,
            self.ingest.events,
            self.link_state,
            clock.now_ms,
            realm=settings.realm,
            drill=settings.drill,
            messages=self.ingest.reported.messages,
        )
        self.seen = SeenEvents(
            self.registry, self.ingest.events, self.keys, self._publish_order, clock.now_ms
        )
        self.seen.load()
        self.feed.greetings.append(self.watch.greeting)
        self._wire_command()
        self._wire_above()
        self._wire_safety()
        self.pipeline = Pipeline(
            self.inbox,
            self.ingest,
            self._writer,
            lambda device, data: self.ingest.paths.acknowledge(device, data, self.clock.now_ms()),
            self._tell_events,
            self._flush,
        )
        self.pipeline.may_write = lambda: self.disk.space.stop
        self.state = HubState(
            settings=settings,
            version=current(),
            clock=clock,
            authority=self.authority,
            enrolment=self.enrolment,
            reload=self.reload,
            registry=self.registry,
            sign_in=self.sign_in,
            watch=self.watch,
            commanders=self.commanders,
            list_sender=self.list_sender,
            units=self.units,
            picture=self.picture,
            feed=self.feed,
            ingest=self.ingest,
            seen=self.seen,
            outbox=self.outbox,
            order_desk=self.order_desk,
            order_screen=self.order_screen,
            history=self.history,
            counters=self.counters,
            readers=self._readers,
            health=self.health,
            gauges=self.gauges,
            passer=self.passer,
            safety=self.parts,
        )

    def _wire_command(self) -> None:
        loop = asyncio.get_running_loop()
        self.commanders = Commanders(
            self.registry,
            self.authority.sign,
            self.authority.signer,
            self.settings.realm,
            self.clock.now_ms,
            lambda message, to: loop.call_soon_threadsafe(self.feed.say, message, to),
            lambda reason, words: self.watch.tell(reason, 0, words),
        )
        self.outbox.sending.holds = lambda key_id: any(
            key.key_id == key_id for key in self.commanders.standing.keys
        )
        self.feed.greetings += [self.commanders.greeting, self.order_screen.greeting]
        self.order_desk = OrderDesk(
            self.registry,
            self.commanders,
            self.units,
            self.authority.sign,
            self.authority.signer,
            self.settings.realm,
            self.clock.now_ms,
        )
        self.list_sender = ListSender(
            lambda: self.commanders.standing,
            lambda: {device for device in self._judges if not self.lists_below.serves(device)},
            self.units,
            self.picture,
            self.keys,
            self._publish_order,
            self.clock.now_ms,
        )

        self.team_sender = TeamSender(
            self.units,
            self.picture,
            self.keys,
            lambda: self.ingest.relays,
            self._publish_order,
            self.clock.now_ms,
        )

    def _open_outbox(self) -> None:
        """Before the log is read again: receipts that the registry missed come out of it."""
        self.outbox = Outbox(
            self.registry.orders,
            self.units,
            self.picture,
            self.keys,
            self.ingest.paths,
            self.clock.now_ms,
            lambda order: pack_broadcast(order, self.authority.sign),
        )
        self.outbox.load()
        self.ingest.take_receipt = self.outbox.take
        self.order_screen = OrderScreen(self.outbox, self.ingest.texts, self.units, self.clock.now_ms)

    def _wire_above(self) -> None:
        """The hub above, where there is one; and hubs below."""
        loop = asyncio.get_running_loop()
        self.lists_below = ListsBelow(self.ingest, self.keys, self._publish_order)
        self.passer = passer_of(
            self.settings,
            self.log,
            self.registry,
            self.authority,
            self.ingest,
            self.clock.now_ms,
            lambda signed: loop.run_in_executor(self._readers, self.commanders.hear_above, signed),
        )
        self.family = FamilyTalk(
            self.ingest, self.keys, self.registry, self.passer, self._publish_order, self.clock.now_ms
        )

    def _wire_safety(self) -> None:
        self.parts = safety.make(
            Ground(
                settings=self.settings,
                data=self.data,
                clock_ms=self.clock.now_ms,
                clock=self.clock,
                registry=self.registry,
                log=self.log,
                units=self.units,
                picture=self.picture,
                events=self.ingest.events,
                ingest=self.ingest,
                outbox=self.outbox,
                order_desk=self.order_desk,
                readers=self._readers,
            )
        )
        for part in self.parts:
            part.load()
            self.feed.greetings.append(part.greeting)
        self.feed.parts = [part.name for part in self.parts]
        self.parts.alarms.attach(self.feed)

    def _tell_events(self, events: list[Event]) -> None:
        """To the screens first: nothing may keep an SOS from being told."""
        self.feed.tell(events)
        for part in self.parts:
            part.hear(events)

    def _flush(self) -> None:
        """A batch is done: what it owes goes out, and what it brought goes up."""
        self.link.flush()
        if self.passer is not None:
            self.passer.wake()

    def _publish_order(self, device: int, data: bytes) -> None:
        self.ingest.paths.send(device, data, self.clock.now_ms())

    def _rebuild(self) -> None:
        """The picture as the log has it, so that a restart shows last positions with honest ages."""
        since_ms = self.clock.now_ms() - self.settings.rebuild_days * MS_PER_DAY
        began = time.monotonic()
        shown = self.ingest.restore(self.log.events())
        shown += self.ingest.restore(self.log.newest(since_ms, REBUILD_FRAMES))
        heard = self.log.heard(self.clock.now_ms() - MS_PER_DAY, REBUILD_HEARD_FRAMES)
        shown += self.ingest.restore(reversed(list(heard)))
        links = self.log.links(self.clock.now_ms() - MS_PER_DAY, REBUILD_LINKS_FRAMES)
        shown += self.ingest.restore(reversed(list(links)))
        texts = self.log.texts(self.clock.now_ms() - REBUILD_TEXT_DAYS * MS_PER_DAY, REBUILD_TEXTS)
        shown += self.ingest.restore(reversed(list(texts)))
        self.outbox.strange_receipts = 0  # of orders that are long over
        log.info("picture rebuilt from %d frames in %.1f s", shown, time.monotonic() - began)

    def _close(self) -> None:
        for part in getattr(self, "parts", ()):
            part.close()
        self._writer.shutdown()
        self._readers.shutdown()
        with self.trouble.noting("notices"):
            self.watch.keep()
        self.registry.close()
        self.log.close()
        if self._lock is not None:
            self._lock.close()

    def _server(self) -> uvicorn.Server:
        settings = self.settings
        own = names_of(settings) if settings.https else ()
        names = Names(settings.host, self.port, settings.public_hosts, own, https=settings.https)
        return web_server.make(api.make(self.state, names), self.tls.context if self.tls else None)

    async def _end_in_order(self) -> None:
        """The broker goes a little later than our client, so that the last acknowledgements get out."""
        await self.stop.wait()
        await asyncio.sleep(BROKER_STOP_S)
        if self.door is not None:
            await self.door.close()
        self.broker_stop.set()

    # --- watching ----------------------------------------------------------------------------------------

    async def _tick(self) -> None:
        turn = 0
        async for _ in every(TICK_MS / 1000, self.stop):
            turn += 1
            if turn % 4 == 0 and self.clock.judge():
                log.error(
                    "hub clock: GNSS devices contradict it; using an offset of %d ms", self.clock.offset_ms
                )
            self.watch.speak()
            self._tell_reported()
            self._tell_orders()
            for part in self.parts:
                for make in part.changes():
                    self.feed.say_seen(make)
            self._follow()
            if self.feed.is_due(turn):
                self.feed.tick()

    def _follow(self) -> None:
        """The tracks go on over what came. Told: who is drawn at another device, or has other limits of silence."""
        now_ms = self.clock.now_ms()
        self.ingest.follow(now_ms)
        redrawn = self.ingest.tracks.receivers.changed
        changed = redrawn.union(self.contact.look(now_ms))
        if changed:
            self.feed.tell_units(sorted(changed))
            redrawn.clear()

    def _tell_reported(self) -> None:
        """Units that devices heard of, and what was said there: once a tick, however much came."""
        reported = self.ingest.reported
        if reported.fresh_units:
            self.feed.tell_units(sorted(reported.fresh_units))
            reported.fresh_units.clear()
        if reported.fresh_messages:
            self.feed.tell_said(reported.fresh_messages)
            reported.fresh_messages.clear()

    def _tell_orders(self) -> None:
        """What is due, then what came back, and what wearers wrote: once a tick, however much came."""
        self.outbox.step()
        self.link.flush()
        for make in self.order_screen.changes():
            self.feed.say_seen(make)

    async def _keep_notices(self) -> None:
        loop = asyncio.get_running_loop()
        async for _ in every(NOTICES_EVERY_S, self.stop):
            with self.trouble.noting("notices"):
                await loop.run_in_executor(self._readers, self.watch.keep)

    async def _watch_command(self) -> None:
        """Keys end with their shift, and every device gets the list."""
        loop = asyncio.get_running_loop()
        async for _ in every(COMMAND_EVERY_S, self.stop):
            with self.trouble.noting("command"):
                await loop.run_in_executor(self._readers, self.commanders.look)
                self.list_sender.step()
                self.lists_below.step(self.commanders.standing, self.clock.now_ms())
                self.team_sender.step()
                self.seen.step()
                self.link.flush()
            with self.trouble.noting("orders"):
                await loop.run_in_executor(self._readers, self.order_desk.write_late)
                for order in await loop.run_in_executor(self._readers, self.order_desk.adopt):
                    self.outbox.add(order)
                await loop.run_in_executor(self._readers, self.outbox.keep, self.outbox.unkept())

    async def _watch_safety(self) -> None:
        """Each part looks, then all write what changed. One that fails is told, and the others go on."""
        loop = asyncio.get_running_loop()
        async for _ in every(SAFETY_EVERY_S, self.stop):
            for part in self.parts:
                part.look(self.clock.now_ms())
            for part in self.parts:
                with self.trouble.noting(part.name):
                    await loop.run_in_executor(self._readers, part.keep)

    async def _talk_to_family(self) -> None:
        """Hubs of one master tell each other of devices and orders. What is news acts as any change of the registry."""
        loop = asyncio.get_running_loop()
        async for _ in every(COMMAND_EVERY_S, self.stop):
            with self.trouble.noting("family"):
                told = self.family.take()
                if told:
                    changed = await loop.run_in_executor(self._readers, self.family.merge, told)
                    if changed:
                        self.reload()
                    for order in self.family.adopted():
                        self.outbox.add(order)
                if self.family.has_listeners:
                    now_ms = self.clock.now_ms()
                    self.family.tell_orders(
                        await loop.run_in_executor(self._readers, self.registry.sharing.open_orders, now_ms)
                    )
                if self.family.is_due:
                    self.family.step(await loop.run_in_executor(self._readers, self.registry.sharing.entries))
                    self.link.flush()

    async def _renew_certificate(self) -> None:
        """Also when the machine gets another address. New connections use it, others go on."""
        loop = asyncio.get_running_loop()
        async for _ in every(CERTIFICATE_EVERY_S, self.stop):
            if self.tls is not None:
                await loop.run_in_executor(self._readers, self.tls.renew)

    async def _watch_registry(self) -> None:
        async for _ in every(REGISTRY_EVERY_S, self.stop):
            with self.trouble.noting("registry"):
                if self.registry.version() != self._registry_version:
                    self.reload()
                elif self.clock.now_ms() >= self._judge_ms:
                    self._judge_devices()

    def reload(self) -> None:
        """Somebody changed the registry: first who may send, then who may come in and who must go. On the loop."""
        self.feed.tell_units(self._load_registry())
        self.outbox.look()
        self._refresh_door()

    def _refresh_door(self) -> None:
        if self.door is not None and self.broker.child is not None:
            with self.trouble.noting("devices"):
                self.door.refresh(self.broker.child, (self.broker.host, self.broker.port))

    async def _watch_door(self) -> None:
        """The server's certificate is issued anew in time, and when this machine's addresses changed."""
        async for _ in every(DOOR_EVERY_S, self.stop):
            self._refresh_door()

    def _load_registry(self) -> list[int]:
        self._registry_version = self.registry.version()
        self.keys.replace(self.registry.devices.epochs(), self.registry.devices.all_epochs())
        self._judges = self.registry.trust.devices_with_identity()
        self._judge_devices()
        return self.units.load(self.registry.units(), self.registry.bindings())

    def _judge_devices(self) -> None:
        """Who may not send: told by the registry, and by the time that passes."""
        now_ms = self.clock.now_ms()
        self._judge_ms = now_ms + JUDGE_EVERY_MS
        devices = self.registry.devices
        expired = dict.fromkeys(devices.expired(now_ms), "expired")
        self.ingest.barred = expired | dict.fromkeys(devices.revoked(), "revoked")
        self.ingest.relays = frozenset(devices.relays())
        self.ingest.hubs = frozenset(devices.hubs())

    # --- saying ------------------------------------------------------------------------------------------

    def link_state(self) -> dict[str, object]:
        """The feed's `link`."""
        now_ms = self.clock.now_ms()
        return {
            "broker": self.link.connected,
            "t_broker": self.link.since_ms,
            "t_heard": self.link.heard_ms // HEARD_STEP_MS * HEARD_STEP_MS,
            "silent": self.units.silent(now_ms),
            "refused": self.counters.refused_last_minute(now_ms),
            "fault": self.pipeline.fault,
            "clock_offset_ms": self.clock.offset_ms,
        }

    def health(self) -> Health:
        """Why the hub is not well, and what else a person should know."""
        reasons, notes = [], []
        if not self.link.connected and self.clock.now_ms() - self.link.since_ms > BROKER_GRACE_MS:
            reasons.append(f"broker: not connected to {self.broker.host}:{self.broker.port}")
        if self.pipeline.fault:
            reasons.append(f"store: nothing is acknowledged: {self.pipeline.fault}")
        if self.clock.suspect:
            reasons.append(f"clock: GNSS devices say the hub is {self.clock.offset_ms / 1000:.0f} s behind")
        reasons += [f"{part}: {words}" for part, words in self.trouble.words.items()]
        if self.passer is not None:
            notes += self.passer.notes()
        notes += self.log.damage
        notes += [note for part in self.parts for note in part.notes()]
        if self.disk.space.share >= WARN_AT:
            notes.append(f"disk: {self.disk.space.share:.0%} of the budget is used")
        if self.broker.demonstration:
            notes.append("broker: embedded amqtt, for demonstration only")
        return Health(reasons, notes)

    def gauges(self) -> dict[str, float]:
        """Numbers that go up and down, for /metrics."""
        now_ms = self.clock.now_ms()
        return {
            "units": len(self.units.rows) - len(self.ingest.reported),
            "units_reported": len(self.ingest.reported),
            "units_silent": self.units.silent(now_ms),
            "viewers": len(self.feed.viewers),
            "notices_open": len(self.watch.open()),
            "broker_connected": float(self.link.connected),
            "broker_denied": self.broker_log.denied if self.broker_log else 0,
            "broker_tls_refused": self.broker_log.refused if self.broker_log else 0,
            "orders_sent_messages": self.outbox.sent,
            "orders_receipts": self.outbox.receipts,
            "orders_receipts_strange": self.outbox.strange_receipts,
            "contact_limits_moved": self.contact.told,
            "track_outliers": self.ingest.tracks.outliers_in_all(),
            "track_units_outlying": self.ingest.tracks.outlying(),
            "track_replays": self.ingest.tracks.replayed,
            "track_late_dropped": self.ingest.tracks.late_dropped,
            "inbox_dropped_messages": self.inbox.dropped,
            "clock_offset_ms": self.clock.offset_ms,
            **(self.passer.gauges() if self.passer is not None else {}),
            **{name: value for part in self.parts for name, value in part.gauges().items()},
            "disk_used_bytes": self.disk.space.used,
            "disk_budget_bytes": self.disk.space.budget,
            "disk_free_bytes": self.disk.space.free,
        }

"""The agent: one loop over one table of workers, from serial bytes to frames and back.

Enters: a `Config`. Leaves: when it is told to stop. This is the program file: it alone wires the real clock,
randomness, signals and sockets to the parts, which take them as arguments. Called by `edge.cli`.
"""

import logging
import os
import random
import secrets
import select
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from types import FrameType
from typing import TYPE_CHECKING

from edge import identity
from edge.apart_worker import Worker, make_worker
from edge.bearers.datagram import DatagramBearer
from edge.bearers.interface import Bearer
from edge.bearers.mqtt import MqttBearer
from edge.bearers.table import Ends, make_datagrams, make_narrow
from edge.clock import BootClock
from edge.config import Config, key_files, read_code, read_key
from edge.control import Control
from edge.down import Down
from edge.flow import Flow
from edge.guard.guard import TICK_MS
from edge.health import Health, battery_pct
from edge.links import Links, of_flow
from edge.narrow_sender import NarrowSender, Way
from edge.ntrip import Ntrip
from edge.observed import Observations
from edge.overlay import Overlay
from edge.pace import Pace
from edge.pins import Pins
from edge.relay import EVERYBODY, End, Relay
from edge.renew import Renewer
from edge.scheduler import DEADLINES_MS
from edge.sender import Sender, Where
from edge.spool import Spool, SpoolRow
from edge.team import Team
from edge.trust import Trust
from edge.wearer import Wearer
from firmware_bridge.interface import Clock, Command, Play, Show
from protocols import acks, brief, datagram
from protocols.catalog import PAGE_BITS, BearerState, ClockSource, EventCode, Kind, Stream, field_id
from protocols.datagram import Datagram
from protocols.errors import AckError, OrderError
from protocols.frame import Row
from protocols.keys import MacKey
from protocols.orders import What
from protocols.samples import Fix, FixMode, Heard, Observed, Reading, Sample
from protocols.team import open_ask, pack_ask
from protocols.units import NS_PER_MS
from protocols.wearer import Pattern

if TYPE_CHECKING:
    from edge.team_page import TeamPage

log = logging.getLogger("zhantu.edge")

SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})
"""Held back from the end of one agent until the next one can take them."""
IDLE_S = 0.1
"""The longest sleep of the loop: drivers close an epoch by silence, and timers are checked."""
BATTERY = field_id("battery_pct")
ROLL_CALL_MS = 60_000
"""Questions of one relay that come closer together are repeats of one roll-call."""
RELAYS_MAX = 16


@dataclass(slots=True)
class _Timer:
    """One line of the agent's table of what is done how often."""

    work: Callable[[int], None]
    every_ns: int
    due_ns: int


class Agent:
    """A gateway's program. `run()` returns after `stop()` or a signal, or to begin anew with other settings."""

    def __init__(self, config: Config, overlay: Overlay | None = None) -> None:
        start_ns = time.monotonic_ns()
        self._config = config
        self._stopping = False
        self.wants_again = False
        self._mac_key = MacKey(read_key(config.device.key_file), config.device.realm)
        self._clock = BootClock(start_ns)
        self._spool = Spool(config.spool.path, secrets.randbits(63), config.spool.mib_max * 2**20)
        self._sender = Sender(
            self._spool, self._mac_key, config.device.number, live_ms=round(config.pace.live_s * 1000)
        )
        found, rng = config.identity, random.Random(secrets.randbits(64))
        self._trust = Trust(
            config.device.identity and config.device.identity.with_name(identity.COMMANDERS),
            bytes.fromhex(found.signer) if found else None, config.device.realm, self._mac_key,
            {
                What.SEEN: lambda body, t_mono_ns: self._wearer.seen(body, self._clock.mono_ms(t_mono_ns)),
                What.TEAM: lambda body, _t_mono_ns: self._team.name(body),
                What.ORDER: lambda body, t_mono_ns: self._down.takes[What.ORDER](body, t_mono_ns),
                What.BRIEF: lambda body, t_mono_ns: self._down.takes[What.BRIEF](body, t_mono_ns),
            },
            lambda: self._wearer.forged(),
        )  # fmt: skip
        self._renewer = Renewer(config, rng, lambda _new: self._mqtt.reconnect())
        self._mqtt = MqttBearer(
            config.mqtt,
            config.device.realm,
            config.device.number,
            on_ack=self._on_mqtt_ack,
            on_order=self._on_order,
            rng=rng,
            on_back=(lambda data: self._relay.on_back(data)) if config.relay.on else None,
        )
        self._datagrams: list[DatagramBearer] = make_datagrams(
            config,
            self._mac_key,
            lambda i: Ends(lambda data: self._on_datagram_ack(data, i), self._on_order, self._on_ask),
            rng,
        )
        self._bearers: list[MqttBearer | DatagramBearer] = [self._mqtt, *self._datagrams]
        for bearer in self._bearers:
            self._sender.attach(bearer)
        self._links = Links()
        self._pace = Pace(self._clock, round(config.pace.row_s * 1000))
        self._wearer = Wearer(
            config, secrets.randbits(48), lambda row: self._keep(Stream.EVENTS, Kind.EVENT, row), self._tell,
            self._where, lambda order, code, t_ms: self._down.desk.answered(order, code, t_ms),
        )  # fmt: skip
        self._down = Down(
            config, overlay or Overlay(config.path), self._trust, self._wearer, self._clock, self._utc_ms,
            lambda row: self._keep(Stream.EVENTS, Kind.TEXT, row), self._begin_again,
        )  # fmt: skip
        self._disk_refuses = False
        self._observed = Observations(round(config.pace.observed_s * 1000))
        self._health_values: dict[int, int] = {}
        self._pins = Pins(config.spool.path.with_name(f"{config.spool.path.stem}.ports.json"))
        self._ports = [
            make_worker(port, self._on_sample, config.device.number, self._pins) for port in config.ports
        ]
        self._narrow = NarrowSender(
            self._sender, self._mac_key, config.device.number, make_narrow(config, self._ports)
        )
        self._team = Team(
            config.spool.path.with_name(f"{config.spool.path.stem}.team.bin"),
            lambda t_ms: None if (zero := self._clock.utc_zero_ms) is None else zero + t_ms,
            self._on_team_alarm,
        )
        self._team_page = team_page(config)
        self._asked: dict[int, int] = {}
        self._relay = Relay(
            config.relay, config.device.number, self._mqtt.pass_on, self._narrow_back, self._narrow.carried.append,
            lambda data: self._team.hear(data, self._clock.mono_ms(time.monotonic_ns())),
        )  # fmt: skip
        self._ntrip = Ntrip(config.ntrip, self._correct, rng)
        self._control = Control(config.spool.path.with_suffix(".sock"), self._answer)
        self._health = Health(config.spool.path)
        self._notify = Notifier(os.environ.get("NOTIFY_SOCKET"))
        self._link = BearerState.DOWN
        self._acks_bad = 0
        self._timers = [
            _Timer(self._commit, round(config.spool.commit_s * 1e9), start_ns),
            _Timer(self._report, round(config.pace.health_s * 1e9), start_ns),
            _Timer(self._watch_spool, 30 * 10**9, start_ns),
            _Timer(self._notify.watchdog, 5 * 10**9, start_ns),
            _Timer(self._renew, 5 * 10**9, start_ns),
            _Timer(self._tell_observed, 10**9, start_ns),
            _Timer(self._tell_links, 10**9, start_ns),
            _Timer(self._tell_team, 10**9, start_ns),
            _Timer(self._tell_time, 10 * 10**9, start_ns),
            _Timer(self._guard, TICK_MS * NS_PER_MS, start_ns),
            _Timer(self._watch_orders, 10**9, start_ns),
        ]

    # --- the loop ----------------------------------------------------------------------------------

    def stop(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """End the loop after this turn; a handler of signals too."""
        self._stopping, self.wants_again = True, False

    def run(self) -> None:
        """Read, send and keep until stopped. The spool is committed on the way out."""
        self._spool.open()
        if self._spool.stats.quarantined:
            log.error(
                "spool was damaged and is set aside as %s; %s rows were saved", self._spool.stats.quarantined,
                self._spool.stats.salvaged_rows,
            )  # fmt: skip
        if self._spool.stats.memory_only:
            log.error(
                "the disk refuses the spool (%s): rows are kept in memory only", self._spool.stats.memory_only
            )
        for path in identity.exposed(key_files(self._config)):
            log.warning("%s: everybody on this machine can read this key; chmod 600 it", path)
        self._trust.load()
        self._pins.load()
        self._team.load()
        self._wearer.load(round(time.time() * 1000))
        self._sender.start()
        self._down.load(time.monotonic_ns())
        self._control.open()
        self._ntrip.start()
        log.info(
            "device %s, boot %016x, %s rows wait", self._config.device.number, self._spool.boot,
            self._sender.waiting_rows(),
        )  # fmt: skip
        self._notify.ready()
        try:
            while not self._stopping:
                self._turn()
        finally:
            self._ntrip.close()
            self._renewer.close()
            for worker in (
                *self._bearers,
                *self._ports,
                self._relay,
                *([self._team_page] if self._team_page else []),
            ):
                worker.close()
            self._control.close()
            self._wearer.close(round(time.time() * 1000))
            self._spool.close()

    def _turn(self) -> None:
        """One turn: wait, read what came, do what is due, send what may go."""
        self._wait()
        now_ns = time.monotonic_ns()
        for port in self._ports:
            port.maintain(now_ns)
        for bearer in self._bearers:
            bearer.maintain(now_ns / 1e9)
        row = self._pace.idle(now_ns)
        if row is not None:
            self._keep(Stream.ROWS, Kind.STATE, row)
        for timer in self._timers:
            if now_ns >= timer.due_ns:
                timer.due_ns = now_ns + timer.every_ns
                timer.work(now_ns)
        self._relay.maintain(now_ns / 1e9)
        self._note_link()
        self._sender.pump(self._clock.mono_ms(now_ns))
        self._pump_narrow(self._clock.mono_ms(now_ns))
        self._relay.pump()

    def _pump_narrow(self, now_ms: int) -> None:
        """Take what came by radio and BeiDou, and send what must go there."""
        for way in self._narrow.ways:
            for number, data in way.bearer.taken():
                self._hear_narrow(way, number, data, now_ms)
        self._narrow.pump(now_ms)

    def _hear_narrow(self, way: Way, number: int, data: bytes, now_ms: int) -> None:
        """Everybody hears everything there: what is another's fails at its MAC, and is no news."""
        if data[0] == Datagram.ACK:
            ack = self._opened_ack(data[1:])
            if ack is not None:
                way.heard(now_ms)
                self._take_ack(ack, way.bearer)
        elif data[0] == Datagram.ASK:
            self._on_ask(data[1:])
        elif data[0] == Datagram.ORDER:
            self._trust.hear(data[1:], time.monotonic_ns(), overheard=True)
        elif brief.is_broadcast(data):
            self._down.desk.hear_broadcast(data, time.monotonic_ns())
        else:
            kind = way.bearer.traits.kind
            self._relay.hear(kind, data, End(kind, None, number))

    def _narrow_back(self, end: End, message: bytes) -> None:
        """An answer for somebody behind this relay, by the way on which he was heard; a broadcast by all."""
        for way in self._narrow.ways:
            if end == EVERYBODY:
                way.answer(way.bearer.everybody, message)
            elif way.bearer.traits.kind == end.bearer:
                way.answer(end.number, message)

    def _note_link(self) -> None:
        """The best of all bearers, for the log and for `status`."""
        best = max(bearer.state for bearer in self._bearers)
        if best == self._link:
            return
        self._link = best
        if best in (BearerState.UP, BearerState.DOWN):
            errors = [bearer.stats.last_error for bearer in self._bearers if bearer.stats.last_error]
            log.info("link %s %s", best.name.lower(), "; ".join(errors) if best == BearerState.DOWN else "")

    def _wait(self) -> None:
        """Sleep until a worker's file is ready. The set is built anew each turn: descriptors come and go, and a
        number that was closed and given out again would otherwise be waited for under its old meaning."""
        workers: list[Worker | MqttBearer | DatagramBearer | Relay | Control | Ntrip] = [
            *self._ports, *self._bearers, self._relay, self._control, self._ntrip,
        ]  # fmt: skip
        readers = {fd: worker for worker in workers if (fd := worker.fileno()) is not None}
        writers = {
            fd: bearer
            for bearer in self._bearers
            if bearer.wants_write() and (fd := bearer.fileno()) is not None
        }
        ready, writable, _ = select.select(list(readers), list(writers), [], self._idle_s())
        for fd in ready:
            readers[fd].on_readable()
        for fd in writable:
            writers[fd].on_writable()

    def _idle_s(self) -> float:
        """How long the loop may sleep: until a device's next question is due, IDLE_S at most."""
        due_ns = min((due for port in self._ports if (due := port.due_mono_ns()) is not None), default=None)
        if due_ns is None:
            return IDLE_S
        return min(IDLE_S, max(0.0, (due_ns - time.monotonic_ns()) / 1e9))

    # --- samples, rows, acknowledgements -----------------------------------------------------------

    def _on_sample(self, sample: Sample, t_mono_ns: int) -> None:
        self._wearer.hear(sample, self._clock.mono_ms(t_mono_ns))
        if isinstance(sample, Fix):
            if sample.t_utc_ms is not None and sample.mode > FixMode.DEAD_RECKONED:
                self._clock.hear(ClockSource.GNSS, sample.t_utc_ms, t_mono_ns)
            self._ntrip.note_fix(sample, t_mono_ns)
            if sample.lat_deg_e9 is not None and sample.lon_deg_e9 is not None:
                self._team.own = (sample.lat_deg_e9 // 100, sample.lon_deg_e9 // 100)
        elif isinstance(sample, Observed | Heard):
            self._take_observed(sample, self._clock.mono_ms(t_mono_ns))
            return
        elif isinstance(sample, Reading):
            self._health_values |= {f: v for f, v in sample.values.items() if f // PAGE_BITS == Kind.HEALTH}
        row = self._pace.take(sample, t_mono_ns)
        if row is not None:
            self._keep(Stream.ROWS, Kind.STATE, row)

    def _correct(self, frame: bytes) -> bool:
        """Corrections for the receiver on the port that [ntrip] names."""
        return any(port.send(frame) for port in self._ports if port.name == self._config.ntrip.port)

    def _take_observed(self, sample: Observed | Heard, now_ms: int) -> None:
        if isinstance(sample, Heard):
            row, kind = self._observed.hear(sample, now_ms), Kind.SAID
        else:
            row, kind = self._observed.take(sample, now_ms), Kind.OBSERVED
        if row is not None:
            self._keep(Stream.ROWS, kind, row)

    def _keep(self, stream: Stream, kind: Kind, row: Row) -> SpoolRow:
        kept = self._spool.append(stream, kind, row, self._clock.utc_zero_ms, self._clock.source)
        if stream == Stream.EVENTS:
            self._commit()  # an event is on the disk before it is sent
        self._sender.add(kept)
        self._narrow.add(kept)
        return kept

    def _where(self, row: SpoolRow) -> Where:
        """How far an event has come, by any way."""
        where = self._sender.where(row)
        return Where.FLYING if where == Where.WAITING and self._narrow.has_sent(row) else where

    def _on_order(self, data: bytes) -> None:
        self._trust.hear(data, time.monotonic_ns())

    def _on_mqtt_ack(self, data: bytes) -> None:
        self._on_ack(data, self._mqtt)

    def _on_datagram_ack(self, data: bytes, i: int) -> None:
        if self._on_ack(data, self._datagrams[i]):
            self._datagrams[i].heard(time.monotonic())

    def _on_ack(self, data: bytes, by: Bearer) -> bool:
        """Whether it was the hub's."""
        ack = self._opened_ack(data)
        if ack is None:
            self._acks_bad += 1
            if self._acks_bad == 1:
                log.warning("an acknowledgement that is not the hub's came by %s", by.traits.name)
            return False
        self._take_ack(ack, by)
        return True

    def _opened_ack(self, data: bytes) -> acks.Ack | None:
        try:
            return acks.unpack(data, self._mac_key)
        except AckError:
            return None

    def _take_ack(self, ack: acks.Ack, by: object) -> None:
        now_ns = time.monotonic_ns()
        self._clock.hear(ClockSource.HUB, ack.t_hub_ms, now_ns)
        if ack.boot == self._spool.boot:
            self._down.overlay.heard()
        self._sender.on_ack(ack, self._clock.mono_ms(now_ns), by)

    # --- timers ------------------------------------------------------------------------------------

    def _commit(self, _now_ns: int = 0) -> None:
        self._disk_refuses = not self._spool.commit()
        if self._disk_refuses and self._spool.stats.commit_failures == 1:
            log.error("the disk refuses the spool; rows are kept in memory")

    def _report(self, now_ns: int) -> None:
        charge = battery_pct()
        if charge is not None:
            self._pace.take(Reading({BATTERY: charge}), now_ns)
        row = self._health.row(
            now_ns, self._clock, self._spool, self._sender, self._mqtt.stats.connects,
            sum(not port.status()["open"] for port in self._ports), sum(port.bad() for port in self._ports),
            sum(port.silent(now_ns) for port in self._ports), self._trust.number,
            self._ntrip.health(now_ns) | self._health_values,  # the receiver knows best how old they are
        )  # fmt: skip
        self._health_values = {}
        self._keep(Stream.ROWS, Kind.HEALTH, row)

    def _tell_observed(self, now_ns: int) -> None:
        for row in self._observed.due(self._clock.mono_ms(now_ns)):
            self._keep(Stream.ROWS, Kind.OBSERVED, row)

    def _tell_links(self, now_ns: int) -> None:
        now_ms = self._clock.mono_ms(now_ns)
        waiting = self._sender.waiting_rows()
        flows = self._sender.flows
        states = [of_flow(place, flow, waiting, now_ms) for place, flow in enumerate(flows)]
        states += [way.link(len(flows) + i, waiting, now_ms) for i, way in enumerate(self._narrow.ways)]
        for row in self._links.due(states, now_ms):
            self._keep(Stream.ROWS, Kind.LINK, row)

    # --- the team of a relay -------------------------------------------------------------------------

    def _tell_team(self, now_ns: int) -> None:
        if self._team_page is None:
            return
        now_ms = self._clock.mono_ms(now_ns)
        self._team_page.maintain(now_ns / 1e9)
        while not self._team_page.presses.empty():
            self._team_page.presses.get_nowait()
            self._team.ask(now_ms)
        seq = self._utc_ms(now_ns)
        for mate in self._team.due(now_ms):
            ask = pack_ask(self._config.device.number, seq, mate.ask_key, self._config.device.realm)
            self._relay.say(mate.device, datagram.pack(Datagram.ASK, ask))
        self._team_page.show(self._team.shown(now_ms))

    def _on_team_alarm(self, device: int, code: int) -> None:
        """The vehicle sounds, whether or not a hub hears it."""
        self._tell(Play(Pattern.ORDER))
        self._tell(
            Show(f"{self._team.callsign(device)} {EventCode(code).name if code in set(EventCode) else code}")
        )

    def _on_ask(self, body: bytes) -> None:
        """A roll-call of the vehicle that carries us."""
        try:
            relay, seq = open_ask(body, self._mac_key, self._config.device.realm)
        except OrderError:
            return  # on a radio everybody hears the others' too
        if seq <= self._asked.get(relay, 0):
            return
        if seq - self._asked.get(relay, 0) > ROLL_CALL_MS:
            self._wearer.guard.ask(Pattern.ROLL_CALL, "", self._clock.mono_ms(time.monotonic_ns()))
        if len(self._asked) < RELAYS_MAX or relay in self._asked:
            self._asked[relay] = seq

    def _tell_time(self, now_ns: int) -> None:
        """Boards have no clock of their own to trust."""
        if self._clock.utc_zero_ms is not None:
            self._tell(Clock(self._clock.utc_zero_ms + self._clock.mono_ms(now_ns)))

    def _watch_orders(self, now_ns: int) -> None:
        self._down.tick(now_ns, disk_refuses=self._disk_refuses)

    def _begin_again(self) -> None:
        if not self._stopping:
            self.wants_again = self._stopping = True

    def _guard(self, now_ns: int) -> None:
        self._down.boards(self._ports, now_ns)
        fault = self._disk_refuses or bool(self._spool.fault())
        values = self._wearer.tick(self._clock.mono_ms(now_ns), self._utc_ms(now_ns), fault)
        if values:
            self._pace.take(Reading(values), now_ns)

    def _tell(self, command: Command) -> None:
        """A command for every board there is; other devices do not take it."""
        for port in self._ports:
            port.tell(command)

    def _watch_spool(self, now_ns: int) -> None:
        self._spool.look_for_damage()
        if self._spool.shed():
            log.warning(
                "spool is full or damaged: %s oldest rows dropped, %s damaged so far", self._spool.stats.shed,
                self._spool.stats.damaged_rows,
            )  # fmt: skip
            self._sender.say_gaps(self._clock.mono_ms(now_ns))

    def _renew(self, now_ns: int) -> None:
        self._renewer.maintain(now_ns / 1e9, self._utc_ms(now_ns))

    def _utc_ms(self, now_ns: int) -> int:
        """The best UTC there is: receiver's or hub's, else the machine's own."""
        zero_ms = self._clock.utc_zero_ms
        return round(time.time() * 1000) if zero_ms is None else zero_ms + self._clock.mono_ms(now_ns)

    # --- the local socket --------------------------------------------------------------------------

    def _answer(self, question: str) -> dict[str, object]:
        now_ms = self._clock.mono_ms(time.monotonic_ns())
        if question in ("sos", "cancel"):
            kept = self._wearer.sos(now_ms) if question == "sos" else self._wearer.cancel(now_ms)
            if kept is None:
                return {"error": "no SOS is open"}
            return {"row": kept.row, "sent": self._link == BearerState.UP}
        if question.startswith("duty "):
            error = self._wearer.set_duty(question[5:], now_ms)
            return {"error": error} if error else self._wearer.guard.status(now_ms)
        if question == "guard":
            return self._wearer.guard.status(now_ms)
        answer = self._down.answer(question, time.monotonic_ns())
        if answer is not None:
            return answer | {"sent": self._link == BearerState.UP}
        if question != "status":
            known = "status, sos, cancel, guard, duty STATE, orders, answer SEQ WORD, say TEXT"
            return {"error": f"{question[:40]!r}; known are {known}"}
        return self._status()

    def _status(self) -> dict[str, object]:
        held = self._renewer.identity
        return {
            "device": self._config.device.number,
            "boot": f"{self._spool.boot:016x}",
            "certificate_until": held.until(self._utc_ms(time.monotonic_ns()))
            if held and held.mqtt_tls
            else None,
            "trust": self._trust.status(),
            **self._down.status(),
            "link": self._link.name.lower(),
            "utc_known": self._clock.source.name.lower(),
            "waiting_rows": self._sender.waiting_rows(),
            "bad_acknowledgements": self._acks_bad,
            "ports": {port.name: port.status() for port in self._ports},
            "corrections": self._ntrip.status(time.monotonic_ns()),
            "bearer": asdict(self._mqtt.stats),
            "bearers": {flow.bearer.traits.name: self._bearer_status(flow) for flow in self._sender.flows}
            | {way.bearer.traits.name: self._way_status(way) for way in self._narrow.ways},
            "relay": self._relay.status(),
            "sender": asdict(self._sender.stats),
            "spool": asdict(self._spool.stats),
        }

    def _bearer_status(self, flow: Flow) -> dict[str, object]:
        now_ms = self._clock.mono_ms(time.monotonic_ns())
        state = of_flow(0, flow, self._sender.waiting_rows(), now_ms)._asdict()
        lanes = [lane.name.lower() for lane in DEADLINES_MS if self._sender.scheduler.chosen(lane) is flow]
        told = {
            key: state[key] for key in ("loss_permille", "delay_ms", "ok_age_s", "sent_frames", "sent_bytes")
        }
        return {
            "kind": flow.bearer.traits.kind.name.lower(),
            "state": flow.bearer.state.name.lower(),
            "lanes": lanes,
            "rate_bps": flow.rate_bps and round(flow.rate_bps),
            **told,
            **asdict(flow.bearer.stats),
        }

    def _way_status(self, way: Way) -> dict[str, object]:
        now_ms = self._clock.mono_ms(time.monotonic_ns())
        link = way.link(0, self._sender.waiting_rows(), now_ms)._asdict()
        told = {
            key: link[key] for key in ("delay_ms", "ok_age_s", "sent_frames", "sent_bytes", "duty_permille")
        }
        kind, state = way.bearer.traits.kind.name.lower(), way.bearer.state.name.lower()
        return {"kind": kind, "state": state, **told, **asdict(way.bearer.stats)}


def team_page(config: Config) -> "TeamPage | None":
    """The web server's library is loaded only where there is a page."""
    if not config.team.on:
        return None
    from edge.team_page import TeamPage

    return TeamPage(config.team, read_code(config.team.code_file))


class Notifier:
    """Tells systemd that the agent is ready and alive. **Source:** sd_notify(3)."""

    def __init__(self, address: str | None) -> None:
        self._address = address

    def _send(self, text: bytes) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            try:
                line.sendto(text, self._address.replace("@", "\0", 1))
            except OSError:
                return  # systemd will restart us if it does not hear from us

    def ready(self) -> None:
        self._send(b"READY=1")

    def watchdog(self, _now_ns: int) -> None:
        self._send(b"WATCHDOG=1")


def run(config: Config, overlay: Overlay | None = None) -> bool:
    """Run an agent until SIGTERM or SIGINT. Whether another one is to be run at once, with other settings."""
    agent = Agent(config, overlay)
    for number in SIGNALS:
        signal.signal(number, agent.stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    agent.run()
    if agent.wants_again:
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    return agent.wants_again

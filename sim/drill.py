"""A drill in motion: one clock, one heap of what happens next, and every unit of the scenario.

Enters: a `Scenario`, the UTC of its start, keys, acknowledgements. Leaves: `Frame`s of light units to publish
and `AgentState`s and `AgentAct`s for the emulated devices of agent units. Pure: `advance(t_ms)` plays everything due
until then. Callers: `sim.run` against a real broker and clock, `digest` against none.
"""

import hashlib
import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from protocols import acks, frame
from protocols.catalog import PAGE_BITS, EventCode, EventPhase, Lane, field_id
from protocols.keys import MAC_BYTES, MacKey
from protocols.samples import Fix, FixMode
from sim.light import LightUnit
from sim.scenario import Event, Scenario, Unit
from sim.world import Body, State, generator, measure

STEP_MS = 1_000
"""Each unit measures once a second, at its own phase, so that the load is even."""
MAN_DOWN_MS = 30_000
"""A light unit has no guard: this long after its wearer went down it raises what a gateway's own rule would raise."""

KeyOf = Callable[[int], MacKey]
_EVENT_BIT = {
    name: field_id(name) % PAGE_BITS
    for name in (
        *("event_code", "event_id", "event_phase", "event_lat_deg_e7", "event_lon_deg_e7"),
        *("event_alt_dm", "event_fix_age_s"),
    )
}


class Frame(NamedTuple):
    """A light unit's frame, to be published on its device's lane."""

    device: int
    lane: Lane
    data: bytes


class AgentState(NamedTuple):
    """How an agent unit is now, for its emulated devices; `fix` is what a receiver makes of it."""

    device: int
    fix: Fix
    state: State


class AgentAct(NamedTuple):
    """What an agent unit's wearer does: an `Event.what` that its board has to feel."""

    device: int
    what: str


@dataclass(slots=True)
class _Actor:
    """A unit with its body, its sender when it is light, and whether its own network is up."""

    unit: Unit
    body: Body
    light: LightUnit | None
    last: State | None = None
    outages: int = 0


@dataclass(order=True, slots=True)
class _Due:
    t_ms: int
    order: int
    actor: _Actor = field(compare=False)
    event: Event | None = field(compare=False, default=None)
    ends: bool = field(compare=False, default=False)


def boot_number(seed: int, callsign: str, start_utc_ms: int) -> int:
    """A light unit's 64-bit boot: from the seed and the start, so that a second run is a new boot."""
    return generator(seed, callsign, f"boot {start_utc_ms}").getrandbits(64)


class Drill:
    """The scenario from its start on. All times are milliseconds since the start."""

    def __init__(
        self, scenario: Scenario, start_utc_ms: int, key_of: KeyOf, earlier_starts: Sequence[int] = ()
    ) -> None:
        """`earlier_starts`: UTC of earlier runs of this drill, whose boots are declared to hold nothing more."""
        self._start_utc_ms = start_utc_ms
        self._heap: list[_Due] = []
        self._count = 0
        self.actors: dict[int, _Actor] = {}
        for unit in scenario.units:
            light = None
            if unit.fidelity == "light":
                boot, *earlier = (
                    boot_number(scenario.seed, unit.callsign, start)
                    for start in (start_utc_ms, *earlier_starts)
                )
                light = LightUnit(unit.device, key_of(unit.device), boot, start_utc_ms, earlier)
            actor = _Actor(unit, Body(unit, scenario), light)
            self.actors[unit.device] = actor
            # A receiver's solutions fall on whole seconds of UTC, a light unit's anywhere in the second.
            whole = -start_utc_ms % STEP_MS
            phase = generator(scenario.seed, unit.callsign, "phase").randrange(STEP_MS) if light else whole
            self._push(phase, actor)
        by_callsign = {actor.unit.callsign: actor for actor in self.actors.values()}
        for event in scenario.events:
            self._push(round(event.at_s * 1_000), by_callsign[event.unit], event)

    def _push(self, t_ms: int, actor: _Actor, event: Event | None = None, ends: bool = False) -> None:
        heapq.heappush(self._heap, _Due(t_ms, self._count, actor, event, ends))
        self._count += 1

    def next_ms(self) -> int:
        """When the next thing happens."""
        return self._heap[0].t_ms

    def advance(self, t_ms: int, link_up: bool = True) -> Iterator[Frame | AgentState | AgentAct]:
        """Plays everything due at `t_ms` or before. `link_up` is the connection that light units share."""
        while self._heap and self._heap[0].t_ms <= t_ms:
            due = heapq.heappop(self._heap)
            if due.event is not None:
                yield from self._happen(due, due.event)
            else:
                yield from self._step(due)
            yield from self._send(due.actor, due.t_ms, link_up)

    def _happen(self, due: _Due, event: Event) -> Iterator[AgentAct]:
        actor, light = due.actor, due.actor.light
        if event.what == "man_down":
            actor.body.lie_down()
        if light is None:
            yield AgentAct(actor.unit.device, event.what)
        elif event.what == "sos":
            light.add_event(due.t_ms, _alarm(EventCode.SOS, due, actor.last, self._start_utc_ms))
        elif event.what == "man_down":
            if due.ends:
                light.add_event(due.t_ms, _alarm(EventCode.MAN_DOWN, due, actor.last, self._start_utc_ms))
            else:
                self._push(due.t_ms + MAN_DOWN_MS, actor, event, ends=True)
        elif due.ends:
            actor.outages -= 1
        else:
            actor.outages += 1
            light.link_lost()
            self._push(due.t_ms + round(event.for_s * 1_000), actor, event, ends=True)

    def _step(self, due: _Due) -> Iterator[AgentState]:
        actor = due.actor
        actor.last = actor.body.advance(STEP_MS / 1_000)
        if actor.light is None:
            fix = _fix(actor.last, self._start_utc_ms + due.t_ms)
            yield AgentState(actor.unit.device, fix, actor.last)
        else:
            actor.light.add_row(due.t_ms, measure(actor.last))
        self._push(due.t_ms + STEP_MS, actor)

    def _send(self, actor: _Actor, t_ms: int, link_up: bool) -> Iterator[Frame]:
        if actor.light is not None and link_up and not actor.outages:
            for lane, data in actor.light.outgoing(t_ms):
                yield Frame(actor.unit.device, lane, data)

    def link_lost(self) -> None:
        """The shared connection broke: what is in flight is sent again once it is back."""
        for actor in self.actors.values():
            if actor.light is not None:
                actor.light.link_lost()

    def on_ack(self, device: int, data: bytes) -> None:
        """An acknowledgement came for a device. AckError when it is not the hub's. A unit that is cut off
        does not hear it."""
        actor = self.actors.get(device)
        if actor is not None and actor.light is not None and not actor.outages:
            actor.light.on_ack(data)

    def waiting(self) -> int:
        """Rows of light units that are not acknowledged yet."""
        return sum(actor.light.waiting() for actor in self.actors.values() if actor.light is not None)


def _alarm(code: EventCode, due: _Due, last: State | None, start_utc_ms: int) -> dict[int, int]:
    """The values of an alarm's row: what, where last known, how old that is."""
    values = {
        "event_code": int(code),
        # Unique for a device over its boots: UTC ms with room for what happens in the same millisecond.
        "event_id": (start_utc_ms + due.t_ms) << 8 | due.order & 0xFF,
        "event_phase": int(EventPhase.RAISED),
    }
    if last is not None:
        values["event_lat_deg_e7"] = round(last.lat_deg * 1e7)
        values["event_lon_deg_e7"] = round(last.lon_deg * 1e7)
        values["event_alt_dm"] = round(last.alt_m * 10)
        values["event_fix_age_s"] = 0
    return {_EVENT_BIT[name]: value for name, value in values.items()}


def _fix(state: State, t_utc_ms: int) -> Fix:
    """What a receiver would say of a state."""
    return Fix(
        t_utc_ms=t_utc_ms,
        mode=FixMode.FIX_3D,
        lat_deg_e9=round(state.lat_deg * 1e9),
        lon_deg_e9=round(state.lon_deg * 1e9),
        alt_mm=round(state.alt_m * 1_000),
        speed_mmps=round(state.speed_mps * 1_000),
        course_cdeg=round(state.course_deg * 100) % 36_000,
        hacc_mm=round(state.hacc_m * 1_000),
        sats_used=state.sats_used,
        sats_seen=state.sats_used + 4,
        hdop_e2=80,
    )


def digest(scenario: Scenario, seconds: int, start_utc_ms: int = 0) -> str:
    """SHA-256 over all light units' frames before their MACs, with a hub that acknowledges everything at
    once.

    The same scenario, seed, start and length give the same digest on every machine and run.
    """
    key = MacKey(bytes(32), "digest")
    drill = Drill(scenario, start_utc_ms, lambda _device: key)
    sha = hashlib.sha256()
    for outgoing in drill.advance(seconds * 1_000):
        if not isinstance(outgoing, Frame):
            continue
        sha.update(outgoing.data[:-MAC_BYTES])
        envelope = frame.open_envelope(outgoing.data, key)
        if envelope.n:
            span = ((envelope.row, envelope.row + envelope.n - 1),)
            ack = acks.Ack(0, envelope.boot, envelope.stream, 0, span)
            drill.on_ack(outgoing.device, acks.pack(ack, key))
    return sha.hexdigest()

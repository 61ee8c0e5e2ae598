"""The team as its vehicle hears it: positions, air, gas and alarms of those behind the relay, with the age of each.

Enters: frames that the relay carries, the team that the hub named, the time. Leaves: what the local page shows. Pure.
Callers: `edge.agent`, `edge.team_page`. Nothing here is proven: a vehicle has no keys of others, so whoever can speak
in its LAN can make an alarm appear. One too many is shown rather than one too few, and the page says so.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import atan2, cos, degrees, hypot, radians
from pathlib import Path

from edge import identity
from protocols import opening
from protocols.catalog import (
    FIELDS_BY_NAME,
    GAS_FIELDS,
    HAPPENINGS_FROM,
    Duty,
    EventCode,
    EventPhase,
    Kind,
    page_fields,
)
from protocols.errors import FrameError, OrderError
from protocols.frame import Frame
from protocols.team import MATES_MAX, Mate, open_team
from protocols.units import METRES_PER_DEG_LAT

HEARD_MAX = 2 * MATES_MAX
ALARMS_MAX = 16
ALARM_FORGET_MS = 12 * 3_600_000
ASK_MS, ASK_AGAIN_MS = 50_000, 10_000
"""Shorter than what makes two roll-calls of it at the other end."""
SHOWN = ("air_left_s", "turn_back_s", "scba_kpa", "battery_pct", "floor", "speed_dmps", *GAS_FIELDS)
_CODE, _ID, _PHASE = (FIELDS_BY_NAME[name].bit for name in ("event_code", "event_id", "event_phase"))
_LAT, _LON, _DUTY = (FIELDS_BY_NAME[name].bit for name in ("lat_deg_e7", "lon_deg_e7", "duty"))
_NAMES = {bit: f.name for bit, f in page_fields(Kind.STATE).items() if f.name in SHOWN}
_ENDS = (EventPhase.CLEARED, EventPhase.CANCELLED)


@dataclass(slots=True)
class _Heard:
    """One device. Each value with the time it is of, ms of this gateway's clock."""

    heard_ms: int
    values: dict[int, tuple[int, int]] = field(default_factory=dict)
    place: tuple[int, int, int] | None = None
    alarms: dict[int, tuple[int, int]] = field(default_factory=dict)
    answered_ms: int | None = None


class Team:
    """`utc_ms(t_mono_ms)`: UTC then, None while it is not known. `on_alarm` hears of each that opens."""

    def __init__(
        self,
        path: Path,
        utc_ms: Callable[[int], int | None],
        on_alarm: Callable[[int, int], None] = lambda _device, _code: None,
    ) -> None:
        self._path = path
        self._utc_ms = utc_ms
        self._on_alarm = on_alarm
        self._heard: dict[int, _Heard] = {}
        self._mates: dict[int, Mate] = {}
        self.asked_ms: int | None = None
        self._said_ms: int | None = None
        self.own: tuple[int, int] | None = None

    # --- who belongs to it -------------------------------------------------------------------------

    def load(self) -> None:
        """The team as the hub named it last."""
        try:
            self._mates = {mate.device: mate for mate in open_team(self._path.read_bytes())}
        except (OSError, OrderError):
            self._mates = {}

    def name(self, body: bytes) -> None:
        """A message down of kind TEAM. OrderError when it is not one."""
        self._mates = {mate.device: mate for mate in open_team(body)}
        try:
            identity.write(self._path, body)
        except OSError:
            return  # in memory until the next start

    # --- what is heard -----------------------------------------------------------------------------

    def hear(self, packet: bytes, t_mono_ms: int) -> None:
        """What the relay carries. What cannot be read is left to the hub."""
        try:
            frames = [opening.look(part) for part in opening.parts(packet)]
        except FrameError:
            return
        for frame in frames:
            device = frame.envelope.device
            known = self._heard.pop(device, None) or _Heard(t_mono_ms)
            self._heard[device] = known
            if len(self._heard) > HEARD_MAX:
                del self._heard[next(iter(self._heard))]
            known.heard_ms = t_mono_ms
            if frame.envelope.kind == Kind.EVENT:
                self._hear_events(device, known, frame, t_mono_ms)
            elif frame.envelope.kind == Kind.STATE:
                self._hear_state(known, frame, t_mono_ms)

    def _made_ms(self, frame: Frame, i: int, t_mono_ms: int) -> int:
        """When a row was made, on our clock: by UTC where both know it, else when it came."""
        now_utc_ms = self._utc_ms(t_mono_ms)
        if frame.utc_zero_ms is None or now_utc_ms is None:
            newest = max(frame.t_mono_ms)
            return t_mono_ms - (newest - frame.t_mono_ms[i])
        return min(t_mono_ms, t_mono_ms - (now_utc_ms - frame.utc_zero_ms - frame.t_mono_ms[i]))

    def _hear_state(self, known: _Heard, frame: Frame, t_mono_ms: int) -> None:
        columns = frame.columns
        for i in range(frame.envelope.n):
            made_ms = self._made_ms(frame, i, t_mono_ms)
            for bit, column in columns.items():
                value = column[i]
                if value is not None and made_ms >= known.values.get(bit, (0, -(2**62)))[1]:
                    known.values[bit] = (value, made_ms)
            lat, lon = (columns[bit][i] if bit in columns else None for bit in (_LAT, _LON))
            if lat is not None and lon is not None and (known.place is None or made_ms >= known.place[2]):
                known.place = (lat, lon, made_ms)

    def _hear_events(self, device: int, known: _Heard, frame: Frame, t_mono_ms: int) -> None:
        for i in range(frame.envelope.n):
            code, event, phase = (
                (frame.columns[bit][i] if bit in frame.columns else None) for bit in (_CODE, _ID, _PHASE)
            )
            if code is None:
                continue
            made_ms = self._made_ms(frame, i, t_mono_ms)
            if code == EventCode.ROLL_CALL:
                known.answered_ms = max(known.answered_ms or made_ms, made_ms)
            if code >= HAPPENINGS_FROM or event is None:
                continue
            if phase in _ENDS:
                known.alarms.pop(event, None)
            elif event not in known.alarms and len(known.alarms) < ALARMS_MAX:
                known.alarms[event] = (code, made_ms)
                self._on_alarm(device, code)

    # --- what is shown -----------------------------------------------------------------------------

    def callsign(self, device: int) -> str:
        mate = self._mates.get(device)
        return mate.callsign if mate else str(device)

    def ask(self, t_mono_ms: int) -> None:
        """A roll-call begins."""
        self.asked_ms, self._said_ms = t_mono_ms, None

    def due(self, t_mono_ms: int) -> list[Mate]:
        """Whom to ask now: those who have not answered, each ASK_AGAIN_MS for a minute."""
        if self.asked_ms is None or t_mono_ms - self.asked_ms > ASK_MS:
            return []
        if self._said_ms is not None and t_mono_ms - self._said_ms < ASK_AGAIN_MS:
            return []
        self._said_ms = t_mono_ms
        return [mate for mate in self._mates.values() if not self.answered(mate.device)]

    def answered(self, device: int) -> bool:
        """Whether it has answered the roll-call that runs."""
        known = self._heard.get(device)
        return (
            self.asked_ms is not None
            and known is not None
            and known.answered_ms is not None
            and known.answered_ms >= self.asked_ms - 2_000
        )

    def shown(self, t_mono_ms: int) -> dict[str, object]:
        """For the page: those with an alarm first, then those that were silent longest. Ages in seconds."""
        devices = [*self._mates, *(device for device in self._heard if device not in self._mates)]
        mates = [self._shown_one(device, t_mono_ms) for device in devices]
        mates.sort(
            key=lambda mate: (not mate["alarms"], mate["age_s"] is not None, -int(str(mate["age_s"] or 0)))
        )
        asked_s = None if self.asked_ms is None else (t_mono_ms - self.asked_ms) // 1_000
        return {
            "mates": mates,
            "asked_s": asked_s,
            "answered": sum(self.answered(device) for device in self._mates),
            "of": len(self._mates),
        }

    def _shown_one(self, device: int, t_mono_ms: int) -> dict[str, object]:
        mate, known = self._mates.get(device), self._heard.get(device)
        out: dict[str, object] = {
            "device": device,
            "callsign": mate.callsign if mate else str(device),
            "named": mate is not None,
            "age_s": None if known is None else (t_mono_ms - known.heard_ms) // 1_000,
            "alarms": [],
            "answered": self.answered(device),
        }
        if known is None:
            return out
        out["alarms"] = [
            {"code": _word(code), "age_s": (t_mono_ms - at_ms) // 1_000}
            for code, at_ms in known.alarms.values()
            if t_mono_ms - at_ms < ALARM_FORGET_MS
        ]
        out["values"] = {
            _NAMES[bit]: [value, (t_mono_ms - at_ms) // 1_000]
            for bit, (value, at_ms) in known.values.items()
            if bit in _NAMES
        }
        duty = known.values.get(_DUTY)
        if duty is not None and duty[0] in set(Duty):
            out["duty"] = Duty(duty[0]).name.lower()
        if known.place is not None:
            out["place"] = self._placed(known.place, t_mono_ms)
        return out

    def _placed(self, place: tuple[int, int, int], t_mono_ms: int) -> dict[str, object]:
        lat, lon, at_ms = place
        out: dict[str, object] = {"lat": lat / 1e7, "lon": lon / 1e7, "age_s": (t_mono_ms - at_ms) // 1_000}
        if self.own is not None:
            north_m = (lat - self.own[0]) / 1e7 * METRES_PER_DEG_LAT
            east_m = (lon - self.own[1]) / 1e7 * METRES_PER_DEG_LAT * cos(radians(self.own[0] / 1e7))
            out["m"] = round(hypot(north_m, east_m))
            out["bearing"] = round(degrees(atan2(east_m, north_m))) % 360
        return out


def _word(code: int) -> str:
    return EventCode(code).name.lower() if code in set(EventCode) else str(code)

"""What a vehicle is doing, in the states of GA/T 974.39, out of where it is, how it moves, its task and its pump. Pure.

Enters: what is known now (`Seen`) and the state before. Leaves: the next state with its reasons, or none when nothing
is known that says one. A person's word is not this module's matter (`hub.safety.vehicles`). 30 training is only ever a
person's word.

**Source:** GA/T 974.39, codes of the states of fire vehicles.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from protocols.catalog import Pump


class Code(IntEnum):
    """The states."""

    STANDBY = 10
    TURNED_OUT = 20
    EN_ROUTE = 21
    ON_SCENE = 22
    WATER_ON = 23
    WATER_OFF = 24
    RETURNING = 25
    POSTED = 26
    FETCHING_WATER = 27
    TRAINING = 30


WORDS: dict[int, tuple[str, str]] = {
    Code.STANDBY: ("备勤", "Standby"),
    Code.TURNED_OUT: ("出动", "Turned out"),
    Code.EN_ROUTE: ("途中", "En route"),
    Code.ON_SCENE: ("到场", "On scene"),
    Code.WATER_ON: ("出水", "Water on"),
    Code.WATER_OFF: ("停水", "Water off"),
    Code.RETURNING: ("返队", "Returning"),
    Code.POSTED: ("驻防", "Posted"),
    Code.FETCHING_WATER: ("运水", "Fetching water"),
    Code.TRAINING: ("训练", "Training"),
}
MOVES_MPS = 2.0
"""Slower is standing: smoothed GNSS speed of a parked vehicle is below 1 m/s."""
STANDS_S = 10.0
"""So long without moving is an arrival, not a red light at the scene's edge."""
ARRIVED_M, LEFT_M = 150.0, 400.0
"""Vehicles park along the street: within the first is there, beyond the second is gone."""
TURNING_OUT_M = 200.0
"""As far as this from where the task found it, it has turned out; beyond, it is en route."""
_THERE = frozenset({Code.ON_SCENE, Code.WATER_ON, Code.WATER_OFF})
_AWAY = frozenset({*_THERE, Code.TURNED_OUT, Code.EN_ROUTE, Code.FETCHING_WATER, Code.RETURNING})


class Reason(NamedTuple):
    """One thing that was known. `value` in `unit`."""

    name: str
    zh: str
    en: str
    value: float | int | str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a vehicle now. None: not known.

    speed_mps   of its newest fix
    stood_s     how long it has not moved
    is_stale    it has been silent beyond its limit: nothing new follows
    place       kind of the zone that it is inside of for sure: station, staging, water; "" for none of these
    place_name  what people call that zone
    task        number of its open order with a place, 0 for none
    to_task_m   from there to the task's place
    from_start_m  from where it was when the task was given
    pump        value of `pump`
    """

    speed_mps: float | None = None
    stood_s: float = 0.0
    is_stale: bool = False
    place: str = ""
    place_name: str = ""
    task: int = 0
    to_task_m: float | None = None
    from_start_m: float | None = None
    pump: int | None = None

    @property
    def moves(self) -> bool:
        return self.speed_mps is not None and self.speed_mps >= MOVES_MPS


@dataclass(frozen=True, slots=True)
class Judged:
    """A state with its reasons. `reached` is the number of the task whose place it has reached, 0: none."""

    code: int
    reasons: tuple[Reason, ...]
    reached: int = 0


def judge(seen: Seen, before: Judged | None) -> Judged | None:
    """The state now. Who has been silent too long keeps the state it had, and says so."""
    if seen.is_stale:
        return None if before is None else _kept(before)
    reached = _reached(seen, before)
    made = _water(seen, before, reached) or _task(seen, reached) or _rest(seen, before)
    if made is None:
        return before
    code, reasons = made
    return Judged(code, reasons, reached)


def _kept(before: Judged) -> Judged:
    silent = Reason("silent", "失联前状态", "As it was before it fell silent", "")
    return Judged(before.code, (*(r for r in before.reasons if r.name != "silent"), silent), before.reached)


def _reached(seen: Seen, before: Judged | None) -> int:
    """The task whose place it has reached and not left: arriving takes a stop, leaving a distance."""
    if not seen.task or seen.to_task_m is None:
        return 0
    if before is not None and before.reached == seen.task:
        return seen.task if seen.to_task_m <= LEFT_M or before.code == Code.FETCHING_WATER else 0
    return seen.task if seen.to_task_m <= ARRIVED_M and seen.stood_s >= STANDS_S else 0


def _water(seen: Seen, before: Judged | None, reached: int) -> tuple[int, tuple[Reason, ...]] | None:
    """What the pump says, and who fetches water between its source and the scene."""
    was = None if before is None else before.code
    if seen.pump == Pump.DELIVERING and seen.place != "station":
        return Code.WATER_ON, (Reason("pump", "水泵出水", "The pump delivers", 1), *_where(seen))
    if was == Code.WATER_ON and seen.pump == Pump.STOPPED and not seen.moves:
        return Code.WATER_OFF, (Reason("pump", "水泵已停", "The pump has stopped", 0), *_where(seen))
    if was == Code.WATER_OFF and not seen.moves and before is not None:
        return Code.WATER_OFF, before.reasons
    if not seen.task:
        return None
    began = before is not None and (before.reached == seen.task or was == Code.FETCHING_WATER)
    if began and seen.place == "water":
        return Code.FETCHING_WATER, (
            Reason("place", "在水源", "At a water source", seen.place_name),
            *_where(seen),
        )
    if began and seen.pump == Pump.FILLING:
        return Code.FETCHING_WATER, (Reason("pump", "正在注水", "The tank is filling", 2), *_where(seen))
    far = seen.to_task_m is not None and seen.to_task_m > ARRIVED_M
    if was == Code.FETCHING_WATER and far:
        return Code.FETCHING_WATER, (
            Reason("trip", "在水源与现场之间", "Between water and scene", 1),
            *_where(seen),
        )
    return None


def _task(seen: Seen, reached: int) -> tuple[int, tuple[Reason, ...]] | None:
    """On a task: turned out, en route, there."""
    if not seen.task:
        return None
    if reached:
        return Code.ON_SCENE, _where(seen)
    if (
        seen.place != "station"
        and seen.moves
        and (seen.from_start_m is None or seen.from_start_m > TURNING_OUT_M)
    ):
        return Code.EN_ROUTE, (*_where(seen), *_speed(seen))
    if seen.from_start_m is not None and seen.from_start_m > TURNING_OUT_M and seen.place != "station":
        return Code.EN_ROUTE, (
            *_where(seen),
            Reason("stands", "中途停车", "Stopped on the way", round(seen.stood_s), "s"),
        )
    return Code.TURNED_OUT, _where(seen)


def _rest(seen: Seen, before: Judged | None) -> tuple[int, tuple[Reason, ...]] | None:
    """Without a task: at a station, posted somewhere, or on the way back."""
    no_task = Reason("task", "没有任务", "No task", 0)
    if seen.place == "station":
        return Code.STANDBY, (Reason("place", "在站点内", "At a station", seen.place_name), no_task)
    if seen.place == "staging" and not seen.moves:
        return Code.POSTED, (Reason("place", "在集结点内", "In a staging area", seen.place_name), no_task)
    if before is not None and before.code in _AWAY and seen.moves:
        return Code.RETURNING, (no_task, *_speed(seen))
    return None


def _where(seen: Seen) -> tuple[Reason, ...]:
    made = [Reason("task", "任务", "Task", seen.task)] if seen.task else []
    if seen.to_task_m is not None:
        made.append(Reason("to_task", "距任务地点", "From the task's place", round(seen.to_task_m), "m"))
    return tuple(made)


def _speed(seen: Seen) -> tuple[Reason, ...]:
    return (
        () if seen.speed_mps is None else (Reason("speed", "速度", "Speed", round(seen.speed_mps, 1), "m/s"),)
    )

"""All rules at once: a scene in, what stands out. The hub's second and a dry run's second are this one function.

Enters: rules, a scene a second. Leaves: `Told`s by key; the key of a condition is "rules:RULE:SUBJECT". Pure.
Callers: `hub.safety.rules` (live), `hub.safety.rule_trial` (over the log).
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hub.safety.condition import Condition
from hub.safety.kinds import KINDS
from hub.safety.rule_kinds import Rule
from hub.safety.rule_places import ProximityWatch
from hub.safety.rule_scene import Scene
from hub.safety.rule_values import (
    AbsenceWatch,
    BatteryWatch,
    LostWatch,
    OverdueWatch,
    RateWatch,
    SensorFaultWatch,
    ThresholdWatch,
)
from hub.safety.rule_watch import Said, Watch
from hub.safety.rule_zones import CapabilityWatch, ZoneWatch

log = logging.getLogger(__name__)
SOURCE = "rules"
WATCHES: dict[str, type[Watch[Any, Any]]] = {
    "threshold": ThresholdWatch, "rate": RateWatch, "absence": AbsenceWatch, "zone": ZoneWatch,
    "proximity": ProximityWatch, "overdue": OverdueWatch, "lost": LostWatch, "battery": BatteryWatch,
    "sensor_fault": SensorFaultWatch, "capability": CapabilityWatch,
}  # fmt: skip
TOLD_MAX = 2_000
"""Subjects of one rule that are told at once; beyond it further ones are counted in `left_out`."""
WORDS_MS = 10_000
"""An alarm's words and numbers are made anew so often while it stands: each change goes to all screens and the disk."""
TEXT_MAX = 200


@dataclass(slots=True)
class Told:
    """One condition that stands. `value`: of when it began; `over`: it stands only for its off-delay."""

    condition: Condition
    subject: Any
    slots: tuple[int, ...]
    value: float | None
    words_ms: int
    over: bool = False


class Watched:
    """One rule with its watch and what it told last."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.watch = WATCHES[rule.kind](rule)
        self.told: dict[Any, Told] = {}
        self.left_out = 0
        self.fault = ""

    def step(self, scene: Scene, minute: int) -> Iterable[Told]:
        """What stands. `minute`: of the day, where the rules' times of day are told. A fault in one rule ends neither
        the hub nor the other rules, nor what it told: nobody stops being in danger by it."""
        try:
            standing = self.watch.step(scene)
            self._tell_all(scene, standing if speaks(self.rule.hours, minute) else ())
        except Exception as err:
            if not self.fault:
                log.exception("rule %s", self.rule.id)
            self.fault = f"a fault of the program: {type(err).__name__}: {err}"[:TEXT_MAX]
        else:
            self.fault = ""
        return self.told.values()

    @property
    def trouble(self) -> str:
        return self.fault or self.watch.trouble

    def _tell_all(self, scene: Scene, standing: Sequence[Any]) -> None:
        """All of it or, when it fails, nothing new: what stood goes on standing."""
        told = {}
        for subject in standing[:TOLD_MAX]:
            known = self.told.get(subject)
            over = self.watch.is_over(subject)
            if known is None or (scene.now_ms - known.words_ms >= WORDS_MS and not over):
                known = self._tell(scene, subject, known)
            known.over = over
            told[subject] = known
        self.told, self.left_out = told, max(0, len(standing) - TOLD_MAX)

    def _tell(self, scene: Scene, subject: Any, before: Told | None) -> Told:
        said = self.watch.say(scene, subject)
        key = f"{SOURCE}:{self.rule.id}:{self.watch.key(scene, subject)}"
        value = said.value if before is None else before.value
        return Told(condition_of(self.rule, scene, key, said), subject, said.slots, value, scene.now_ms)

    def seed(self, scene: Scene, key: str) -> None:
        """It stood: `key` without source and rule."""
        self.watch.seed(scene, key)


def condition_of(rule: Rule, scene: Scene, key: str, said: Said) -> Condition:
    """What is told of one subject."""
    about = KINDS[said.kind or rule.alarm_kind]
    lat_deg, lon_deg = (scene.place_of(said.slots[0]) if said.slots else None) or (None, None)
    joins = f"{said.slots[0]}:{said.joins}" if said.joins and said.slots else ""
    zh, en = rule.zh or about.zh, rule.en or about.en
    return Condition(
        key, said.kind or rule.alarm_kind, rule.rank, tuple(scene.units.rows[slot].id for slot in said.slots),
        f"{zh}：{said.zh}"[:TEXT_MAX], f"{en}: {said.en}"[:TEXT_MAX], said.why, f"{SOURCE}:{rule.id}", joins,
        rule.advice_zh, rule.advice_en, lat_deg, lon_deg, private=rule.is_private,
    )  # fmt: skip


def speaks(hours: Sequence[str], minute: int) -> bool:
    """Whether a rule speaks at this minute of the day; from 22:00 until 06:00 goes over midnight."""
    if not hours:
        return True
    start, end = (int(one[:2]) * 60 + int(one[3:]) for one in hours)
    return start <= minute < end if start <= end else minute >= start or minute < end


class Engine:
    """Rules in their order. `steps`: rules stepped, so that a test can count the work."""

    def __init__(self, rules: Sequence[Rule], offset_min: int = 480) -> None:
        self.offset_min = offset_min
        self.watched = {rule.id: Watched(rule) for rule in rules if rule.enabled}
        self.steps = 0

    def step(self, scene: Scene) -> dict[str, Told]:
        """Everything that stands now, by key."""
        minute = (scene.now_ms // 60_000 + self.offset_min) % 1_440
        found = {}
        for one in self.watched.values():
            self.steps += 1
            for told in one.step(scene, minute):
                found[told.condition.key] = told
        return found

    def put(self, rules: Sequence[Rule], scene: Scene) -> None:
        """Other rules: those that did not change go on, a changed one begins anew and keeps what stands."""
        before, self.watched = self.watched, {}
        for rule in rules:
            if rule.enabled:
                known = before.get(rule.id)
                if known is not None and known.rule == rule:
                    self.watched[rule.id] = known
                    continue
                self.watched[rule.id] = Watched(rule)
                same = known is not None and known.rule.kind == rule.kind
                for told in known.told.values() if known is not None and same else ():
                    self.seed(scene, told.condition.key)

    def seed(self, scene: Scene, key: str) -> None:
        """It stood before the start: "rules:RULE:SUBJECT"."""
        _, id, subject = key.split(":", 2)
        if id in self.watched:
            self.watched[id].seed(scene, subject)

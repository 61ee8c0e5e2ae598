"""Rules about what a unit says, or no longer says: threshold, battery, rate, absence, lost, sensor fault, overdue.

Enters: scenes. Leaves: slots that stand. Pure. Caller: `hub.safety.rule_engine`.

A value speaks at its own time, so a latch is stepped once a sample however often it is looked at, and neither a late
batch nor a slow look counts a silence as time above a limit.
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from hub.live.picture import F64, I64
from hub.safety.condition import Input
from hub.safety.rule_kinds import Absence, Battery, Lost, Overdue, Rate, SensorFault, Threshold, field_of
from hub.safety.rule_latch import Flags
from hub.safety.rule_scene import OUTSIDE, Scene
from hub.safety.rule_watch import Said, SlotWatch, age, gases, known_since, lasting, measured, number

RING = 16
"""Points of a value's past that a rate is taken from: the first of each sixteenth of its window."""
V = TypeVar("V", bound=Threshold | Battery | Rate)


class _Valued(SlotWatch[V]):
    """A latch over a channel's samples."""

    limit: float
    sign: float

    def __init__(self, rule: V) -> None:
        super().__init__(rule)
        above = getattr(rule, "above", None)
        self.sign = -1.0 if above is None else 1.0
        self.limit = above if above is not None else float(rule.below or 0.0)
        self._worse: F64 = np.zeros(0)

    def is_over(self, subject: int) -> bool:
        within = self.sign * self.limit - self.rule.deadband
        return 0 <= subject < len(self._worse) and bool(self._worse[subject] < within)

    def fresh(self, scene: Scene) -> Flags:
        """Whom the rule is about and whose value is young enough to speak."""
        _, times = scene.value(self.rule.channel)
        young: Flags = scene.now_ms - times <= 1000 * self.rule.max_age_s
        return scene.mask(self.rule.who) & young

    def feed(self, scene: Scene, fresh: Flags) -> list[int]:
        """Every new sample to its latch; slots that stand."""
        values, times = scene.value(self.rule.channel)
        self.latches.grow(scene.n)
        self.latches.reset(~fresh)
        slots = np.flatnonzero(fresh & (times != self.latches.last_ms[: scene.n]))
        slots, worse = self.worse(slots, values[slots], times[slots])
        self.latches.step(slots, worse, self.sign * self.limit, self.rule.deadband, times[slots])
        if scene.n > len(self._worse):
            self._worse = np.append(self._worse, np.full(scene.n - len(self._worse), np.inf))
        self._worse[slots] = worse
        found: list[int] = np.flatnonzero(self.latches.stands[: scene.n]).tolist()
        return found

    def worse(self, slots: I64, values: F64, times: F64) -> tuple[I64, F64]:
        """What is judged, and of which slots it is known."""
        return slots, self.sign * values

    def step(self, scene: Scene) -> Sequence[int]:
        return self.feed(scene, self.fresh(scene))

    def say(self, scene: Scene, subject: int) -> Said:
        channel = self.rule.channel
        values, times = scene.value(channel)
        value, about = float(values[subject]), field_of(channel)
        limit = measured(channel, self.limit)
        why = (
            Input(channel, round(value, 4), about.unit, int(times[subject])),
            Input("limit", self.limit, about.unit),
            age(scene, times[subject]),
        )
        zh, en = (
            f"{about.zh} {measured(channel, value)}（限 {limit}）",
            f"{about.en} {measured(channel, value)} (limit {limit})",
        )
        return Said((subject,), zh, en, why, round(value, 4), joins=self.rule.joined_code())


class BatteryWatch(_Valued[Battery]):
    """See the module."""


class ThresholdWatch(_Valued[Threshold]):
    """An old value is a subject of its own, -1 - slot, where the rule asks for it."""

    def step(self, scene: Scene) -> Sequence[int]:
        fresh = self.fresh(scene)
        standing = self.feed(scene, fresh)
        if self.rule.old == "absence":
            _, times = scene.value(self.rule.channel)
            since = known_since(scene, times, self.stood)
            old = scene.now_ms - since > 1000 * self.rule.max_age_s
            standing += (-1 - np.flatnonzero(old & scene.mask(self.rule.who))).tolist()
        return standing

    def key(self, scene: Scene, subject: int) -> str:
        return scene.units.rows[subject].id if subject >= 0 else f"{scene.units.rows[-1 - subject].id}:old"

    def seed(self, scene: Scene, key: str) -> None:
        unit, _, old = key.partition(":")
        slot = scene.units.slot_by_id.get(unit)
        if slot is not None and old:
            self.stood.add(slot)
        elif slot is not None:
            self.latches.seed(slot)

    def say(self, scene: Scene, subject: int) -> Said:
        return (
            super().say(scene, subject) if subject >= 0 else _silence(scene, -1 - subject, self.rule.channel)
        )


def _silence(scene: Scene, slot: int, channel: str) -> Said:
    """A channel, or a unit, of which nothing comes any more."""
    times = scene.value(channel)[1] if channel else scene.heard()
    silent_s = max(0.0, scene.now_ms - times[slot]) / 1000
    zh, en = (field_of(channel).zh, field_of(channel).en) if channel else ("全部数据", "Everything")
    why: tuple[Input, ...] = (age(scene, times[slot]),)
    if channel:
        value = float(scene.value(channel)[0][slot])
        why = (Input(channel, round(value, 4), field_of(channel).unit, int(times[slot])), *why)
    return Said(
        (slot,), f"{zh}已 {lasting(silent_s)} 无数据", f"{en} silent for {lasting(silent_s)}", why, round(silent_s),
        kind="absence",
    )  # fmt: skip


class RateWatch(_Valued[Rate]):
    """A ring of points a slot: the first sample of each sixteenth of the window."""

    def __init__(self, rule: Rate) -> None:
        super().__init__(rule)
        self._t_ms: F64 = np.full((0, RING), np.nan)
        self._value: F64 = np.zeros((0, RING))
        self._rate: F64 = np.zeros(0)

    def feed(self, scene: Scene, fresh: Flags) -> list[int]:
        if scene.n > len(self._t_ms):
            more = max(scene.n, 2 * len(self._t_ms)) - len(self._t_ms)
            self._t_ms = np.vstack((self._t_ms, np.full((more, RING), np.nan)))
            self._value = np.vstack((self._value, np.zeros((more, RING))))
            self._rate = np.append(self._rate, np.zeros(more))
        return super().feed(scene, fresh)

    def worse(self, slots: I64, values: F64, times: F64) -> tuple[I64, F64]:
        window_ms = 1000 * self.rule.window_s
        width_ms = window_ms / RING
        turn = np.floor(times / width_ms)
        at = (turn % RING).astype(np.int64)
        new = ~(np.floor(self._t_ms[slots, at] / width_ms) == turn)
        self._t_ms[slots[new], at[new]] = times[new]
        self._value[slots[new], at[new]] = values[new]
        past = self._t_ms[slots]
        known = (past >= times[:, None] - window_ms) & (past <= times[:, None])
        first = np.argmin(np.where(known, past, np.inf), axis=1)
        each = np.arange(len(slots))
        span_ms = times - past[each, first]
        enough = known[each, first] & (span_ms >= window_ms / 2)
        rate = (values - self._value[slots, first]) / np.where(enough, span_ms, 1.0) * 60_000
        self._rate[slots] = rate
        return slots[enough], self.sign * rate[enough]

    def say(self, scene: Scene, subject: int) -> Said:
        channel, about = self.rule.channel, field_of(self.rule.channel)
        values, times = scene.value(channel)
        rate = float(self._rate[subject])
        unit = f"{about.unit}/min"
        why = (
            Input("rate", round(rate, 4), unit, int(times[subject])),
            Input("limit", self.limit, unit),
            Input(channel, round(float(values[subject]), 4), about.unit, int(times[subject])),
            age(scene, times[subject]),
        )
        words = f"{rate:+.4g} {unit}"
        return Said(
            (subject,), f"{about.zh} {words}（限 {number(self.limit)}）",
            f"{about.en} {words} (limit {number(self.limit)})", why, round(rate, 4), joins=self.rule.joined_code(),
        )  # fmt: skip


class AbsenceWatch(SlotWatch[Absence]):
    """See the module."""

    def step(self, scene: Scene) -> Sequence[int]:
        times = scene.value(self.rule.channel)[1] if self.rule.channel else scene.heard()
        so = _silent(scene, times, 1000 * self.rule.after_s, self.rule.give_up_s, self.stood)
        return self.hold(scene, so, scene.mask(self.rule.who))

    def say(self, scene: Scene, subject: int) -> Said:
        said = _silence(scene, subject, self.rule.channel)
        why = (*said.why, Input("limit", self.rule.after_s, "s"))
        return Said(said.slots, said.zh, said.en, why, said.value, joins=self.rule.joined_code())


class LostWatch(SlotWatch[Lost]):
    """See the module."""

    def _limits_ms(self, scene: Scene) -> F64 | float:
        return 1000 * self.rule.after_s if self.rule.after_s else scene.roster.lost_ms

    def step(self, scene: Scene) -> Sequence[int]:
        so = _silent(scene, scene.heard(), self._limits_ms(scene), self.rule.give_up_s, self.stood)
        return self.hold(scene, so, scene.mask(self.rule.who))

    def say(self, scene: Scene, subject: int) -> Said:
        heard_ms = float(scene.heard()[subject])
        silent_s = max(0.0, scene.now_ms - heard_ms) / 1000
        limit_s = float(np.broadcast_to(self._limits_ms(scene), scene.n)[subject]) / 1000
        why = (Input("silent", round(silent_s), "s", int(heard_ms)), Input("limit", round(limit_s), "s"))
        words = lasting(silent_s)
        return Said((subject,), f"已 {words} 无消息", f"nothing heard for {words}", why, round(silent_s))


def _silent(scene: Scene, times: F64, after_ms: F64 | float, give_up_s: float, stood: set[int]) -> Flags:
    """Who came once and has been silent for longer; after `give_up_s` no more."""
    so: Flags = scene.now_ms - known_since(scene, times, stood) > after_ms  # never heard: NaN is not greater
    if give_up_s:
        so &= scene.now_ms - times <= 1000 * give_up_s
    return so


class SensorFaultWatch(SlotWatch[SensorFault]):
    """See the module."""

    def step(self, scene: Scene) -> Sequence[int]:
        so = np.zeros(scene.n, np.bool_)
        for signal in self.rule.signals:
            so |= self._failed(scene, signal)
        return self.hold(scene, so, scene.mask(self.rule.who))

    def _failed(self, scene: Scene, signal: str) -> Flags:
        values, times = scene.value(signal)
        out: Flags = (values != 0) & (scene.now_ms - times <= 1000 * self.rule.max_age_s)
        return out

    def say(self, scene: Scene, subject: int) -> Said:
        zh, en, why, joins = [], [], [], 0
        for signal in self.rule.signals:
            if self._failed(scene, signal)[subject]:
                values, times = scene.value(signal)
                value, about = int(values[subject]), field_of(signal)
                which = gases(value) if signal.startswith("gas_") else (str(value), str(value))
                zh.append(f"{about.zh} {which[0]}")
                en.append(f"{about.en}: {which[1]}")
                why.append(Input(signal, value, "", int(times[subject])))
                joins = joins or self.rule.joined_code(signal)
        return Said((subject,), "；".join(zh), "; ".join(en), tuple(why), None, joins=joins)


class OverdueWatch(SlotWatch[Overdue]):
    """Few are inside at once: they are looked at one by one."""

    def step(self, scene: Scene) -> Sequence[int]:
        so = np.zeros(scene.n, np.bool_)
        duty, said_ms = scene.value("duty")
        for slot in scene.entries.entered:
            since_ms = scene.entries.inside_since(slot)
            if since_ms is None or slot >= scene.n:
                continue
            out = int(duty[slot]) in OUTSIDE and said_ms[slot] > since_ms
            inside_ms = scene.now_ms - since_ms
            so[slot] = not out and 60_000 * self.rule.minutes <= inside_ms <= 3_600_000 * self.rule.forget_h
        return self.hold(scene, so, scene.mask(self.rule.who))

    def say(self, scene: Scene, subject: int) -> Said:
        since_ms = scene.entries.inside_since(subject) or scene.entries.entered.get(subject, scene.now_ms)
        inside_min = (scene.now_ms - since_ms) // 60_000
        heard_ms = scene.heard()[subject]
        why = (
            Input("inside", int(inside_min), "min", since_ms),
            Input("limit", self.rule.minutes, "min"),
            *(() if np.isnan(heard_ms) else (age(scene, heard_ms),)),
        )
        limit = number(self.rule.minutes)
        return Said(
            (subject,), f"入内 {inside_min} 分钟未出（限 {limit}）", f"inside for {inside_min} min (limit {limit})",
            why, float(inside_min),
        )  # fmt: skip

"""What watches one rule: who fits it now, and in which words. The base of all kinds.

Enters: scenes, one a second. Leaves: subjects that stand and what is said of them. Pure. A subject is a slot, or a pair
of slots, or a zone and a slot; its key outlives a restart. Caller: `hub.safety.rule_engine`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from hub.live.picture import F64
from hub.safety.condition import Input
from hub.safety.rule_kinds import Rule, field_of
from hub.safety.rule_latch import Flags, Latches
from hub.safety.rule_scene import Scene
from protocols.catalog import GAS_FIELDS

R = TypeVar("R", bound=Rule)
S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Said:
    """Of one subject. `slots`: whom it is about, the first is where it is; `value`: what was judged, None: no number;
    `kind`: another kind of alarm than the rule's; `joins`: code of a gateway's alarm that says the same, 0: none."""

    slots: tuple[int, ...]
    zh: str
    en: str
    why: tuple[Input, ...]
    value: float | None = None
    kind: str = ""
    joins: int = 0


class Watch(Generic[R, S]):
    """One rule, watched. `trouble`: why it cannot be judged here."""

    def __init__(self, rule: R) -> None:
        self.rule = rule
        self.trouble = ""

    def step(self, scene: Scene) -> Sequence[S]:
        """All subjects that stand now."""
        raise NotImplementedError

    def say(self, scene: Scene, subject: S) -> Said:
        """In words, of one that stands."""
        raise NotImplementedError

    def is_over(self, subject: S) -> bool:
        """Whether it stands only for its off-delay: then its words stay as they were."""
        return False

    def key(self, scene: Scene, subject: S) -> str:
        """Stable over restarts, without the rule's id."""
        raise NotImplementedError

    def seed(self, scene: Scene, key: str) -> None:
        """It stood when the hub ended, or when its rule was changed."""
        raise NotImplementedError


class SlotWatch(Watch[R, int]):
    """Of single units. `stood`: slots that are known to stand only from before the start."""

    def __init__(self, rule: R) -> None:
        super().__init__(rule)
        self.latches = Latches(1000 * rule.on_s, 1000 * rule.off_s)
        self.stood: set[int] = set()
        self._so: Flags = np.zeros(0, np.bool_)

    def is_over(self, subject: int) -> bool:
        return subject < len(self._so) and not self._so[subject]

    def key(self, scene: Scene, subject: int) -> str:
        return scene.units.rows[subject].id

    def seed(self, scene: Scene, key: str) -> None:
        slot = scene.units.slot_by_id.get(key)
        if slot is not None:
            self.latches.seed(slot)
            self.stood.add(slot)

    def hold(self, scene: Scene, so: Flags, among: Flags) -> list[int]:
        """Slots that stand by the rule's delays, of those among whom it is judged."""
        self._so = so
        self.latches.grow(scene.n)
        if not self.rule.on_s and not self.rule.off_s:
            self.latches.stands[: scene.n] = among & so
        else:
            slots = np.flatnonzero(among)
            self.latches.reset(~among)
            self.latches.hold(slots, so[slots], scene.now_ms)
        found: list[int] = np.flatnonzero(self.latches.stands[: scene.n]).tolist()
        return found


def known_since(scene: Scene, times: F64, stood: set[int]) -> F64:
    """Since when each slot is silent, as far as this hub can say: it hears nobody before it listens. What stood before
    its start is measured by the true time."""
    since = np.maximum(times, float(scene.since_ms))
    for slot in [slot for slot in stood if slot < scene.n]:
        if times[slot] >= scene.since_ms:
            stood.discard(slot)
        else:
            since[slot] = times[slot]
    return since


def number(value: float) -> str:
    """As a person reads it: 12, 19.5, 0.4."""
    return f"{value:.4g}" if abs(value) < 10_000 else f"{value:.0f}"


def measured(channel: str, value: float) -> str:
    """With its unit."""
    unit = field_of(channel).unit
    return f"{number(value)} {unit}" if unit else number(value)


def lasting(seconds: float) -> str:
    """45 s, 12 min, 3 h."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7_200 else f"{seconds / 3_600:.0f} h"


def age(scene: Scene, t_ms: float) -> Input:
    """How old what was judged is."""
    return Input("age", round(max(0.0, scene.now_ms - t_ms) / 1000), "s", int(t_ms))


def gases(bits: int) -> tuple[str, str]:
    """Which gases a mask names, in Chinese and English."""
    named = [field_of(name) for bit, name in enumerate(GAS_FIELDS) if bits >> bit & 1]
    return "、".join(one.zh for one in named) or str(bits), ", ".join(one.en for one in named) or str(bits)

"""What a rule is: what it is given, and what it says.

Enters: samples and ticks of the clock. Leaves: which alarms stand, which question is asked, values for the state row.
Callers: every rule; `edge.guard.guard` runs them. A rule is pure: the time comes as an argument, nothing is opened.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from protocols.catalog import Duty, EventCode
from protocols.samples import Sample
from protocols.wearer import Gesture, Pattern

INSIDE = frozenset((Duty.ENTERED, Duty.ON_AIR))
ALWAYS = frozenset(Duty)
WEARERS = frozenset((EventCode.SOS, EventCode.MAN_DOWN, EventCode.FALL))
"""Alarms of the wearer's own safety: only the wearer ends them."""


class Standing(NamedTuple):
    """An alarm that stands now. `field`, `value`, `threshold` in the catalog's quanta; `level` parts two of a kind.

    Numbers are those of the moment it began: later ones of the same alarm are not sent.
    """

    code: EventCode
    field: int | None = None
    value: int | None = None
    threshold: int | None = None
    level: int = 0

    @property
    def key(self) -> tuple[int, int, int]:
        return int(self.code), -1 if self.field is None else self.field, self.level


@dataclass(slots=True)
class Now:
    """What is known at a time. `values`: field id -> (value, when it came), of the fields that rules ask for."""

    t_ms: int = 0
    duty: Duty = Duty.STANDBY
    entered_ms: int | None = None
    values: dict[int, tuple[int, int]] = field(default_factory=dict)

    @property
    def inside(self) -> bool:
        return self.duty in INSIDE

    def fresh(self, field_id: int, age_max_ms: int) -> int | None:
        """The newest value, unless it is older than that."""
        found = self.values.get(field_id)
        return None if found is None or self.t_ms - found[1] > age_max_ms else found[0]


class Rule:
    """The parts that a rule does not use."""

    def hear(self, sample: Sample, now: Now) -> None:
        """A sample, after `now.values` took it."""

    def press(self, gesture: Gesture, now: Now) -> bool:
        """A gesture. True when it was an answer to this rule's question, and is used up by it."""
        return False

    def entered(self, now: Now) -> None:
        """The danger area was entered, or left: `now.duty` says which."""

    def step(self, now: Now) -> list[Standing]:
        """Each tick and after each sample: what stands now."""
        return []

    def question(self) -> Pattern | None:
        """What the wearer is asked, as long as it is asked."""
        return None

    def values(self, now: Now) -> dict[int, int]:
        """Values of the state row; a value that is not known is left out."""
        return {}

    def status(self, now: Now) -> dict[str, object]:
        """For `zhantu-edge guard`."""
        return {}

    def keep(self) -> dict[str, float]:
        """What must survive a restart."""
        return {}

    def resume(self, kept: dict[str, float], standing: list[Standing]) -> None:
        """After a restart: what `keep` said, and which of this rule's alarms stood."""

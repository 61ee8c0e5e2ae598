"""How an order sounds and reads, and what the desk of orders needs of the wearer.

Enters: what an order says. Leaves: a pattern and a line. Called by `edge.obey_desk`.
"""

from typing import Protocol

from edge.obey import Said
from protocols.catalog import EventCode
from protocols.orders import OrderType
from protocols.wearer import Pattern

PATTERNS = {
    OrderType.EVACUATE: (Pattern.EVACUATE, "全体撤离 EVACUATE"),
    OrderType.RETREAT: (Pattern.EVACUATE, "撤退 RETREAT"),
    OrderType.ALL_CLEAR: (Pattern.ORDER, "警报解除 ALL CLEAR"),
    OrderType.TEXT: (Pattern.ORDER, ""),
    OrderType.ROLL_CALL: (Pattern.ROLL_CALL, "点名 ROLL CALL"),
    OrderType.TASK: (Pattern.ORDER, "任务"),
}
"""Of each type its pattern and its first words; a text has none but its own. CONFIG is not the wearer's business."""


class Ears(Protocol):
    """The wearer, as `edge.wearer.Wearer` is. `say` commits an event row."""

    def ask(self, pattern: Pattern, text: str, t_ms: int, order: int, *, is_task: bool) -> None: ...
    def unask(self, what: int) -> None: ...
    def accept(self, order: int) -> None: ...
    def say(self, code: EventCode, order: int, t_ms: int, value: int | None = None) -> None: ...
    def forged(self) -> None: ...


def heard_as(said: Said) -> tuple[Pattern, str]:
    """The pattern, and the line of a display before it is cut to what that takes."""
    pattern, words = PATTERNS[said.type]
    return pattern, f"{words}：{said.text}" if words and said.text else words or said.text

"""What the wearer is asked by others: orders, tasks, roll-calls, evacuate; and which of them a gesture answers.

Enters: what is asked, gestures, what a board has shown or played. Leaves: the answer's code and the order's number.
Pure. Called by `edge.guard.guard`. A gesture answers what is shown: the most urgent, of equals the newest.
"""

from collections.abc import Hashable
from dataclasses import dataclass

from firmware_bridge.interface import Command, Play, Show
from protocols.catalog import EventCode
from protocols.wearer import PATTERNS, Gesture, Pattern

ASKED_MAX = 16
"""At once; of more the least urgent goes, the oldest of equals. It is still in the list of orders."""
_URGENCY = {row.pattern: row.urgency for row in PATTERNS}
Key = Hashable


@dataclass(slots=True)
class Ask:
    """`order` 0: nobody's number. `is_task`: to be accepted or refused, then done; a plain ANSWER only quiets it.
    `is_accepted`: it waits for DONE and neither sounds nor shows."""

    key: Key
    pattern: Pattern
    text: str
    order: int = 0
    is_task: bool = False
    is_accepted: bool = False
    is_shown: bool = False
    was_played: bool = False


class Asked:
    """What is asked now."""

    def __init__(self) -> None:
        self._asks: dict[Key, Ask] = {}

    def put(self, ask: Ask) -> Ask | None:
        """Ask it, in place of what was asked under the same key. What went for want of room."""
        self._asks.pop(ask.key, None)
        self._asks[ask.key] = ask
        if len(self._asks) <= ASKED_MAX:
            return None
        return self._asks.pop(min(self._asks.values(), key=lambda one: _URGENCY[one.pattern]).key)

    def drop(self, key: Key) -> bool:
        """It is over."""
        return self._asks.pop(key, None) is not None

    def top(self) -> Ask | None:
        """What a display says."""
        best: Ask | None = None
        for ask in self._asks.values():
            if not ask.is_accepted and (best is None or _URGENCY[ask.pattern] >= _URGENCY[best.pattern]):
                best = ask
        return best

    def answer(self, gesture: Gesture) -> tuple[Ask, EventCode, bool] | None:
        """What this gesture answers, as what, and whether it is no longer asked; None: nothing is asked that it could
        answer."""
        ask = self.top()
        if gesture == Gesture.DONE:
            ask = self._to_be_done() or ask
        elif gesture != Gesture.ANSWER and ask is not None and ask.pattern == Pattern.ROLL_CALL:
            ask = next((one for one in reversed(self._asks.values()) if one.is_task), None)
        if ask is None:
            return None
        code = _code(ask, gesture)
        if code == EventCode.ACCEPTED and ask.is_task:
            ask.is_accepted = True
        over = not (ask.is_task and code in (EventCode.RECEIVED, EventCode.ACCEPTED))
        if over:
            del self._asks[ask.key]
        return ask, code, over

    def _to_be_done(self) -> Ask | None:
        return next((one for one in reversed(self._asks.values()) if one.is_accepted), None)

    def accept(self, key: Key) -> None:
        """A task that was accepted another way."""
        ask = self._asks.get(key)
        if ask is not None:
            ask.is_accepted = True

    def told(self, commands: list[Command]) -> None:
        """These go to the boards now."""
        played = {command.pattern for command in commands if isinstance(command, Play)}
        for ask in self._asks.values():
            ask.was_played = ask.was_played or ask.pattern in played

    def shown(self, command: Command) -> list[int]:
        """A board has done it: numbers of the orders that its wearer was shown by that for the first time."""
        found = []
        for ask in self._asks.values():
            is_it = (isinstance(command, Show) and command.text == ask.text) or (
                isinstance(command, Play) and command.pattern == ask.pattern and ask.was_played
            )
            if is_it and not ask.is_shown:
                ask.is_shown = True
                found.append(ask.order)
        return [order for order in found if order]


def _code(ask: Ask, gesture: Gesture) -> EventCode:
    if gesture == Gesture.DONE:
        return EventCode.DONE
    if gesture == Gesture.REFUSE:
        return EventCode.REFUSED
    if ask.pattern == Pattern.ROLL_CALL:
        return EventCode.ROLL_CALL
    if gesture == Gesture.ACCEPT or (ask.order and not ask.is_task):
        return EventCode.ACCEPTED
    return EventCode.RECEIVED

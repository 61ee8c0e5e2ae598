"""How a gateway's bearers do: one row of kind LINK a bearer.

Enters: the words of a row. Leaves: `LinkState`, or FrameError. Callers: `edge.links` (makes them), `hub.live`.
"""

from typing import Any, NamedTuple

from protocols.catalog import Bearer, BearerState
from protocols.errors import FrameError

NAME_CHARS_MAX = 16
_NUMBER_MAX = 2**53


class LinkState(NamedTuple):
    """One bearer as its gateway sees it. None where it is not known.

    place           its place in the gateway's configuration, from 0
    kind, state     `catalog.Bearer`, `catalog.BearerState`
    loss_permille   of what was sent and should have been answered, over the last minutes
    delay_ms        from sending to the hub's acknowledgement, smoothed
    backlog_rows    rows that wait for this bearer
    ok_age_s        since the hub last answered by it
    sent_frames, sent_bytes   since the agent's start
    duty_permille   of what it may send: airtime, channel use, interval
    """

    place: int
    name: str
    kind: int
    state: int
    loss_permille: int | None = None
    delay_ms: int | None = None
    backlog_rows: int | None = None
    ok_age_s: int | None = None
    sent_frames: int = 0
    sent_bytes: int = 0
    duty_permille: int | None = None


def check_link(words: Any) -> LinkState:
    """The state in one row's words; FrameError otherwise. Further words are ignored."""
    if type(words) is not list or len(words) < len(LinkState._fields):
        raise FrameError("shape", "a bearer's state is a list of words")
    link = LinkState(*words[: len(LinkState._fields)])
    numbers = [link.place, link.kind, link.state, link.sent_frames, link.sent_bytes]
    numbers += [number for number in link[4:8] + link[10:] if number is not None]
    if type(link.name) is not str or {type(number) for number in numbers} != {int}:
        raise FrameError("shape", "a bearer's state is a name and whole numbers")
    if len(link.name) > NAME_CHARS_MAX or min(numbers) < 0 or max(numbers) > _NUMBER_MAX:
        raise FrameError("range", "a bearer's state is out of range")
    if link.kind not in set(Bearer) or link.state not in set(BearerState):
        raise FrameError("range", f"bearer {link.kind} in state {link.state}: not known")
    return link

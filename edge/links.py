"""How each bearer does, as rows for the hub.

Enters: flows, narrow bearers, the time. Leaves: rows of kind LINK, one a bearer, when its state changed and each
`EVERY_MS`. Pure. Caller: `edge.agent`.
"""

from collections.abc import Iterable

from edge.flow import Flow
from protocols.frame import Row
from protocols.links import LinkState

EVERY_MS = 60_000
CHANGED_MS = 5_000
"""A state that flickers is told so often at most."""


def of_flow(place: int, flow: Flow, backlog_rows: int, t_mono_ms: int) -> LinkState:
    """The state of a wide bearer."""
    traits = flow.bearer.traits
    return LinkState(
        place, traits.name, traits.kind, flow.bearer.state, round(flow.loss_permille), flow.rtt_ms, backlog_rows,
        None if flow.ok_ms is None else (t_mono_ms - flow.ok_ms) // 1_000, flow.frames, flow.bytes,
    )  # fmt: skip


class Links:
    """Remembers what was told."""

    def __init__(self) -> None:
        self._told: dict[int, tuple[int, int]] = {}

    def due(self, links: Iterable[LinkState], t_mono_ms: int) -> list[Row]:
        """Rows for those that have news."""
        rows = []
        for link in links:
            state, told_ms = self._told.get(link.place, (-1, -EVERY_MS))
            waited_ms = t_mono_ms - told_ms
            if waited_ms >= EVERY_MS or (link.state != state and waited_ms >= CHANGED_MS):
                self._told[link.place] = (link.state, t_mono_ms)
                rows.append(Row(t_mono_ms, {}, tuple(link)))
        return rows

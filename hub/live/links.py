"""How gateways say their bearers do: the newest word of each, with its times.

Enters: rows of kind LINK, live or out of the log. Leaves: for each device its bearers in their order. Pure.
Callers: `hub.live.ingest` (tell), `hub.api.link_routes` (of).
"""

from collections import deque
from typing import NamedTuple

from protocols.links import LinkState

DEVICES_MAX = 50_000
PLACES_MAX = 16
FRESH_MAX = 50_000
"""Rows for `hub.safety.signal_cells`, late ones too; beyond it the oldest goes."""
GONE_MS = 600_000
"""A gateway tells all its bearers each minute: one so much older than the newest is in its configuration no more."""


class Told(NamedTuple):
    """One bearer's state. `t_utc_ms` is when the gateway saw it so, `t_hub_ms` when the hub heard it."""

    link: LinkState
    t_utc_ms: int
    t_hub_ms: int

    @property
    def ok_utc_ms(self) -> int | None:
        """When the hub last answered by it."""
        return None if self.link.ok_age_s is None else self.t_utc_ms - 1_000 * self.link.ok_age_s


class Links:
    """The newest row wins, whatever the order of arrival."""

    def __init__(self) -> None:
        self._told: dict[int, dict[int, Told]] = {}
        self.fresh: deque[tuple[int, Told]] = deque(maxlen=FRESH_MAX)

    def tell(self, device: int, told: Told) -> None:
        """A row came. Beyond the bounds it is left out: nothing depends on it."""
        self.fresh.append((device, told))
        places = self._told.get(device)
        if places is None:
            if len(self._told) >= DEVICES_MAX:
                return
            places = self._told[device] = {}
        known = places.get(told.link.place)
        if known is None and len(places) >= PLACES_MAX:
            return
        if known is None or (told.t_utc_ms, told.t_hub_ms) >= (known.t_utc_ms, known.t_hub_ms):
            places[told.link.place] = told

    def of(self, device: int) -> list[Told]:
        """The bearers of one device by place."""
        places = self._told.get(device, {})
        least_ms = max((told.t_utc_ms for told in places.values()), default=0) - GONE_MS
        return [places[place] for place in sorted(places) if places[place].t_utc_ms >= least_ms]

    def devices(self) -> list[int]:
        return sorted(self._told)

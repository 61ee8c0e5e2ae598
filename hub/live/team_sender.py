"""Tells each relay its team: whom it may ask a roll-call while no hub is in reach, and by which keys.

Enters: which devices are relays, who carries them, when they were heard. Leaves: messages of kind TEAM. Caller:
`hub.app`, each second. A team is all units of the same agency and team as the one that carries the relay; a relay that
no unit with a team carries has none.
"""

from collections.abc import Callable

from hub.identity.keys import KeyRing
from hub.live.picture import Picture
from hub.live.units import Units
from protocols import orders, team
from protocols.team import Mate

HEARD_MS = 60_000
"""A relay that was silent for longer is told when it speaks again."""
AGAIN_MS = (20_000, 60_000, 600_000)
"""After the first, the second, every further time: no relay says that it has it, and one that just starts has not."""
EVERY_MS = 10_000


class TeamSender:
    """Which relay was sent which team when, and which of AGAIN_MS is next."""

    def __init__(
        self, units: Units, picture: Picture, keys: KeyRing, relays: Callable[[], frozenset[int]],
        send: Callable[[int, bytes], None], clock_ms: Callable[[], int],
    ) -> None:  # fmt: skip
        self._units = units
        self._picture = picture
        self._keys = keys
        self._relays = relays
        self._send = send
        self._clock_ms = clock_ms
        self._sent: dict[int, tuple[bytes, int, int]] = {}
        self._next_ms = 0

    def step(self) -> None:
        """Send what has changed, or was sent long ago."""
        now_ms = self._clock_ms()
        if now_ms < self._next_ms:
            return
        self._next_ms = now_ms + EVERY_MS
        for relay in self._relays():
            slot = self._units.carrier_of(relay)
            key = self._keys.get(relay)
            if slot is None or key is None or self._picture.t_rx[slot] < now_ms - HEARD_MS:
                self._sent.pop(relay, None)
                continue
            body = team.pack_team(self.team_of(relay, slot))
            before, sent_ms, again = self._sent.get(relay, (b"", 0, 0))
            if body != before:
                again = 0
            elif 0 <= now_ms - sent_ms < AGAIN_MS[again]:
                continue
            else:
                again = min(again + 1, len(AGAIN_MS) - 1)
            self._sent[relay] = (body, now_ms, again)
            self._send(relay, orders.pack_down(orders.What.TEAM, body, key))

    def team_of(self, relay: int, slot: int) -> list[Mate]:
        """The devices of the team that carries the relay, by their units' order."""
        own = self._units.rows[slot]
        if not own.team:
            return []
        mates = []
        for other, devices in sorted(self._units.devices_now().items()):
            row = self._units.rows[other]
            if (row.agency, row.team) != (own.agency, own.team):
                continue
            for device in devices:
                key = self._keys.get(device)
                if device != relay and key is not None:
                    mates.append(Mate(device, row.callsign, key.ask_key(relay)))
        return mates

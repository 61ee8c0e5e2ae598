"""What to pass up next, and what the hub above has answered: alarms, then the newest, then the rest, oldest first.

Enters: frames of the log with their places, answers, the time. Leaves: (number, frames) to send, several in a packet
where the way is fast, and the state that a restart needs. Pure. Callers: `hub.forward.passer`; the state machine of
tests/hub/test_forward_queue.py.

A frame is done when the hub above has answered its number, and at no other moment: after a kill it is passed again from
the cursor on, and the hub above knows it. Numbers begin anew at random with each start, so an old answer fits nothing.
What it refuses because it does not know the device holds that device back: its first such frame is tried again and
again, and when that is taken the device's frames since then follow.
"""

import json
from collections import deque
from collections.abc import Iterable, Iterator

from hub.forward.flight import AGAIN_MS, Flight, Rate
from hub.forward.track import Item, Track
from protocols import container
from protocols.errors import REASONS
from protocols.intervals import Intervals

FLIGHT_MAX = 20
"""Packets on the way at once; live frames leave 2 of them free for alarms, the backlog 4."""
LIVE_MAX, BACKLOG_MAX = FLIGHT_MAX - 2, FLIGHT_MAX - 4
READ_AHEAD = 2_000
PACKET_FRAMES_MAX = container.FRAMES_MAX
PACKET_BYTES_MAX = 6_000
URGENT_MAX = 2_000
NEWEST_MAX = 20_000
AHEAD_RANGES_MAX = 4_096
"""Frames passed before their turn are remembered in so many ranges; one that is forgotten is passed twice."""
HELD_MAX = 5_000
"""Devices that are held back. With more of them passing waits: nothing is left out for good."""
HELD_AGAIN_MS = 60_000
TRACKS_MAX = 64
NEW_PER_OLD = 3
HOLDING = frozenset(REASONS[word] for word in ("unknown_device", "mac", "revoked", "expired"))
"""Refusals that may end when the hub above learns of the device."""


class Queue:
    """One hub's way up. `number`: a random start."""

    def __init__(self, number: int, cursor: int = 0, text: str = "") -> None:
        self._number = number
        self.main = Track(cursor)
        self.tracks: list[Track] = []  # catching up of devices that were held back
        self.held: dict[int, int] = {}  # device -> place of the first frame that was refused
        self.ahead = Intervals()
        self.flights: dict[int, Flight] = {}
        self._flying: set[int] = set()
        self._urgent: dict[int, Item] = {}
        self._newest: dict[tuple[int, int], Item] = {}
        self._alone: deque[Item] = deque()  # of a packet in which something was refused, or too large for one
        self._turn = 0
        self.rate = Rate()
        self._tried_ms: dict[int, int] = {}
        self.passed = self.repeated = 0
        self.refused: dict[int, int] = {}
        if text:
            self._load(text)

    # --- in ------------------------------------------------------------------------------------------------

    def offer_urgent(self, items: Iterable[Item]) -> None:
        """Alarms, receipts, text: at once, oldest first. Beyond the bound they wait for their turn in the backlog."""
        for item in items:
            if len(self._urgent) < URGENT_MAX and not self._is_known(item):
                self._urgent[item.place] = item

    def offer_newest(self, kind: int, item: Item) -> None:
        """The newest state of a device: a newer one takes its place, and the older one waits for its turn."""
        key = (item.device, kind)
        known = self._newest.get(key)
        if self._is_known(item) or (known is not None and known.place > item.place):
            return
        if known is not None or len(self._newest) < NEWEST_MAX:
            self._newest[key] = item

    def wants(self) -> list[Track]:
        """The tracks that should be read on. Each in its turn: the main one never ends."""
        return [
            track
            for track in (self.main, *self.tracks)
            if len(track.pending) < READ_AHEAD // 2 and (track.until is None or track.read_to < track.until)
        ]

    def take(self, track: Track, items: list[Item], read_to: int) -> None:
        """What was read for a track; what is above already, on the way, or held back is left out."""
        wanted = [item for item in items if item.place not in self.ahead and not self._is_held(track, item)]
        track.take(wanted, read_to)
        self._settle()

    def _is_held(self, track: Track, item: Item) -> bool:
        """Whether the main track leaves it out; then the device's way begins no later than here."""
        if track is not self.main or item.device not in self.held:
            return False
        self.held[item.device] = min(self.held[item.device], item.place)
        return True

    def _is_known(self, item: Item) -> bool:
        above = item.place <= self.main.cursor or item.place in self.ahead or item.place in self._flying
        return above or item.device in self.held

    # --- out -----------------------------------------------------------------------------------------------

    def next(self, now_ms: int) -> tuple[int, tuple[Item, ...]] | None:
        """The next packet to send now, None: nothing, or enough is on the way."""
        for number, flight in self.flights.items():
            if not 0 <= now_ms - flight.sent_ms < flight.wait_ms:
                if flight.wait_ms:  # silence, and not a cut
                    self.rate.silence()
                flight.sent_ms, flight.is_repeated = now_ms, True
                flight.wait_ms = min(max(2 * flight.wait_ms, AGAIN_MS[0]), AGAIN_MS[1])
                self.repeated += 1
                return number, flight.items
        items = self._choose()
        return self._fly(items, now_ms) if items else None

    def _fly(
        self, items: tuple[Item, ...], now_ms: int, *, is_probe: bool = False
    ) -> tuple[int, tuple[Item, ...]]:
        self._number += 1
        self.flights[self._number] = Flight(items, now_ms, is_probe=is_probe)
        self._flying.update(item.place for item in items)
        return self._number, items

    def _choose(self) -> tuple[Item, ...]:
        busy = len(self.flights)
        while self._urgent and busy < FLIGHT_MAX:
            item = self._urgent.pop(next(iter(self._urgent)))
            if not self._is_known(item):
                return (item,)
        left = self.rate.budget_bytes - sum(flight.size_bytes for flight in self.flights.values())
        if busy >= LIVE_MAX or (left <= 0 and busy):
            return ()
        if not (self._turn >= NEW_PER_OLD and self._has_backlog()):
            items = self._packet(self._fresh())
            if items:
                self._turn += 1
                return items
        if busy >= BACKLOG_MAX:
            return ()
        self._turn = 0
        return (self._alone.popleft(),) if self._alone else self._packet(self._backlog())

    def _has_backlog(self) -> bool:
        return bool(self._alone) or any(track.pending for track in (self.main, *self.tracks))

    def _packet(self, found: Iterator[Item]) -> tuple[Item, ...]:
        """So many that their packet is a part of the budget; one that does not fit beside others goes alone."""
        most = min(PACKET_BYTES_MAX, self.rate.budget_bytes // 8)
        items: list[Item] = []
        size = 0
        for item in found:
            if items and size + len(item.data) > PACKET_BYTES_MAX:
                self._alone.append(item)
                self._flying.add(item.place)
                break
            items.append(item)
            size += len(item.data)
            if size >= most or len(items) == PACKET_FRAMES_MAX:
                break
        return tuple(items)

    def _fresh(self) -> Iterator[Item]:
        while self._newest:
            item = self._newest.pop(next(iter(self._newest)))
            if not self._is_known(item):
                yield item

    def _backlog(self) -> Iterator[Item]:
        """What stands next in a track and is not above or on the way by now."""
        for track in (self.main, *self.tracks):
            while track.pending:
                item = track.pending.popleft()
                if item.place in self.ahead or self._is_held(track, item):
                    track.close(item.place)
                elif item.place not in self._flying:
                    yield item
        self._settle()

    def probe(self, now_ms: int) -> tuple[int, int] | None:
        """(device, place) of a held-back frame that it is time to try again; `send_probe` takes it."""
        for device, place in self.held.items():
            tried_ms = self._tried_ms.get(device)
            if (tried_ms is None or not 0 <= now_ms - tried_ms < HELD_AGAIN_MS) and place not in self._flying:
                self._tried_ms[device] = now_ms
                return device, place
        return None

    def send_probe(self, item: Item, now_ms: int) -> tuple[int, tuple[Item, ...]] | None:
        """The frame that `probe` named, read from the log; None when there is no room now."""
        if len(self.flights) >= BACKLOG_MAX or self.held.get(item.device) is None:
            return None
        return self._fly((item,), now_ms, is_probe=True)

    def lost(self, device: int) -> None:
        """The first frame that was held back is in the log no more: what is left of the device follows."""
        self._release(device)

    def cut(self) -> None:
        """The connection ended: what was on the way goes again with the next one."""
        for flight in self.flights.values():
            flight.wait_ms = 0

    # --- answers -------------------------------------------------------------------------------------------

    def answer(self, numbers: Iterable[int], refused: dict[int, int], now_ms: int) -> None:
        """The hub above has committed these, and refused some of them for a reason."""
        for number in numbers:
            flight = self.flights.pop(number, None)
            if flight is None:
                continue
            if not flight.is_repeated:
                self.rate.measure(now_ms - flight.sent_ms)
            reason = refused.get(number, 0)
            if reason and len(flight.items) > 1:  # which of them? sent alone, each is told
                self._alone.extend(flight.items)
            elif reason in HOLDING and flight.items[0].device not in self.held and len(self.held) >= HELD_MAX:
                flight.wait_ms = AGAIN_MS[1]
                self.flights[number] = flight
            else:
                self._count(reason, len(flight.items))
                for item in flight.items:
                    self._done(item, reason, is_probe=flight.is_probe)
        self._settle()

    def _count(self, reason: int, frames: int) -> None:
        if reason:
            self.refused[reason] = self.refused.get(reason, 0) + frames
        else:
            self.passed += frames

    def _done(self, item: Item, reason: int, *, is_probe: bool) -> None:
        self._flying.discard(item.place)
        if reason in HOLDING:
            self._hold(item)
        else:
            self.ahead.add(item.place, item.place)
            if is_probe:
                self._release(item.device)
        for track in (self.main, *self.tracks):
            track.close(item.place)
        while len(self.ahead) > AHEAD_RANGES_MAX:
            self.ahead.remove(*self.ahead.first())

    def _hold(self, item: Item) -> None:
        self.held[item.device] = min(item.place, self.held.get(item.device, item.place))
        self.tracks = [track for track in self.tracks if not self._is_given_up(track, item)]

    def _is_given_up(self, track: Track, item: Item) -> bool:
        """A device that is held back while it catches up begins again from where it had got to."""
        if track.device != item.device:
            return False
        self.held[item.device] = min(self.held[item.device], track.cursor + 1)
        return True

    def _release(self, device: int) -> None:
        """Known above by now: what was held back follows."""
        place = self.held.pop(device, None)
        self._tried_ms.pop(device, None)
        if place is None:
            return
        if len(self.tracks) >= TRACKS_MAX:  # rather twice than never
            self.main.cursor = self.main.read_to = min(self.main.cursor, place - 1)
            return
        self.tracks.append(Track(place - 1, device, self.main.read_to))

    def _settle(self) -> None:
        """Forget what is behind all cursors, and tracks that are over."""
        self.tracks = [track for track in self.tracks if not track.is_over]
        least = min([self.main.cursor, *(track.cursor for track in self.tracks)])
        if self.ahead and self.ahead.first()[0] <= least:
            self.ahead.remove(0, least)

    # --- over a restart --------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """What a restart goes on from: JSON."""
        tracks = [[track.device, track.cursor, track.until] for track in self.tracks]
        held = [[device, place] for device, place in self.held.items()]
        return json.dumps({"cursor": self.main.cursor, "tracks": tracks, "held": held})

    def _load(self, text: str) -> None:
        said = json.loads(text)
        self.main = Track(int(said["cursor"]))
        self.tracks = [
            Track(int(cursor), int(device), int(until)) for device, cursor, until in said["tracks"]
        ]
        self.held = {int(device): int(place) for device, place in said["held"]}

    @property
    def waiting(self) -> int:
        """How many frames are known to wait, on the way included."""
        backlog = sum(len(track.pending) for track in (self.main, *self.tracks))
        flying = sum(len(flight.items) for flight in self.flights.values())
        return flying + len(self._alone) + len(self._urgent) + len(self._newest) + backlog

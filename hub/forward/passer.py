"""Passes the log of this hub up to the one above, and hands on what that says to devices here.

Enters: the log, the connection, what is heard on it. Leaves: numbered frames up; messages for devices; the cursor in
the registry. One task of the hub's loop; the log is read on a reader's thread. Caller: `hub.app`.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from hub.forward.queue import READ_AHEAD, Queue
from hub.forward.track import Item, Track
from hub.forward.uplink import Uplink
from hub.identity.keys import KeyRing
from hub.live.below import Below
from hub.rounds import Trouble
from hub.store.passing import PassingLog, Placed
from hub.store.registry import SqliteRegistry
from protocols import orders, relay
from protocols.catalog import Kind, Lane
from protocols.container import pack_container
from protocols.errors import REASONS, OrderError, RelayError

log = logging.getLogger(__name__)
IDLE_S = 0.5
TAIL_MAX = 500
KEEP_EVERY_MS = 1_000
EVENTS_MAX = 2_000
NEWEST_MAX = 20_000
TOLD_MAX = 200
URGENT_LANES = (Lane.SOS, Lane.RECEIPTS)
_WORDS = {number: word for word, number in REASONS.items()}


class Passer:
    """`hand_on(device, message)` and `take_list(message)` get what comes down. `peer`: the number under which the hub
    above passes its own log to this one, 0 when it does not."""

    def __init__(
        self,
        device: int,
        peer: int,
        uplink: Callable[[Callable[[str, bytes], None]], Uplink],
        passing: PassingLog,
        below: Below,
        keys: KeyRing,
        registry: SqliteRegistry,
        setting: str,
        clock_ms: Callable[[], int],
        hand_on: Callable[[int, bytes], None],
        take_list: Callable[[bytes], object],
    ) -> None:
        self.device = device
        self.peer = peer
        self.uplink = uplink(self._hear)
        self.answered_ms: int | None = None
        self.handed_on = self.ignored = 0
        self._passing = passing
        self._below = below
        self._keys = keys
        self._registry = registry
        self._setting = setting
        self._clock_ms = clock_ms
        self._hand_on = hand_on
        self._take_list = take_list
        self._told: list[bytes] = []
        self._woken = asyncio.Event()
        self._tail = 0
        self._connects = 0
        self._kept, self._kept_ms = registry.setting(setting) or "", 0
        self.queue = Queue(secrets.randbits(61), 0, self._kept)

    def wake(self) -> None:
        """Something was committed."""
        self._woken.set()

    async def run(self, stop: asyncio.Event, readers: Executor, trouble: Trouble) -> None:
        """Pass on until `stop`."""
        while not stop.is_set():
            try:
                await asyncio.wait_for(self._woken.wait(), IDLE_S)
            except TimeoutError:
                pass
            self._woken.clear()
            with trouble.noting("above"):
                await self._turn(readers)
        await self._keep(asyncio.get_running_loop(), None, now=True)

    async def _turn(self, readers: Executor) -> None:
        if not self.uplink.is_up:
            return
        loop = asyncio.get_running_loop()
        if self.uplink.line.connects != self._connects:
            self._connects = self.uplink.line.connects
            self.queue.cut()
            await self._begin(loop, readers)
        await self._read_tail(loop, readers)
        while True:
            for track in self.queue.wants():
                begins = track.read_to
                found, end = await loop.run_in_executor(readers, self._read, track)
                if track.read_to == begins:  # an answer that came meanwhile may have sent it back
                    self.queue.take(track, found, end)
            await self._probe(loop, readers)
            if not self._send() or not self.uplink.may_send:
                break
        await self._keep(loop, readers)

    # --- reading -------------------------------------------------------------------------------------------

    async def _begin(self, loop: asyncio.AbstractEventLoop, readers: Executor) -> None:
        """The connection is there (again): what happened meanwhile, alarms first, then the newest of each device."""

        def read() -> tuple[list[Placed], list[Placed], int]:
            cursor, end = self.queue.main.cursor, self._passing.end()
            return self._passing.events(cursor, EVENTS_MAX), self._passing.newest(cursor, NEWEST_MAX), end

        events, newest, self._tail = await loop.run_in_executor(readers, read)
        self.queue.offer_urgent(self._items(events))
        for one in newest:
            for item in self._items([one]):
                self.queue.offer_newest(one.kind, item)

    async def _read_tail(self, loop: asyncio.AbstractEventLoop, readers: Executor) -> None:
        """What was committed since the last look: alarms at once, states before the backlog."""
        while True:
            found, end = await loop.run_in_executor(readers, self._passing.after, self._tail, TAIL_MAX)
            self._tail = end
            self.queue.offer_urgent(self._items([one for one in found if one.n and one.lane in URGENT_LANES]))
            for one in found:
                if one.n and one.lane == Lane.LIVE and one.kind in (Kind.STATE, Kind.HEALTH):
                    for item in self._items([one]):
                        self.queue.offer_newest(one.kind, item)
            if len(found) < TAIL_MAX:
                return

    def _read(self, track: Track) -> tuple[list[Item], int]:
        found, end = self._passing.after(track.read_to, READ_AHEAD, until=track.until, device=track.device)
        return self._items(found), end

    def _items(self, found: list[Placed]) -> list[Item]:
        """Without what the hub above has passed to this one."""
        return [
            Item(one.place, one.device, one.raw)
            for one in found
            if not self.peer or not self._below.came_from(self.peer, one.raw)
        ]

    async def _probe(self, loop: asyncio.AbstractEventLoop, readers: Executor) -> None:
        due = self.queue.probe(self._clock_ms())
        if due is None:
            return
        device, place = due

        def read() -> list[Placed]:
            return self._passing.after(place - 1, 1, device=device)[0]

        found = await loop.run_in_executor(readers, read)
        if not found:
            self.queue.lost(device)
            return
        one = found[0]
        sent = self.queue.send_probe(Item(one.place, one.device, one.raw), self._clock_ms())
        if sent is not None:
            self._send_one(*sent)

    # --- sending and hearing -----------------------------------------------------------------------------------

    def _send(self) -> bool:
        """Hand over what may go; whether there was any."""
        any_sent = False
        while self.uplink.may_send:
            found = self.queue.next(self._clock_ms())
            if found is None:
                break
            self._send_one(*found)
            any_sent = True
        return any_sent

    def _send_one(self, number: int, items: tuple[Item, ...]) -> None:
        packet, count = pack_container([item.data for item in items], relay.UP_BYTES_MAX)
        assert count == len(items), "a packet that the queue made fits"
        self.uplink.send(number, packet)

    def _hear(self, topic: str, payload: bytes) -> None:
        """Bytes from above; what is not understood is counted."""
        try:
            if topic.endswith("/o"):
                self._hear_own(payload)
            else:
                self._hear_back(payload)
        except (OrderError, RelayError) as err:
            self.ignored += 1
            log.warning("above: %s", err)

    def _hear_own(self, payload: bytes) -> None:
        key = self._keys.get(self.device)
        if key is None:
            raise OrderError(
                f"device {self.device}, as which this hub is known above, is not on its own roster"
            )
        what, body = orders.unpack_down(payload, key)
        if what == orders.What.PASSED:
            ranges, refused = relay.unpack_passed(body)
            numbers = [n for n in self.queue.flights if any(first <= n <= last for first, last in ranges)]
            self.answered_ms = self._clock_ms()
            self.queue.answer(numbers, refused, self.answered_ms)
            self._woken.set()
        elif what == orders.What.KEYS:
            self._take_list(body)
        elif what == orders.What.FAMILY and len(self._told) < TOLD_MAX:
            self._told.append(body)
        else:
            self.ignored += 1

    def take_told(self) -> list[bytes]:
        """What the hub above said of devices since."""
        told, self._told = self._told, []
        return told

    def say_family(self, body: bytes) -> None:
        """Tell the hub above who is enrolled here."""
        key = self._keys.get(self.device)
        if key is not None:
            self.uplink.say_family(orders.pack_down(orders.What.FAMILY, body, key))

    def _hear_back(self, payload: bytes) -> None:
        """For a device below. This hub has acknowledged itself, and brings its own list of keys."""
        back = relay.unpack_back(payload)
        key = self._keys.get(back.device)
        if back.lane == relay.ACK or key is None:
            self.ignored += 1
            return
        what, _ = orders.unpack_down(back.data, key)
        if what == orders.What.KEYS:
            self.ignored += 1
            return
        self.handed_on += 1
        self._hand_on(back.device, back.data)

    # --- over a restart ------------------------------------------------------------------------------------------

    async def _keep(
        self, loop: asyncio.AbstractEventLoop, readers: Executor | None, *, now: bool = False
    ) -> None:
        """Where to go on from, in the registry. What came after the last time is passed twice, and known above."""
        now_ms, state = self._clock_ms(), self.queue.state
        if state != self._kept and (now or not 0 <= now_ms - self._kept_ms < KEEP_EVERY_MS):
            self._kept, self._kept_ms = state, now_ms
            if readers is None:
                self._registry.set_setting(self._setting, state)
            else:
                await loop.run_in_executor(readers, self._registry.set_setting, self._setting, state)

    # --- saying ----------------------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """How the way up does."""
        line, queue = self.uplink.line, self.queue
        return {
            "connected": self.uplink.is_up,
            "since_utc_ms": line.since_ms,
            "answered_utc_ms": self.answered_ms,
            "on_the_way": len(queue.flights),
            "waiting": queue.waiting,
            "passed": queue.passed,
            "repeated": queue.repeated,
            "held_back": sorted(queue.held),
            "refused": {_WORDS.get(reason, str(reason)): count for reason, count in queue.refused.items()},
            "handed_on": self.handed_on,
        }

    def notes(self) -> list[str]:
        """What a person should know."""
        out = [] if self.uplink.is_up else ["above: not connected; everything is kept and passed on later"]
        if self.queue.held:
            few = ", ".join(str(device) for device in sorted(self.queue.held)[:5])
            out.append(f"above: {len(self.queue.held)} devices are not known there, such as {few}")
        return out

    def gauges(self) -> dict[str, float]:
        """For /metrics."""
        queue = self.queue
        return {
            "above_connected": float(self.uplink.is_up),
            "above_waiting_frames": queue.waiting,
            "above_passed_frames": queue.passed,
            "above_held_back_devices": len(queue.held),
        }


def setting_of(host: str, port: int) -> str:
    """Under which the registry keeps how far this hub has got with the one above. Another address begins anew."""
    return f"passed to {host}:{port}"

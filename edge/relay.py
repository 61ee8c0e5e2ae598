"""The relay: frames of gateways that reach only this one, passed to the hub unchanged, and the answers back.

Enters: datagrams of the LAN, packets of the radio and of the BeiDou terminal, what the hub sends for those behind.
Leaves: the same bytes on the other side. Called by `edge.agent`. A relay cannot forge or change a frame: its MAC is
under its device's key, which is not here. It looks into a frame only for whose it is, so that answers find back.
"""

import logging
import socket
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from edge.config import RelayConfig
from protocols import datagram, narrow, opening, relay
from protocols.brief import is_broadcast
from protocols.catalog import Bearer, Lane
from protocols.datagram import PAYLOAD_BYTES_MAX, Datagram
from protocols.errors import FrameError, RelayError
from protocols.relay import Back, Carried

log = logging.getLogger("zhantu.edge.relay")

WAITING_MAX = 256
"""Frames kept while there is no way on; the oldest that are no alarms fall out. Their makers keep them too."""
DEVICES_MAX, ENDS_MAX = 500, 4
READS_MAX = 64
BURST, PER_S = 200, 100
"""Datagrams that one address may send at once, and a second."""
SOURCES_MAX = 1_000
Address = tuple[str, int]


class End(NamedTuple):
    """Where a device was heard: by a datagram from an address, or by a narrow way from a node or card."""

    bearer: Bearer
    address: Address | None = None
    number: int = 0


EVERYBODY = End(Bearer.NONE)
"""All who hear the narrow ways."""


@dataclass(slots=True)
class RelayStats:
    """Counters since the start."""

    taken: int = 0
    passed: int = 0
    returned: int = 0
    dropped: int = 0


class Relay:
    """`pass_on` hands a frame to the hub, False when it cannot; `narrow_back(end, message)` sends down a narrow way."""

    def __init__(
        self,
        config: RelayConfig,
        own: int,
        pass_on: Callable[[bytes], bool],
        narrow_back: Callable[[End, bytes], None],
        carry_narrow: Callable[[bytes], None],
        on_frames: Callable[[bytes], None] = lambda _data: None,
    ) -> None:
        """`carry_narrow`: takes narrow-band frames while there is no wide way to the hub. `on_frames`: looks into all
        that is carried."""
        self._config = config
        self._own = own
        self._pass_on = pass_on
        self._narrow_back = narrow_back
        self._carry_narrow = carry_narrow
        self._on_frames = on_frames
        self._sock: socket.socket | None = None
        self._ends: dict[int, dict[End, None]] = {}
        self._waiting: deque[tuple[Lane, bytes]] = deque()
        self._budgets: dict[str, tuple[float, float]] = {}
        self._now_s = self._retry_s = 0.0
        self.stats = RelayStats()
        self.refused: Counter[str] = Counter()

    # --- the socket in the LAN, for the loop ---------------------------------------------------------

    @property
    def port(self) -> int | None:
        """The UDP port that it got."""
        return None if self._sock is None else int(self._sock.getsockname()[1])

    def fileno(self) -> int | None:
        return None if self._sock is None else self._sock.fileno()

    def maintain(self, t_mono_s: float) -> None:
        """Open the socket when it is time: an interface may come later than the agent."""
        self._now_s = t_mono_s
        if (
            self._sock is not None
            or not self._config.on
            or not self._config.listen
            or t_mono_s < self._retry_s
        ):
            return
        self._retry_s = t_mono_s + 5.0
        sock = socket.socket(
            socket.AF_INET6 if ":" in self._config.listen else socket.AF_INET, socket.SOCK_DGRAM
        )
        try:
            sock.setblocking(False)
            sock.bind((self._config.listen, self._config.port))
        except OSError as err:
            sock.close()
            if not self.refused["socket"]:
                log.error("relay.listen %s:%s: %s", self._config.listen, self._config.port, err.strerror)
            self.refused["socket"] += 1
            return
        self._sock = sock

    def on_readable(self) -> None:
        """Take what came from the LAN."""
        for _ in range(READS_MAX):
            if self._sock is None:
                return
            try:
                data, address = self._sock.recvfrom(PAYLOAD_BYTES_MAX + 2)
            except BlockingIOError:
                return
            except OSError:
                continue  # an answer that could not be delivered
            if not self._may(address[0]):
                self.stats.dropped += 1
                continue
            try:
                what, body = datagram.unpack(data)
            except FrameError:
                self.refused["datagram"] += 1
                continue
            if what == Datagram.FRAME:
                self.hear(Bearer.DATAGRAM, body, End(Bearer.DATAGRAM, (address[0], address[1])))

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()
        self._sock = None

    def _may(self, host: str) -> bool:
        """A token bucket an address."""
        left, then_s = self._budgets.pop(host, (float(BURST), self._now_s))
        left = min(float(BURST), left + (self._now_s - then_s) * PER_S)
        if len(self._budgets) >= SOURCES_MAX:
            del self._budgets[next(iter(self._budgets))]
        self._budgets[host] = (left - 1 if left >= 1 else left, self._now_s)
        return left >= 1

    # --- up ----------------------------------------------------------------------------------------

    def hear(self, bearer: Bearer, data: bytes, end: End) -> None:
        """A frame, or a packet of several, of others."""
        if not self._config.on:
            return
        try:
            parts = opening.parts(data)
            devices = {opening.peek_device(part) for part in parts}
        except FrameError as err:
            self.refused[err.reason] += 1
            return
        if self._own in devices:
            return  # our own words, said again by the mesh
        for device in devices:
            self._note(device, end)
        self.stats.taken += 1
        self._on_frames(data)
        lane = min(map(_lane_of, parts))
        carried = relay.pack_up(Carried(bearer, data))
        if self._pass_on(carried):
            self.stats.passed += 1
            return
        self._keep(lane, carried)
        if bearer == Bearer.DATAGRAM:
            for part in parts:
                if narrow.is_narrow(part) or _lane_of(part) == Lane.SOS:
                    self._carry_narrow(part)

    def _note(self, device: int, end: End) -> None:
        """Nobody can tell here whose a frame is: the newest few ends are all answered."""
        ends = self._ends.pop(device, {})
        ends.pop(end, None)
        ends[end] = None
        if len(ends) > ENDS_MAX:
            del ends[next(iter(ends))]
        if len(self._ends) >= DEVICES_MAX:
            del self._ends[next(iter(self._ends))]
        self._ends[device] = ends

    def _keep(self, lane: Lane, carried: bytes) -> None:
        if len(self._waiting) >= WAITING_MAX:
            at = next((i for i, (kept, _) in enumerate(self._waiting) if kept != Lane.SOS), 0)
            del self._waiting[at]
            self.stats.dropped += 1
        self._waiting.append((lane, carried))

    def pump(self) -> None:
        """Pass on what waited, alarms first."""
        for wanted in (True, False):
            for _ in range(len(self._waiting)):
                lane, carried = self._waiting[0]
                if (lane == Lane.SOS) != wanted:
                    self._waiting.rotate(-1)
                    continue
                if not self._pass_on(carried):
                    return
                self._waiting.popleft()
                self.stats.passed += 1

    # --- down --------------------------------------------------------------------------------------

    def on_back(self, data: bytes) -> None:
        """What the hub sends for a device behind this relay."""
        try:
            back = relay.unpack_back(data)
        except RelayError:
            self.refused["back"] += 1
            return
        self.hand_back(back)

    def hand_back(self, back: Back) -> None:
        """To all ends where the device was heard, or a broadcast to everybody."""
        if back.device == relay.EVERYBODY:
            if is_broadcast(back.data):
                self.stats.returned += 1
                self._narrow_back(EVERYBODY, back.data)
            return
        what = Datagram.ACK if back.lane == relay.ACK else Datagram.ORDER
        self.say(back.device, datagram.pack(what, back.data))

    def say(self, device: int, message: bytes) -> None:
        """A message to all ends where a device was heard."""
        for end in self._ends.get(device, {}):
            self.stats.returned += 1
            if end.address is None:
                self._narrow_back(end, message)
            elif self._sock is not None and len(message) <= PAYLOAD_BYTES_MAX + 1:
                try:
                    self._sock.sendto(message, end.address)
                except OSError:
                    self.stats.dropped += 1

    def status(self) -> dict[str, object]:
        """For `zhantu-edge status`."""
        return {
            "on": self._config.on,
            "port": self.port,
            "devices": len(self._ends),
            "waiting": len(self._waiting),
            "taken": self.stats.taken,
            "passed": self.stats.passed,
            "returned": self.stats.returned,
            "dropped": self.stats.dropped,
            "refused": dict(self.refused),
        }


def _lane_of(part: bytes) -> Lane:
    """What a frame says of its lane, unproven; HISTORY when it says nothing."""
    try:
        return Lane(opening.peek_lane(part))
    except (FrameError, ValueError):
        return Lane.HISTORY

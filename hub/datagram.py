"""The hub's UDP port: frames in, acknowledgements and messages back to where they came from.

Enters: datagrams of anybody. Leaves: (mark, frame) in the inbox, where ingest checks the MAC; nothing is answered here.
Callers: `hub.app`. A source that sends too much is not listened to for a while: MACs cost time.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from hub.live.paths import Address, mark
from hub.mqtt import Inbox
from protocols import datagram
from protocols.datagram import Datagram
from protocols.errors import FrameError

SOURCES_MAX = 20_000
BURST = 400
PER_S = 200
"""Datagrams that one address may send at once, and a second. A gateway with a backlog sends 20 a round trip."""


class Port(asyncio.DatagramProtocol):
    """One open port. `dropped` counts what was not even looked at."""

    def __init__(self, inbox: Inbox, clock_ms: Callable[[], int]) -> None:
        self._inbox = inbox
        self._clock_ms = clock_ms
        self._budgets: dict[str, tuple[float, int]] = {}
        self._transport: asyncio.DatagramTransport | None = None
        self.dropped = 0

    async def open(self, host: str, port: int) -> int:
        """Listen; the port it got."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(host, port))
        self._transport = transport
        return int(transport.get_extra_info("sockname")[1])

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def send(self, address: Address, data: bytes) -> None:
        """Gone, or not: whoever needs an answer repeats."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, address)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Whatever comes is put in line, or counted as dropped."""
        host, port = str(addr[0]), int(addr[1])
        if not self._may(host):
            self.dropped += 1
            return
        try:
            what, body = datagram.unpack(data)
        except FrameError:
            self.dropped += 1
            return
        if what in (Datagram.FRAME, Datagram.ALIVE):
            self._inbox.put_urgent([(mark(what, (host, port)), body)])
        else:
            self.dropped += 1

    def error_received(self, exc: Exception) -> None:
        """A gateway that is gone answers so; it is no news."""

    def _may(self, host: str) -> bool:
        """A token bucket an address."""
        now_ms = self._clock_ms()
        left, then_ms = self._budgets.pop(host, (float(BURST), now_ms))
        left = min(BURST, left + max(0, now_ms - then_ms) * PER_S / 1_000)
        if len(self._budgets) >= SOURCES_MAX:
            del self._budgets[next(iter(self._budgets))]
        self._budgets[host] = (left - 1 if left >= 1 else left, now_ms)
        return left >= 1

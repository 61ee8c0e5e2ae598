"""A TCP and a UDP port with a bad link behind them: programs talk through them as if to the other end.

Enters: bytes of either side. Leaves: the same bytes later, in other order, twice, or never. Callers: `zhantu-sim
link`, the campaign of faults. Everything is on loopback; one thread with a loop of its own serves a relay.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

from sim.net.link import Link, LinkSpec

CHUNK_BYTES = 1_400
CLIENTS_MAX = 2_000
HELD_BYTES_MAX = 16 * 2**20
JOIN_MS = 5.0

Address = tuple[str, int]


def _now_ms() -> float:
    return time.monotonic() * 1_000


class Relay:
    """Both directions of a link, `up` from the clients to the target and `down` back. Start with `with`."""

    def __init__(self, target: Address, up: LinkSpec, down: LinkSpec, seed: int, port: int = 0) -> None:
        self.up, self.down = Link(up, seed), Link(down, seed + 1)
        self.target = target
        self.port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._tasks: set[asyncio.Task[Any]] = set()

    def __enter__(self) -> "Relay":
        self._thread.start()
        self._call(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def cut(self, *, up: bool = True, down: bool = True) -> None:
        """Partition, both ways or one: what is sent is gone, and nobody is told."""
        self._loop.call_soon_threadsafe(self._set, up, down)

    def join(self) -> None:
        """End of the partition."""
        self.cut(up=False, down=False)

    def _set(self, up: bool, down: bool) -> None:
        self.up.cut, self.down.cut = up, down

    def _call(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _open(self) -> None:
        raise NotImplementedError

    async def _close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _later(self, at_ms: float, work: Callable[..., Any], *arguments: Any) -> None:
        self._loop.call_at(self._loop.time() + max(0.0, at_ms - _now_ms()) / 1_000, work, *arguments)


class StreamRelay(Relay):
    """TCP. A partition holds bytes back and lets new connections hang, as a real one does. Loss is what TCP makes of
    it: delays."""

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def _close(self) -> None:
        self._server.close()
        await super()._close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        other: asyncio.StreamWriter | None = None
        try:
            while self.up.cut or self.down.cut:
                await asyncio.sleep(0.05)
            answers, other = await asyncio.open_connection(*self.target)
            pumps = [self._pump(reader, other, self.up), self._pump(answers, writer, self.down)]
            await asyncio.wait([asyncio.ensure_future(p) for p in pumps], return_when=asyncio.FIRST_COMPLETED)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            for end in (writer, other):
                if end is not None:
                    end.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, link: Link) -> None:
        """Pieces in order, each at its time; reading goes on meanwhile, as far as a real link's queue would."""
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(HELD_BYTES_MAX // CHUNK_BYTES)

        async def deliver() -> None:
            while True:
                at_ms, data = await waiting.get()
                while link.cut or _now_ms() < at_ms:
                    await asyncio.sleep(0.02 if link.cut else max(0.0, at_ms - _now_ms()) / 1_000)
                if not data:
                    return
                writer.write(data)
                await writer.drain()

        delivery = asyncio.ensure_future(deliver())
        try:
            while data := await reader.read(CHUNK_BYTES):
                await waiting.put((link.chunk(len(data), _now_ms()), data))
                while link.behind_ms(_now_ms()) > link.spec.queue_ms:
                    await asyncio.sleep(0.02)
            await waiting.put((_now_ms() + link.spec.delay_ms, b""))
            await delivery
        except OSError:
            pass
        finally:
            delivery.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await delivery


class _Port(asyncio.DatagramProtocol):
    def __init__(self, heard: Callable[[bytes, Address], None]) -> None:
        self._heard = heard
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        self._heard(data, address)

    def error_received(self, exc: Exception) -> None:
        """The other end is not there: as on a real network, nobody is told."""


class DatagramRelay(Relay):
    """UDP. Each client gets a port of its own towards the target, as behind NAT."""

    async def _open(self) -> None:
        self._clients: dict[Address, _Port] = {}
        transport, self._front = await self._loop.create_datagram_endpoint(
            lambda: _Port(self._from_client), local_addr=("127.0.0.1", self.port)
        )
        self.port = int(transport.get_extra_info("sockname")[1])

    async def _close(self) -> None:
        for port in [self._front, *self._clients.values()]:
            if port.transport is not None:
                port.transport.close()
        await super()._close()

    def _from_client(self, data: bytes, address: Address) -> None:
        back = self._clients.get(address)
        if back is None:
            if len(self._clients) >= CLIENTS_MAX:
                return
            back = self._clients[address] = _Port(lambda answer, _from: self._to_client(answer, address))
            task = self._loop.create_task(self._connect(back))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        for at_ms in self.up.packet(len(data), _now_ms()):
            self._later(at_ms, self._send, back, data)

    async def _connect(self, port: _Port) -> None:
        await self._loop.create_datagram_endpoint(lambda: port, remote_addr=self.target)

    def _send(self, port: _Port, data: bytes) -> None:
        if port.transport is None:
            self._later(_now_ms() + JOIN_MS, self._send, port, data)
        elif not port.transport.is_closing():
            port.transport.sendto(data)

    def _to_client(self, data: bytes, address: Address) -> None:
        for at_ms in self.down.packet(len(data), _now_ms()):
            self._later(at_ms, self._answer, data, address)

    def _answer(self, data: bytes, address: Address) -> None:
        if not self._front.transport.is_closing():
            self._front.transport.sendto(data, address)

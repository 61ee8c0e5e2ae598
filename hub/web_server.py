"""The hub's web server: its listening socket, and uvicorn on it.

Enters: an address, the API's app, a TLS context. Leaves: HTTP and WebSockets, or HTTPS and WSS. Caller: `hub.app`.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from hub.api.feed_socket import MESSAGE_BYTES_MAX
from hub.api.guard import Guard
from hub.errors import HubError

STOP_S = 5


def listen(host: str, port: int) -> socket.socket:
    """A bound socket. HubError when the address is taken, or none of this machine's."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as err:
        listener.close()
        raise HubError(f"web: {host}:{port} cannot be used ({err.strerror}); choose another --port") from None
    return listener


def make(app: Guard, tls: ssl.SSLContext | None) -> uvicorn.Server:
    """uvicorn for this app. `tls` None: plain."""
    config = uvicorn.Config(
        app,
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_max_size=MESSAGE_BYTES_MAX,
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,  # who may say where a request comes from? nobody: throttles count by address
        timeout_graceful_shutdown=STOP_S,
    )
    config.load()
    if tls is not None:
        config.ssl = tls
    return _Server(config)


async def serve(
    server: uvicorn.Server,
    listener: socket.socket,
    stop: asyncio.Event,
    started: Callable[[], None],
    ending: Callable[[], None],
) -> None:
    """Until `stop`. `started` is called once a browser can connect, `ending` before connections are closed."""
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.01)
    started()
    await stop.wait()
    ending()
    server.should_exit = True
    await serving


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: the hub ends its parts in order."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

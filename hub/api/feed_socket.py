"""The WebSocket of docs/feed.md: who may listen, and a sender that one slow browser cannot hold up.

The socket is accepted before it is refused: only so does a browser see the close code.
"""

import asyncio
import logging

import msgpack
from starlette.websockets import WebSocket, WebSocketDisconnect

from hub.api.guard import Names, asking, bearer_of
from hub.identity.permissions import Permission
from hub.live.feed import Viewer, encode
from hub.state import HubState

log = logging.getLogger(__name__)
SEND_S_MAX = 5.0
MESSAGE_BYTES_MAX = 4_096
HEARD_PAUSE_S = 0.05
"""After each message of a screen: a screen that talks without end costs little."""
SESSION_CHECK_S = 4.0
"""How soon an open feed notices that its session has ended, or that its person's role has changed: within 5 s."""
CLOSE_CODES = {"slow": 4408, "signed_out": 4401, "stopping": 1001}
VIEWERS_MAX = 500


async def serve(socket: WebSocket, state: HubState, names: Names) -> None:
    """One screen, from greeting to good-bye."""
    await socket.accept()
    # A program with an API token is no browser that another site could have sent here.
    if bearer_of(socket.scope) is None and not names.origin_is_ours(socket.headers):
        await socket.close(4403)
        return
    principal = asking(socket.scope, state.sign_in)
    if principal is None or not principal.may(Permission.PICTURE):
        await socket.close(4401 if principal is None else 4403)
        return
    if len(state.feed.viewers) >= VIEWERS_MAX:
        await socket.close(1013)
        return
    viewer = Viewer(principal)
    state.feed.join(viewer)
    hearing = asyncio.create_task(_hear(socket, viewer, state))
    try:
        await _send(socket, viewer, state)
    except (WebSocketDisconnect, RuntimeError, OSError):
        pass  # the browser went away
    finally:
        state.feed.leave(viewer)
        hearing.cancel()
        await asyncio.gather(hearing, return_exceptions=True)


async def _send(socket: WebSocket, viewer: Viewer, state: HubState) -> None:
    loop = asyncio.get_running_loop()
    check_at = loop.time() + SESSION_CHECK_S
    while not viewer.closing:
        message = state.feed.next_message(viewer)
        if message is None:
            try:
                await asyncio.wait_for(viewer.wake.wait(), max(0.0, check_at - loop.time()))
            except TimeoutError:
                pass
            viewer.wake.clear()
        else:
            try:
                await asyncio.wait_for(socket.send_bytes(message), SEND_S_MAX)
            except TimeoutError:
                viewer.close("slow")
        if loop.time() >= check_at:
            check_at = loop.time() + SESSION_CHECK_S
            _check(socket, viewer, state)
    await _say_bye(socket, viewer.closing)


def _check(socket: WebSocket, viewer: Viewer, state: HubState) -> None:
    """Sent away when the session has ended, greeted anew when its person may see something else now."""
    principal = asking(socket.scope, state.sign_in)
    if principal is None or not principal.may(Permission.PICTURE):
        viewer.close("signed_out")
    elif principal != viewer.principal:
        state.feed.greet_again(viewer, principal)


async def _say_bye(socket: WebSocket, why: str) -> None:
    """Best effort: a viewer that is slow may not take this either."""
    if why == "gone":
        return
    try:
        async with asyncio.timeout(1.0):
            await socket.send_bytes(encode({"k": "bye", "why": why}))
            await socket.close(CLOSE_CODES[why])
    except TimeoutError:
        log.info("a viewer was too slow even for a good-bye")


async def _hear(socket: WebSocket, viewer: Viewer, state: HubState) -> None:
    try:
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                break
            data = message.get("bytes")
            if data and len(data) <= MESSAGE_BYTES_MAX:
                state.feed.hear(viewer, _unpack(data))
            await asyncio.sleep(HEARD_PAUSE_S)
    finally:
        viewer.close("gone")


def _unpack(data: bytes) -> object:
    try:
        return msgpack.unpackb(data, max_map_len=16, max_array_len=16, max_ext_len=0)
    except (ValueError, TypeError, RecursionError):
        return None

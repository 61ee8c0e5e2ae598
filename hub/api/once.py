"""A command with an `Idempotency-Key` takes effect once, however often it is asked: on a bad link nobody knows whether
the first try arrived.

Enters: requests that have passed the guard. Leaves: the first answer again, with `Idempotency-Replayed: true`. Kept for
a day, over restarts, by person and key. Only success is kept: what was refused has done nothing and may be tried again.
**Source:** draft-ietf-httpapi-idempotency-key-header-07.
"""

import asyncio
import hashlib
from collections.abc import Callable, MutableMapping
from concurrent.futures import Executor
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub.api.problems import problem
from hub.identity.permissions import Principal
from hub.store.answers import AnswerRow, Answers

HEADER = "idempotency-key"
KEY_CHARS_MAX = 128
ANSWER_BYTES_MAX = 262_144
"""A larger answer is given and not kept: asking again is then answered 409."""
SECRETS = (
    "/api/v1/session",
    "/api/v1/tokens",
    "/api/v1/people/",
    "/api/v1/devices/enrolment",
    "/api/v1/enrol",
)
"""What answers with a secret is never kept, so it cannot be asked again."""
TOO_LARGE = 0


class Once:
    """ASGI middleware inside the guard."""

    def __init__(
        self, inner: ASGIApp, answers: Answers, clock_ms: Callable[[], int], readers: Executor
    ) -> None:
        self._inner = inner
        self._answers = answers
        self._clock_ms = clock_ms
        self._readers = readers
        self._now: dict[str, asyncio.Future[None]] = {}  # what is being answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = Headers(scope=scope).get(HEADER)
        principal: Principal | None = scope.get("state", {}).get("principal")
        if key is None or principal is None or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._inner(scope, receive, send)
            return
        refusal = _refusal(key, scope["path"])
        if refusal:
            await problem(422, refusal)(scope, receive, send)
            return
        body = await _whole(receive)
        digest = _digest(principal.name, key)
        asked = _digest(scope["method"], scope["path"], scope.get("query_string", b""), body)
        while digest in self._now:
            await asyncio.shield(self._now[digest])
        self._now[digest] = asyncio.get_running_loop().create_future()
        try:
            await self._answer(digest, asked, scope, body, send)
        finally:
            self._now.pop(digest).set_result(None)

    async def _answer(self, digest: str, asked: str, scope: Scope, body: bytes, send: Send) -> None:
        loop = asyncio.get_running_loop()
        known = await loop.run_in_executor(self._readers, self._answers.get, digest, self._clock_ms())
        if known is not None:
            await _again(known, asked, scope, send)
            return
        caught = _Caught(send)
        await self._inner(scope, _replaying(body), caught)
        if 200 <= caught.status < 300:
            row = caught.row(digest, asked, self._clock_ms())
            await loop.run_in_executor(self._readers, self._answers.put, row)
        for message in caught.messages:
            await send(message)


class _Caught:
    """An answer, held back until it is kept: who has it may rely on it."""

    def __init__(self, send: Send) -> None:
        self.messages: list[Message] = []
        self.status = 0

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        self.messages.append(message)

    def row(self, digest: str, asked: str, now_ms: int) -> AnswerRow:
        body = b"".join(m.get("body", b"") for m in self.messages if m["type"] == "http.response.body")
        media = Headers(raw=self.messages[0]["headers"]).get("content-type", "")
        if len(body) > ANSWER_BYTES_MAX:
            return AnswerRow(digest, asked, TOO_LARGE, b"", "", now_ms)
        return AnswerRow(digest, asked, self.status, body, media, now_ms)


async def _again(known: AnswerRow, asked: str, scope: Scope, send: Send) -> None:
    if known.asked != asked:
        await problem(422, f"{HEADER}: was used for another request")(scope, _replaying(b""), send)
    elif known.status == TOO_LARGE:
        await problem(409, "done before; its answer was too large to be kept")(scope, _replaying(b""), send)
    else:
        headers = [(b"idempotency-replayed", b"true"), (b"content-length", str(len(known.body)).encode())]
        if known.media:
            headers.append((b"content-type", known.media.encode()))
        await send({"type": "http.response.start", "status": known.status, "headers": headers})
        await send({"type": "http.response.body", "body": known.body})


def _refusal(key: str, path: str) -> str:
    if not 1 <= len(key) <= KEY_CHARS_MAX or not key.isascii() or not key.isprintable():
        return f"{HEADER}: 1–{KEY_CHARS_MAX} printable ASCII characters are needed"
    if path.startswith(SECRETS):
        return f"{HEADER}: the answer holds a secret and is not kept; ask without it"
    return ""


async def _whole(receive: Receive) -> bytes:
    """The body; the guard has seen to its length."""
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return b"".join(parts)


def _replaying(body: bytes) -> Receive:
    told = False

    async def receive() -> Message:
        nonlocal told
        if told:
            return {"type": "http.disconnect"}
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _digest(*parts: str | bytes) -> str:
    made = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        made.update(len(data).to_bytes(8, "big") + data)
    return made.hexdigest()

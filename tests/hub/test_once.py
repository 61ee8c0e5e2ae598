"""A command with an idempotency key takes effect once."""

import asyncio
from typing import Any

import pytest
from starlette.types import Message, Scope

from hub.api import once
from hub.api.once import Once
from hub.identity.permissions import ALLOWED, Principal, Role
from hub.store.answers import ANSWERS_MAX, KEEP_MS, AnswerRow

ME = Principal("王海", Role.COMMANDER, "", ("*",), "", "s1", ALLOWED[Role.COMMANDER], 2**50)
OTHER = Principal("李强", Role.COMMANDER, "", ("*",), "", "s2", ALLOWED[Role.COMMANDER], 2**50)


class Counting:
    """An app that counts what it does."""

    def __init__(self) -> None:
        self.done: list[bytes] = []
        self.status = 201
        self.answer = b"{}"

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        message = await receive()
        await asyncio.sleep(0)
        self.done.append(message["body"])
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.answer + b"%d" % len(self.done)})


class Asked:
    def __init__(self, bench: Any, state: Any) -> None:
        self.app = Counting()
        self.once = Once(self.app, bench.registry.answers, bench.clock, state.readers)

    async def go(
        self,
        key: str | None,
        body: bytes = b"a",
        path: str = "/api/v1/orders",
        me: Any = ME,
        method: str = "POST",
    ) -> tuple[int, bytes, dict[bytes, bytes]]:
        told: list[Message] = []
        parts = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            return parts.pop(0)

        async def send(message: Any) -> None:
            told.append(message)

        headers = [] if key is None else [(b"idempotency-key", key.encode())]
        scope = {"type": "http", "method": method, "path": path, "headers": headers, "query_string": b""}
        await self.once(scope | {"state": {"principal": me}}, receive, send)
        body = b"".join(m.get("body", b"") for m in told if m["type"] == "http.response.body")
        return told[0]["status"], body, dict(told[0]["headers"])

    def __call__(self, *arguments: Any, **more: Any) -> tuple[int, bytes, dict[bytes, bytes]]:
        return asyncio.run(self.go(*arguments, **more))


@pytest.fixture
def asked(bench: Any, state: Any) -> Asked:
    return Asked(bench, state)


def test_the_same_key_is_done_once_and_answered_the_same(asked: Asked) -> None:
    first, again = asked("k1"), asked("k1")
    assert first[:2] == again[:2] == (201, b"{}1")
    assert again[2][b"idempotency-replayed"] == b"true"
    assert b"idempotency-replayed" not in first[2]
    assert asked.app.done == [b"a"]


def test_it_holds_over_a_restart_for_a_day(asked: Asked, bench: Any, state: Any) -> None:
    asked("k1")
    later = Asked(bench, state)
    assert later("k1")[1] == b"{}1"
    assert later.app.done == []
    bench.clock.now += KEEP_MS
    assert later("k1")[1] == b"{}1", "after a day it is a new command"
    assert later.app.done == [b"a"]


def test_two_tries_at_once_are_one_command(asked: Asked) -> None:
    async def both() -> list[Any]:
        return await asyncio.gather(*(asked.go("k1") for _ in range(5)))

    assert {answer[1] for answer in asyncio.run(both())} == {b"{}1"}
    assert asked.app.done == [b"a"]


def test_a_key_belongs_to_a_person_and_a_request(asked: Asked) -> None:
    asked("k1")
    assert asked("k1", me=OTHER)[1] == b"{}2"
    for other in ({"body": b"b"}, {"path": "/api/v1/orders/task"}, {"method": "PUT"}):
        status, words, _ = asked("k1", **other)
        assert (status, b"another request" in words) == (422, True), other
    assert len(asked.app.done) == 2


@pytest.mark.parametrize("status", [404, 409, 422, 503])
def test_what_was_refused_may_be_tried_again(asked: Asked, status: int) -> None:
    asked.app.status = status
    assert asked("k1")[0] == status
    asked.app.status = 201
    assert asked("k1")[0] == 201
    assert len(asked.app.done) == 2


@pytest.mark.parametrize("key", ["", "x" * 129, "a\x01"])
def test_a_bad_key_is_refused(asked: Asked, key: str) -> None:
    assert asked(key)[0] == 422
    assert asked.app.done == []


def test_secrets_are_never_kept(asked: Asked) -> None:
    for path in ("/api/v1/tokens", "/api/v1/people/x/link", "/api/v1/devices/enrolment", "/api/v1/session"):
        assert asked("k1", path=path)[0] == 422
    assert asked.app.done == []


def test_without_a_key_a_person_or_an_effect_nothing_changes(asked: Asked) -> None:
    for arguments in ({"key": None}, {"key": "k", "me": None}, {"key": "k", "method": "GET"}):
        asked(**arguments)
        asked(**arguments)
    assert len(asked.app.done) == 6


def test_an_answer_too_large_to_keep_is_given_once(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(once, "ANSWER_BYTES_MAX", 2)
    assert asked("k1")[0] == 201
    assert asked("k1")[0] == 409
    assert len(asked.app.done) == 1


def test_the_oldest_answers_go_first(bench: Any) -> None:
    answers = bench.registry.answers
    with bench.registry.together():
        for i in range(ANSWERS_MAX + 1):
            row = AnswerRow(f"d{i}", "a", 200, b"", "", bench.clock() + i)
            if i in (0, 1, ANSWERS_MAX):
                answers.put(row)
            else:
                answers._file.write("INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?)", list(row))
    found = [answers.get(f"d{i}", bench.clock()) is not None for i in (0, 1, ANSWERS_MAX)]
    assert found == [False, True, True]


def test_over_http(ask: Any, state: Any) -> None:
    ask("POST", "/api/v1/session", json={"token": state.sign_in.new_token("王海")})
    body = {"type": "text", "target": "all", "text": "集合"}
    answers = [ask("POST", "/api/v1/orders", json=body, headers={"idempotency-key": "k"}) for _ in range(2)]
    assert answers[0].status_code == answers[1].status_code == 200, answers[0].text
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["cache-control"] == "no-store"
    assert len(ask("GET", "/api/v1/orders").json()["orders"]) == 1

"""The API's document: whole, true, and what it promises under arbitrary requests (schemathesis)."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from hub import cli
from hub.api import app as api
from hub.api.guard import Names, Needs, declared
from hub.api.openapi import REFUSALS, unasked_state
from hub.identity import permissions
from hub.identity.permissions import Permission, Role

APP = api.make(unasked_state(), Names("127.0.0.1", 8600, ())).inner
DOCUMENT: dict[str, Any] = APP.openapi()
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
load_all_checks()
HELD = [
    CHECKS.get_one(name)
    for name in (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
    )
]
EXAMPLES = int(os.environ.get("ZHANTU_FUZZ", "8"))
"""Of each operation; a longer run is `ZHANTU_FUZZ=200 pytest tests/hub/test_openapi.py`."""
HOST = "http://127.0.0.1:8600"
OPERATIONS = [
    (method, path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]


def test_every_route_is_in_it_with_who_may() -> None:
    for route in declared(APP.routes):
        if not route.path.startswith("/api/v1") or "openapi" in route.path:
            continue
        for method in route.methods:
            operation = DOCUMENT["paths"][route.path][method.lower()]
            assert {"summary", "description"} <= operation.keys(), (method, route.path)
            assert set(REFUSALS) <= set(operation["responses"])
            if isinstance(route.rule, Needs):
                named = operation["x-permissions"]
                assert (named.get("all_of") or named.get("any_of") or []) == [
                    str(p) for p in route.rule.permissions
                ]


def test_names_of_operations_are_unique() -> None:
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(names) == len(set(names))


def test_no_schema_leaves_a_string_or_list_of_a_body_unbounded() -> None:
    """A person at the other end of a bad link must not be able to fill the hub."""
    loose = []
    asked = {
        operation["requestBody"]["content"][media]["schema"].get("$ref", "").rpartition("/")[2]
        for _, _, operation in OPERATIONS
        if "requestBody" in operation
        for media in operation["requestBody"]["content"]
    }
    for name in sorted(asked - {""}):
        for key, field in DOCUMENT["components"]["schemas"][name].get("properties", {}).items():
            kinds = [field, *field.get("anyOf", [])]
            for kind in kinds:
                if (
                    kind.get("type") == "string"
                    and not {"maxLength", "enum", "const", "pattern"} & kind.keys()
                ):
                    loose.append(f"{name}.{key}")
                if kind.get("type") == "array" and "maxItems" not in kind:
                    loose.append(f"{name}.{key}")
    assert not loose, loose


def test_the_command_prints_the_same_document(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["openapi"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["paths"] == json.loads(json.dumps(DOCUMENT["paths"]))
    assert cli.main(["openapi", "--out", str(tmp_path / "a.json")]) == 0
    assert json.loads((tmp_path / "a.json").read_text()) == printed


@pytest.fixture
def anybody(ask: Any, state: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Signed in as somebody who may do everything: what is behind the permissions is asked, not the permissions."""
    monkeypatch.setitem(permissions.ALLOWED, Role.COMMANDER, frozenset(Permission))
    ask("POST", "/api/v1/session", json={"token": state.sign_in.new_token("王海")})
    return ask


def own_sign_in(path: str) -> bool:
    """It would sign itself out."""
    return path in ("/api/v1/session", "/api/v1/session/password") or path.startswith("/api/v1/sessions/")


ASKED = [result.ok() for result in SCHEMA.get_all_operations() if not own_sign_in(result.ok().path)]


@pytest.mark.parametrize("operation", ASKED, ids=lambda operation: operation.label)
def test_any_request_is_answered_as_promised(operation: Any, anybody: Any) -> None:
    answered = 0

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
        | operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
    )
    def ask(case: Any) -> None:
        nonlocal answered
        answered += 1
        arguments = case.as_transport_kwargs(base_url=HOST)
        body = {
            k: v
            for k, v in arguments.items()
            if k in ("params", "json", "content", "files") and v is not None
        }
        if "data" in arguments and arguments["data"] is not None:
            body["content"] = arguments["data"]
        headers = dict(arguments.get("headers") or {})
        headers = {k: v for k, v in headers.items() if k.lower() not in ("cookie", "authorization")}
        answer = anybody(case.method, arguments["url"].removeprefix(HOST), headers=headers, **body)
        case.validate_response(answer, checks=HELD)

    ask()
    assert answered >= 1

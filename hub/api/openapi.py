"""The OpenAPI document: FastAPI's, with who may, how one signs in, and errors as they are.

Enters: the app with its declared routes. Leaves: a dict. Callers: `hub.api.app`, `zhantu-hub openapi`.
"""

from typing import Any, cast

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from hub.api.guard import COOKIE, SAFE_METHODS, Needs, Open, declared
from hub.state import HubState

DESCRIPTION = """The command post's HTTP: the picture, alarms, zones, people, orders, drills.

Sign in by a one-time link or a password (a session cookie), or bring an API token (`Authorization: Bearer zt_…`).
`x-permissions` of an operation says what its caller needs. Times are UTC milliseconds since 1970 unless a name says
otherwise; places are WGS-84, GeoJSON where it is geographic. Errors are `application/problem+json` (RFC 9457). A
command with an `Idempotency-Key` takes effect once within a day. The live picture comes over the WebSocket
`/api/v1/feed`."""
PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "examples": ["about:blank"]},
        "title": {"type": "string", "examples": ["Not Found"]},
        "status": {"type": "integer", "examples": [404]},
        "detail": {"type": "string", "examples": ["no unit 'u99'"]},
    },
}
REFUSALS = {
    "400": "it is no request that can be read",
    "401": "not signed in",
    "403": "not allowed to this person, or from another site",
    "404": "there is none that one sees",
    "409": "somebody or something was faster",
    "413": "the body is too large, or its length was not said",
    "421": "the hub is not called that",
    "422": "what was said is not allowed; `detail` says what came and what is",
    "429": "too many tries; `Retry-After` says how long to wait",
    "503": "the hub cannot keep it just now; nothing was done",
}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "the same key: the command takes effect once, and is answered the same again",
    "schema": {"type": "string", "minLength": 1, "maxLength": 128},
}


def install(app: FastAPI) -> None:
    """The app's document is made once, when it is asked for first."""

    def made() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = document(app)
        return app.openapi_schema

    app.openapi = made  # type: ignore[method-assign]


def document(app: FastAPI) -> dict[str, Any]:
    """The whole document, OpenAPI 3.1."""
    out = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes)
    parts = out.setdefault("components", {})
    schemas = parts.setdefault("schemas", {})
    schemas["Problem"] = PROBLEM
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    parts["securitySchemes"] = {
        "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
        "token": {"type": "http", "scheme": "bearer"},
    }
    rules = {(m.lower(), route.path): route.rule for route in declared(app.routes) for m in route.methods}
    for path, operations in out["paths"].items():
        for method, operation in operations.items():
            _finish(operation, method, rules.get((method, path)))
    return out


def _finish(operation: dict[str, Any], method: str, rule: Needs | Open | None) -> None:
    if isinstance(rule, Needs):
        operation["security"] = [{"session": []}] if rule.in_person else [{"session": []}, {"token": []}]
        operation["x-permissions"] = {
            "any_of" if rule.any_of else "all_of": [str(p) for p in rule.permissions],
            "in_person": rule.in_person,
        }
    else:
        operation["security"] = []
    answer = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status, words in REFUSALS.items():
        operation["responses"][status] = {"description": words, "content": answer}
    if method.upper() not in SAFE_METHODS:
        operation.setdefault("parameters", []).append(_KEY)


class _Unasked:
    """In place of a running hub: routes are made of it and never asked."""

    def __getattr__(self, name: str) -> Any:
        return "1" if name == "version" else _Unasked()

    def __call__(self, *_: Any, **__: Any) -> Any:
        return _Unasked()


def unasked_state() -> HubState:
    """What routes can be made of without a hub."""
    return cast(HubState, _Unasked())

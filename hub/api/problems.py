"""Errors as application/problem+json (RFC 9457). A route lets `Refused` pass: it is answered here."""

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from hub.errors import Refused


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """One problem: what is wrong, in words."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse(body, status, headers, media_type="application/problem+json")


async def _http(_request: Request, err: Exception) -> JSONResponse:
    assert isinstance(err, HTTPException)
    return problem(err.status_code, str(err.detail), dict(err.headers or {}))


async def _invalid(_request: Request, err: Exception) -> JSONResponse:
    assert isinstance(err, RequestValidationError)
    words = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in err.errors()[:5])
    return problem(422, words)


async def _refused(_request: Request, err: Exception) -> JSONResponse:
    assert isinstance(err, Refused)
    return problem(err.status, str(err), {"Retry-After": str(err.wait_s)} if err.wait_s else None)


def install(app: FastAPI) -> None:
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Refused, _refused)

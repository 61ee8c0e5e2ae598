"""Talking to the hub's API before and beside MQTT: HTTPS to a hub that a fingerprint, or its authority, proves.

Enters: host, port, what to say. Leaves: the answer, or HubError in one line. Callers: `edge.enrol`, `edge.renew`.

Nothing is trusted beforehand. The authority's certificate is fetched over a connection that proves nothing and
carries nothing secret; only when its fingerprint is the code's does a second connection, which trusts that authority
alone, carry the rest. Every exchange ends within a bounded time and a bounded number of bytes.
"""

import http.client
import ipaddress
import json
import socket
import ssl
import threading
import time
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from edge.certificates import validity
from edge.identity import when
from protocols.enrolment import BODY_BYTES_MAX, address, fingerprint_90

TIMEOUT_S = 10.0
"""Between two signs of life of the hub."""
ANSWER_S_MAX = 30.0
"""For a whole exchange: a hub that drips a byte now and then must not hold us."""
AUTHORITY_PATH = "/api/v1/authority"


class HubError(ValueError):
    """The hub cannot be reached, is not the right one, or says no. `status` is of HTTP, 0 without an answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Hub(NamedTuple):
    """Where a hub is, and how it is proven: `authority_der` is the certificate of its authority."""

    host: str
    port: int
    scheme: str
    authority_der: bytes

    @property
    def url(self) -> str:
        return f"{self.scheme}://{address(self.host, self.port)}"


def find(host: str, port: int, print_90: int) -> Hub:
    """The hub at this address whose authority has this fingerprint. Sends nothing that is secret."""
    scheme, shown = "https", b""
    stranger = ssl.create_default_context()
    stranger.check_hostname, stranger.verify_mode = False, ssl.CERT_NONE
    try:
        status, body, shown = _exchange(host, port, stranger, "GET", AUTHORITY_PATH)
    except (ssl.SSLError, ConnectionResetError) as err:
        if not _is_loopback(host):
            raise HubError(
                f"{address(host, port)} does not speak TLS ({_reason(err)}): is the port the hub's?"
            ) from None
        scheme = "http"
        status, body, _ = _asked(host, port, None, "GET", AUTHORITY_PATH)
    except (OSError, http.client.HTTPException) as err:
        raise _unreachable(host, port, err) from None
    if status != 200:
        raise HubError(
            f"{address(host, port)} is not a Zhantu hub of this version: no authority (HTTP {status})", status
        )
    try:
        der = ssl.PEM_cert_to_DER_cert(body.decode("ascii").strip())
    except ValueError:
        raise HubError(
            f"{address(host, port)} is not a Zhantu hub: its authority is no certificate"
        ) from None
    if fingerprint_90(der) != print_90:
        raise HubError(
            f"{address(host, port)}: this is not the hub that made the code; nothing was sent to it"
        )
    _check_clock(shown or der)
    return Hub(host, port, scheme, der)


def at(url: str, authority_pem: str) -> Hub:
    """The hub of an identity. HubError when the files do not make sense."""
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or not parts.port:
            raise ValueError
        return Hub(parts.hostname, parts.port, parts.scheme, ssl.PEM_cert_to_DER_cert(authority_pem.strip()))
    except ValueError:
        raise HubError(
            f"the identity's hub {url[:80]!r} or its authority.pem is damaged; enrol anew"
        ) from None


def post(hub: Hub, path: str, said: dict[str, Any]) -> bytes:
    """What a proven hub answers to a JSON object; HubError with the hub's own words when it says no."""
    if hub.scheme == "http" and not _is_loopback(hub.host):
        raise HubError(f"{hub.url}: without TLS only a hub on this machine may be spoken to")
    status, answer = _proven(hub, path, json.dumps(said).encode())
    if status == 200:
        return answer
    where = address(hub.host, hub.port)
    raise HubError(f"{where}: {_WORDS.get(status, f'HTTP {status}')}{_detail(answer)}", status)


_WORDS = {
    401: "the hub does not know this code or this gateway",
    403: "the hub has revoked this gateway: it must be enrolled with a new code",
    404: "the hub does not know this code or this gateway",
    409: "this gateway is not the device that the hub expects",
    410: "the code has been used or has run out: ask for a new one",
    429: "too many tries: wait a minute",
}


def _proven(hub: Hub, path: str, body: bytes) -> tuple[int, bytes]:
    """Ask under the hub's authority alone or, for an installer's certificate, under the system's authorities.

    A certificate that does not verify ends the connection before anything is sent.
    """
    if hub.scheme == "http":
        return _asked(hub.host, hub.port, None, "POST", path, body)[:2]
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ours.load_verify_locations(cadata=hub.authority_der)
    refused: list[ssl.SSLCertVerificationError] = []
    for context in (ours, ssl.create_default_context()):
        try:
            return _asked(hub.host, hub.port, context, "POST", path, body)[:2]
        except ssl.SSLCertVerificationError as err:
            refused.append(err)
    raise HubError(
        f"{hub.url}: its certificate is not this hub's: {refused[0].verify_message} "
        f"(this gateway's clock says {when(round(time.time() * 1000))})"
    )


def _asked(
    host: str, port: int, context: ssl.SSLContext | None, method: str, path: str, body: bytes | None = None
) -> tuple[int, bytes, bytes]:
    try:
        return _exchange(host, port, context, method, path, body)
    except ssl.SSLCertVerificationError:
        raise
    except (OSError, http.client.HTTPException) as err:
        raise _unreachable(host, port, err) from None


def _exchange(
    host: str, port: int, context: ssl.SSLContext | None, method: str, path: str, body: bytes | None = None
) -> tuple[int, bytes, bytes]:
    """(status, body, the server's certificate as DER). OSError and HTTPException as they come."""
    if context is None:
        line = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    else:
        line = http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)
    try:
        line.connect()
        sock = line.sock
        end = threading.Timer(ANSWER_S_MAX, _cut, (sock,))
        end.daemon = True
        end.start()
        try:
            shown = sock.getpeercert(binary_form=True) if isinstance(sock, ssl.SSLSocket) else b""
            line.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            answer = line.getresponse()
            data = answer.read(BODY_BYTES_MAX + 1)
        finally:
            end.cancel()
        if len(data) > BODY_BYTES_MAX:
            raise http.client.HTTPException(f"an answer of more than {BODY_BYTES_MAX} bytes")
        return answer.status, data, shown or b""
    finally:
        line.close()


def _cut(sock: socket.socket) -> None:
    try:
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError:
        return  # it is closed already


def _check_clock(certificate_der: bytes) -> None:
    """HubError when this gateway's clock is outside the validity of the hub's certificate, with both times."""
    now_ms = round(time.time() * 1000)
    begin_ms, end_ms = validity(certificate_der)
    if now_ms < begin_ms:
        raise HubError(
            f"this gateway's clock says {when(now_ms)}, but the hub's certificate is valid only from "
            f"{when(begin_ms)}: set the clock (`sudo date -u -s …`) and try again"
        )
    if now_ms > end_ms:
        raise HubError(
            f"this gateway's clock says {when(now_ms)}, but the hub's certificate ended {when(end_ms)}: "
            "one of the two is wrong"
        )


def _detail(answer: bytes) -> str:
    """` (words)` of a problem+json, one line at most; "" when there are none."""
    try:
        detail = json.loads(answer)["detail"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""
    words = "".join(c for c in detail if c.isprintable())[:200] if isinstance(detail, str) else ""
    return f" ({words})" if words else ""


def _unreachable(host: str, port: int, err: Exception) -> HubError:
    return HubError(f"no hub answers at {address(host, port)}: {_reason(err)}")


def _reason(err: Exception) -> str:
    if isinstance(err, TimeoutError):
        return f"no answer within {TIMEOUT_S:g} s"
    if isinstance(err, OSError) and err.strerror:
        return err.strerror
    return str(err) or type(err).__name__


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

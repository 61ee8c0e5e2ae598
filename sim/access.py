"""How a simulator's command reaches a hub: addresses, keys, sign-in.

Enters: words from a command line. Leaves: checked addresses, a source of device keys, a session cookie.
Callers: `sim.load`, `sim.run`. Everything refused here is an AccessError in one line.
"""

import http.client
import ipaddress
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from protocols.keys import KEY_BYTES, MacKey, device_key

HTTP_TIMEOUT_S = 15.0


class AccessError(RuntimeError):
    """A hub, broker, key or word from the command line that cannot be used."""


@dataclass(frozen=True, slots=True)
class HubAddress:
    """Where a hub's screen is."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, url: str) -> "HubAddress":
        """From `http://host:port`; AccessError for anything else."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as err:
            raise AccessError(f"--hub: {url!r}: {err}") from None
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
            raise AccessError(f"--hub: {url!r}, http://HOST:PORT is needed")
        return cls(parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 80))

    @property
    def netloc(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == {"http": 80, "https": 443}[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.netloc}"

    @property
    def feed_url(self) -> str:
        return f"{'wss' if self.scheme == 'https' else 'ws'}://{self.netloc}/api/v1/feed"


def mqtt_address(text: str) -> tuple[str, int]:
    """Host and port out of `HOST:PORT`."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise AccessError(f"--mqtt: {text!r}, HOST:PORT with a port 1–65535 is needed")
    return host.strip("[]"), int(port)


def loopback_only(option: str, host: str) -> None:
    """AccessError when `host` is not this machine: load on somebody else's hub must be asked for."""
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if not loopback:
        raise AccessError(f"{option}: {host} is not this machine; --yes-not-loopback allows it")


def read_hex_key(path: Path) -> bytes:
    """A key file: 64 or more hexadecimal digits."""
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except OSError as err:
        raise AccessError(f"{path}: {err.strerror}") from None
    except ValueError:
        raise AccessError(f"{path}: not hexadecimal, {2 * KEY_BYTES} digits are needed") from None
    if len(key) < KEY_BYTES:
        raise AccessError(f"{path}: {len(key)} bytes, at least {KEY_BYTES} needed")
    return key


def key_source(master: str | None, keys: str | None, realm: str) -> Callable[[int], MacKey]:
    """Device -> key, out of the hub's master file or a folder of `<device>.key` files."""
    if master is not None:
        secret = read_hex_key(Path(master))
        return lambda device: MacKey(device_key(secret, realm, device), realm)
    folder = Path(keys or ".")
    if not folder.is_dir():
        raise AccessError(f"--keys: {folder} is not a folder")

    def from_folder(device: int) -> MacKey:
        key = read_hex_key(folder / f"{device}.key")
        if len(key) != KEY_BYTES:
            raise AccessError(f"{folder / f'{device}.key'}: {len(key)} bytes, {KEY_BYTES} needed")
        return MacKey(key, realm)

    return from_folder


def token_of(link: str) -> str:
    """The one-time token in a sign-in link (`…/#t=TOKEN`), or the text itself when it is no link."""
    parts = urlsplit(link.strip())
    for part in (parts.fragment.rpartition("?")[2], parts.query):
        for name in ("t", "token"):
            if token := parse_qs(part).get(name):
                return token[0]
    if parts.scheme in ("http", "https"):
        return parts.fragment or parts.path.rpartition("/")[2]
    return link.strip()


def sign_in(hub: HubAddress, token: str) -> str:
    """Gives the token to the hub; the session as a Cookie header's value."""
    kind = http.client.HTTPSConnection if hub.scheme == "https" else http.client.HTTPConnection
    connection = kind(hub.host, hub.port, timeout=HTTP_TIMEOUT_S)
    headers = {"Content-Type": "application/json", "Origin": hub.origin}
    try:
        connection.request("POST", "/api/v1/session", json.dumps({"token": token}), headers)
        response = connection.getresponse()
        body = response.read(10_000)
    except (OSError, http.client.HTTPException) as err:
        raise AccessError(f"{hub.origin}: {err}") from None
    finally:
        connection.close()
    cookies = [value.partition(";")[0] for value in response.headers.get_all("Set-Cookie") or []]
    if response.status >= 300 or not cookies:
        shown = body.decode(errors="replace")[:200]
        raise AccessError(f"{hub.origin}: sign-in refused with {response.status}: {shown}")
    return "; ".join(cookies)

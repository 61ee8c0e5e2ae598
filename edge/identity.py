"""Who this gateway is: the files that an enrolment left, read and written.

Enters: a folder, or the path of its `identity.json`. Leaves: `Identity`, or IdentityError that names the file.
Callers: `edge.config` at the start, `edge.enrol` and `edge.renew`, which write, `edge.agent` and `edge.check`.

identity.json is written last and taken away first, so it stands for a whole identity. The certificate and its key
are one file, device.pem: two files could be torn by a power cut between them.
"""

import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from protocols.errors import TopicError
from protocols.topics import DEVICE_MAX, check_realm

NAME = "identity.json"
MAC_KEY, CERTIFICATE, AUTHORITY, COMMANDERS = "device.key", "device.pem", "authority.pem", "commanders.bin"
FILE_BYTES_MAX = 16_384
_SIGNER = re.compile(r"[0-9a-f]{64}\Z")


class IdentityError(ValueError):
    """An identity cannot be read; the message names the file."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What is in identity.json. `hub` is the address of its API; `signer` the hub's Ed25519 key, 64 digits.

    `issued_utc_ms` is when this gateway got the certificate. Its own beginning says nothing about its life: a hub may
    date it far back, so that a gateway whose clock is behind can use it.
    """

    device: int
    realm: str
    epoch: int
    callsign: str
    hub: str
    signer: str
    mqtt_host: str
    mqtt_port: int
    mqtt_tls: bool
    issued_utc_ms: int
    not_after_utc_ms: int

    def renewal_due(self, t_utc_ms: int) -> bool:
        """Whether less than a third of the certificate's life is left."""
        return self.mqtt_tls and 3 * (self.not_after_utc_ms - t_utc_ms) < (
            self.not_after_utc_ms - self.issued_utc_ms
        )

    def until(self, t_utc_ms: int) -> str:
        """The certificate's end for a person, such as `2027-11-23 22:02 UTC (364 days)`."""
        days = (self.not_after_utc_ms - t_utc_ms) // 86_400_000
        left = f"{days} days" if self.not_after_utc_ms > t_utc_ms else "EXPIRED"
        return f"{when(self.not_after_utc_ms)} ({left})"


def when(t_utc_ms: int) -> str:
    """A time for a person, in UTC to the minute."""
    return datetime.fromtimestamp(t_utc_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def read(path: Path) -> Identity:
    """The identity in a file; IdentityError when there is none that can be used."""
    try:
        with path.open("rb") as file:
            said: Any = json.loads(file.read(FILE_BYTES_MAX))
        values = {spec.name: said[spec.name] for spec in fields(Identity)}
    except OSError as err:
        raise IdentityError(f"{path}: {err.strerror}; `zhantu-edge enrol` writes it") from None
    except (ValueError, TypeError, KeyError, RecursionError) as err:
        raise IdentityError(f"{path}: not an identity ({type(err).__name__}: {err})") from None
    for spec in fields(Identity):
        if type(values[spec.name]) is not spec.type:
            raise IdentityError(f"{path}: {spec.name} is {values[spec.name]!r}, not of the right type")
    found = Identity(**values)
    if not (
        1 <= found.device <= DEVICE_MAX and 1 <= found.mqtt_port < 65_536 and _SIGNER.match(found.signer)
    ):
        raise IdentityError(f"{path}: device, mqtt_port or signer is out of range")
    if not 0 <= found.issued_utc_ms <= found.not_after_utc_ms <= 2**48:
        raise IdentityError(f"{path}: issued_utc_ms and not_after_utc_ms do not follow each other")
    try:
        check_realm(found.realm)
    except TopicError as err:
        raise IdentityError(f"{path}: {err}") from None
    return found


def defaults(found: Identity, folder: Path) -> dict[str, dict[str, Any]]:
    """What the sections [device] and [mqtt] of a configuration are, unless it says otherwise."""
    device: dict[str, Any] = {
        "number": found.device,
        "realm": found.realm,
        "callsign": found.callsign,
        "key_file": str(folder / MAC_KEY),
    }
    mqtt: dict[str, Any] = {"host": found.mqtt_host, "port": found.mqtt_port}
    if found.mqtt_tls:
        mqtt |= {"ca_file": str(folder / AUTHORITY), "cert_file": str(folder / CERTIFICATE)}
    return {"device": device, "mqtt": mqtt}


def as_bytes(identity: Identity) -> bytes:
    """The content of identity.json."""
    return json.dumps(asdict(identity), ensure_ascii=False, indent=2).encode() + b"\n"


def write(path: Path, data: bytes) -> None:
    """Replace one file, mode 0600, so that a power cut leaves the old one or the new one."""
    with _staged(path.parent, {path.name: data}) as drafts:
        drafts[0].replace(path)


def replace_all(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Make a folder's files a new identity. A power cut leaves the old one, the new one, or no identity.json.

    Everything is on the disk under other names before the first file changes. identity.json must come last.
    """
    assert list(contents)[-1] == NAME
    with _staged(folder, contents) as drafts:
        (folder / NAME).unlink(missing_ok=True)
        for draft, name in zip(drafts, contents, strict=True):
            draft.replace(folder / name)


@contextmanager
def _staged(folder: Path, contents: Mapping[str, bytes]) -> Iterator[list[Path]]:
    """The contents under other names, on the disk; what was not renamed by the end is taken away.

    Root writes for the folder's owner, because the agent runs as somebody else.
    """
    drafts = [folder / f".{name}.{os.getpid()}" for name in contents]
    owner = folder.stat()
    try:
        for draft, data in zip(drafts, contents.values(), strict=True):
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                if os.geteuid() == 0:
                    os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        yield drafts
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)  # the names too
    finally:
        os.close(handle)


def exposed(paths: Iterable[Path]) -> list[Path]:
    """Those files of keys that everybody on this machine can read."""
    found = []
    for path in paths:
        try:
            if path.stat().st_mode & stat.S_IROTH:
                found.append(path)
        except OSError:
            continue  # a file that is missing is told by whoever needs it
    return found

"""Making this gateway known to a hub, once, by a code that a person types.

Enters: a code and a folder. Leaves: the files of an identity in it, and a configuration when there was none; or one
line that says what to do. Called by `zhantu-edge enrol`. Nothing is written before everything was received.
"""

import json
import os
import pwd
import re
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from edge import certificates, hub_http, identity
from edge.identity import Identity, IdentityError
from firmware_bridge.ports import PortInfo, list_ports
from protocols import enrolment
from protocols.enrolment import Granted
from protocols.errors import EnrolmentError

SYSTEM_FOLDER = Path("/etc/zhantu")
SYSTEM_SPOOL = Path("/var/lib/zhantu/spool.db")
_PLUGGED = re.compile(r"tty(USB|ACM)\d+\Z")
USER = "zhantu"
"""Whom the systemd unit runs the agent as."""


class Enrolled(NamedTuple):
    """What was done: the identity, the configuration, and whether that was written now.

    device_before   None when there was no identity, 0 when it could not be read
    """

    identity: Identity
    config: Path
    config_is_new: bool
    device_before: int | None


def enrol(
    code_text: str, folder: Path, replace: bool, list_ports: Callable[[], list[PortInfo]] = list_ports
) -> Enrolled:
    """Redeem a code. EnrolmentError, HubError, IdentityError or OSError, each in one line."""
    code = enrolment.unpack(code_text)
    before = _held(folder, replace)
    _make_folder(folder)
    hub = hub_http.find(code.host, code.port, code.print_90)
    request = certificates.new_request()
    said = {
        "secret": code.secret,
        "csr": request.csr,
        "firmware": f"zhantu {version('zhantu')}",
        "machine": machine(),
    }
    granted = enrolment.granted(hub_http.post(hub, enrolment.ENROL_PATH, said))
    if not granted.mac_key:
        raise EnrolmentError("hub: its answer has no mac_key")
    made, files = contents(hub, granted, request)
    files = {identity.MAC_KEY: granted.mac_key.encode() + b"\n", **files}
    identity.replace_all(folder, files)
    config = folder / "edge.toml"
    is_new = not config.exists()
    if is_new:
        identity.write(config, config_text(folder, list_ports()).encode())
    return Enrolled(made, config, is_new, before)


def contents(
    hub: hub_http.Hub, granted: Granted, request: certificates.Request
) -> tuple[Identity, dict[str, bytes]]:
    """The identity, and the files that change with each certificate, identity.json last.

    IdentityError unless the certificate is for our key, from the authority that the code or our files name.
    """
    if certificates.as_der(granted.authority) != hub.authority_der:
        raise IdentityError("the hub's answer names another authority than the one it has proven; enrol anew")
    end_ms = certificates.check_granted(granted.certificate, request, hub.authority_der, granted.device)
    made = Identity(
        granted.device, granted.realm, granted.epoch, granted.callsign, hub.url, granted.signer,
        granted.mqtt_host, granted.mqtt_port, granted.mqtt_tls, min(round(time.time() * 1000), end_ms), end_ms,
    )  # fmt: skip
    return made, {
        identity.AUTHORITY: granted.authority.encode(),
        identity.CERTIFICATE: (granted.certificate.rstrip() + "\n" + request.key).encode(),
        identity.NAME: identity.as_bytes(made),
    }


def machine(root: Path = Path("/")) -> str:
    """What this gateway is, for the hub's list: the board's own name, else the kernel's word for it."""
    for path in ("proc/device-tree/model", "sys/class/dmi/id/product_name"):
        try:
            name = (root / path).read_text(encoding="utf-8", errors="replace").strip("\0 \n")
        except OSError:
            continue
        if name:
            return "".join(c for c in name if c.isprintable())[:80]
    return os.uname().machine


def config_text(folder: Path, ports: list[PortInfo]) -> str:
    """A configuration for what is plugged in now."""
    spool = SYSTEM_SPOOL if folder.resolve() == SYSTEM_FOLDER else Path("spool.db")
    lines = [
        "# Written by `zhantu-edge enrol`. `zhantu-edge config` prints every key there is, with its default.",
        "",
        "[device]",
        f'identity = "{identity.NAME}"',
        "",
        "[spool]",
        f"path = {json.dumps(str(spool))}",
    ]
    plugged = [port for port in ports if port.by_id or _PLUGGED.search(port.path)]
    for i, port in enumerate(plugged):
        name = "gnss" if i == 0 else f"gnss-{i + 1}"
        lines += ["", f"# {port.description}" if port.description.isprintable() else "#"]
        lines += _port_lines(name, port.by_id or port.path)
    for port in ports:
        if (
            port not in plugged
        ):  # most boards have some with nothing on them, which would be called silent for ever
            lines += ["", "# Built in. When a device is on it, take the # away:"]
            lines += [f"# {line}" for line in _port_lines(Path(port.path).name, port.path)]
    if not ports:
        lines += [
            "",
            "# No serial port was plugged in. Plug the receiver in, see `zhantu-edge ports`, and take the # away:",
        ]
        lines += [f"# {line}" for line in _port_lines("gnss", "/dev/serial/by-id/…")]
    return "\n".join(lines) + "\n"


def _port_lines(name: str, path: str) -> list[str]:
    return [
        "[[port]]",
        f"name = {json.dumps(name)}",
        f"path = {json.dumps(path, ensure_ascii=False)}",
        'driver = "gnss"',
        "baud = 0",
    ]


def as_text(done: Enrolled) -> str:
    """What a technician reads: what was done, what is next."""
    made = done.identity
    lines = [
        f"This gateway is device {made.device}, {made.callsign or 'without a name'}, of realm {made.realm}.",
        f"Broker {made.mqtt_host}:{made.mqtt_port}{'' if made.mqtt_tls else ', without TLS'}; "
        f"certificate until {made.until(round(time.time() * 1000))}, renewed by itself.",
        f"{'Written' if done.config_is_new else 'Kept as it was'}: {done.config}",
    ]
    if done.device_before not in (None, 0, made.device):
        lines.append(
            f"It was device {done.device_before}: rows that still wait in the spool would go out as {made.device}. "
            "Move the spool's file away if they must not."
        )
    if done.device_before is not None:
        lines.append("A running agent must be restarted.")
    return "\n".join([*lines, "Next:", f"    zhantu-edge check --config {done.config}"])


def _held(folder: Path, replace: bool) -> int | None:
    """`Enrolled.device_before`; IdentityError unless the identity may go."""
    path = folder / identity.NAME
    if not path.exists():
        return None
    try:
        held: int | None = identity.read(path).device
        words = f"this gateway is device {held} already"
    except IdentityError as err:
        held, words = 0, f"there is an identity that cannot be read ({err})"
    if not replace:
        raise IdentityError(f"{path}: {words}; --replace puts a new identity in its place")
    return held


def _make_folder(folder: Path) -> None:
    """The folder, mode 0700; root gives a new one, and the system's, to the agent's user. It must be known to be
    writable now, before the code is used up."""
    is_new = not folder.is_dir()
    if is_new:
        folder.mkdir(mode=0o700, parents=True)
    if os.geteuid() == 0 and (is_new or folder.resolve() == SYSTEM_FOLDER):
        with suppress(KeyError):  # nobody of that name: the folder stays as it is
            account = pwd.getpwnam(USER)
            os.chown(folder, account.pw_uid, account.pw_gid)
    identity.write(folder / ".enrol", b"x" * 16_384)
    (folder / ".enrol").unlink()

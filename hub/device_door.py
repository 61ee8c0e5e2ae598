"""Where devices come in: the broker's TLS listener with its certificate, access list and revocation list.

Enters: the registry's devices, the authority, the address. Leaves: lines of mosquitto's configuration, files beside
it, SIGHUP when one of them changed, and the end of sessions whose certificate was taken back. Callers: `hub.broker`,
`hub.app`.

Who a device is comes from its certificate alone: it is the user name and the client id, whatever the client says. One
pattern lets each publish under its own number only; the patterns are the same for 10 devices and 10,000.
"""

import asyncio
import logging
import signal
from collections.abc import Callable, Iterable
from pathlib import Path

from hub import addresses
from hub.children import Child
from hub.files import write_whole
from hub.identity.authority import Authority
from hub.settings import Settings
from hub.store.devices import Devices, RevokedRow
from protocols import mqtt_wire, topics
from protocols.catalog import Lane

log = logging.getLogger(__name__)
CONNECTIONS_MAX = 20_000
KICK_WAIT_S = 2.0
KICK_AGAIN_S = 1.0
"""A session is ended twice: one that came back in the moment before the broker had read the new list goes too."""
KICKS_AT_ONCE = 16

GLOBAL = """\
# Devices are served over TLS: denials stand only in the debug log, which the hub reads and sorts out.
log_type debug
"""
LISTENER = """\
listener {port} {host}
allow_anonymous false
cafile {tls}/authority.pem
certfile {chain}
keyfile {key}
crlfile {tls}/revoked.pem
tls_version tlsv1.3
require_certificate true
use_identity_as_username true
use_username_as_clientid true
acl_file {tls}/devices.acl
max_connections {connections}
"""


class DeviceDoor:
    """`refresh` is called when the registry changed, and now and then for the server's own certificate."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        authority: Authority,
        devices: Devices,
        clock_ms: Callable[[], int],
    ) -> None:
        self.host, self.port = settings.devices_at, settings.devices_port
        self.writes = 0
        """Files written since the start."""
        self._settings = settings
        self._folder = folder
        self._authority = authority
        self._devices = devices
        self._clock_ms = clock_ms
        self._shut_out: dict[str, RevokedRow] | None = None
        self._acl = b""
        self._server = b""
        self._kicks: set[asyncio.Task[None]] = set()

    # --- files -------------------------------------------------------------------------------------------

    def write(self) -> tuple[bool, set[int]]:
        """Bring the files up to date: whether one changed, and the devices newly shut out."""
        acl, server = self._wanted_acl(), self._server_bytes()
        shut_out = {row.serial: row for row in self._devices.revoked_certificates(self._clock_ms())}
        known = self._shut_out or {}
        new = shut_out.keys() - known.keys()
        changed = self._shut_out is None or acl != self._acl or server != self._server or bool(new)
        if self._shut_out is None or new:
            lines = ((row.serial, row.revoked_utc_ms) for row in shut_out.values())
            self._put("revoked.pem", self._authority.revocations(lines))
            self._shut_out = shut_out
        if acl != self._acl:
            self._put("devices.acl", acl)
        self._acl, self._server = acl, server
        return changed, {shut_out[serial].device for serial in new}

    def _put(self, name: str, data: bytes) -> None:
        write_whole(self._folder / name, data)
        self.writes += 1

    def _server_bytes(self) -> bytes:
        """The chain in its file, issued anew when it is time."""
        return self._chain()[0].read_bytes()

    def _chain(self) -> tuple[Path, Path]:
        return self._authority.server(addresses.server_names(self._settings, self.host), "broker")

    def _wanted_acl(self) -> bytes:
        realm = self._settings.realm
        lines = [f"pattern write z/{realm}/+/%u/{int(lane)}" for lane in Lane]
        lines += [f"pattern read z/{realm}/+/%u/{down}" for down in "ao"]
        hubs = self._devices.hubs()
        for device in sorted(self._devices.relays()):
            lines += [
                f"user {device}",
                f"topic write {topics.relayed(realm, device)}",
                f"topic read {topics.back(realm, device)}",
            ]
            if device in hubs:
                lines.append(f"topic write {topics.family(realm, device)}")
        return ("\n".join(lines) + "\n").encode()

    # --- the broker --------------------------------------------------------------------------------------

    def global_lines(self) -> str:
        return GLOBAL

    def listener_lines(self) -> str:
        chain, key = self._chain()
        return LISTENER.format(
            host=self.host,
            port=self.port,
            tls=self._folder,
            chain=chain,
            key=key,
            connections=CONNECTIONS_MAX,
        )

    def refresh(self, broker: Child, plain: tuple[str, int]) -> None:
        """After a change: the files, then SIGHUP, then the end of sessions that must not go on. On the hub's loop."""
        changed, shut_out = self.write()
        if not changed:
            return
        broker.signal(signal.SIGHUP)  # mosquitto reads certificates and lists again, and drops nobody
        if shut_out:
            task = asyncio.create_task(_end_sessions(shut_out, plain))
            self._kicks.add(task)
            task.add_done_callback(self._kicks.discard)

    async def close(self) -> None:
        for task in list(self._kicks):
            task.cancel()
        await asyncio.gather(*self._kicks, return_exceptions=True)


async def _end_sessions(devices: Iterable[int], plain: tuple[str, int]) -> None:
    """Nothing in mosquitto ends a session, but a second client of the same id takes it over."""
    few = asyncio.Semaphore(KICKS_AT_ONCE)

    async def one(device: int) -> None:
        async with few:
            try:
                await end_session(device, plain)
            except (OSError, TimeoutError, EOFError) as err:
                log.warning("broker: the session of device %d could not be ended: %s", device, err)

    for wait_s in (0.0, KICK_AGAIN_S):
        await asyncio.sleep(wait_s)
        await asyncio.gather(*(one(device) for device in devices))


async def end_session(device: int, plain: tuple[str, int]) -> None:
    """Take a device's session over on the loopback listener, and leave it."""
    async with asyncio.timeout(KICK_WAIT_S):
        reader, writer = await asyncio.open_connection(*plain)
        try:
            writer.write(mqtt_wire.connect(str(device), 10, version_5=True))
            await reader.readexactly(4)
            writer.write(mqtt_wire.DISCONNECT_PACKET)
            await writer.drain()
        finally:
            writer.close()

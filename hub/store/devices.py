"""Devices in the registry: number, kind, firmware, epoch of keys, state; one-time codes; certificates.

Enters and leaves: plain rows. Keys are never here.

A device is `reserved` while a code waits for it, `active` once it may send, `revoked` when that was taken back. Its
epoch grows whenever an old key must not count any more.
"""

from typing import NamedTuple

from hub.errors import RosterError
from hub.store.registry_file import RegistryFile
from protocols.topics import DEVICE_MAX

KINDS = ("gateway", "soldier", "vehicle", "relay", "station", "hub")
FIRST_NUMBER = 1_001
AUTHORITY_BITS = 20
NUMBER_MAX = 2**AUTHORITY_BITS - 1
"""The largest number of authority 0."""
EPOCH_MAX = 1_000_000
FIRMWARE_CHARS_MAX = 120
_FORGOTTEN_MS = 30 * 86_400_000


class DeviceRow(NamedTuple):
    """A device. `not_after_utc_ms` None: it has no certificate, only a key."""

    device: int
    state: str
    kind: str
    relay: bool
    firmware: str
    epoch: int
    enrolled_utc_ms: int | None
    not_after_utc_ms: int | None
    why: str


class CodeRow(NamedTuple):
    """A one-time code, by its digest."""

    device: int
    made_by: str
    expires_utc_ms: int
    used_utc_ms: int | None


class RevokedRow(NamedTuple):
    """A certificate that must not be let in. `serial` hexadecimal."""

    serial: str
    revoked_utc_ms: int
    device: int


_COLUMNS = "device, state, kind, relay, firmware, epoch, enrolled_utc_ms, not_after_utc_ms, why"


class Devices:
    """Every method is one short transaction."""

    def __init__(self, file: RegistryFile) -> None:
        self._file = file

    # --- who may send ------------------------------------------------------------------------------------

    def epochs(self) -> dict[int, int]:
        """Devices that may send: number -> epoch of keys."""
        sql = "SELECT device, epoch FROM devices WHERE state = 'active'"
        return {int(str(d)): int(str(e)) for d, e in self._file.rows(sql)}

    def all_epochs(self) -> dict[int, int]:
        """Every device ever known: number -> epoch of keys. For reading what was logged."""
        return {int(str(d)): int(str(e)) for d, e in self._file.rows("SELECT device, epoch FROM devices")}

    def revoked(self) -> set[int]:
        """Devices whose enrolment was taken back."""
        return self._numbers("SELECT device FROM devices WHERE state = 'revoked'")

    def expired(self, now_ms: int) -> set[int]:
        """Active devices whose certificate ran out and was not renewed."""
        sql = "SELECT device FROM devices WHERE state = 'active' AND not_after_utc_ms < ?"
        return self._numbers(sql, now_ms)

    def relays(self) -> set[int]:
        """Active devices that may pass on what others say."""
        return self._numbers("SELECT device FROM devices WHERE state = 'active' AND relay")

    def hubs(self) -> set[int]:
        """Active relays that are hubs of the same family: they may say who is enrolled."""
        return self._numbers("SELECT device FROM devices WHERE state = 'active' AND relay AND kind = 'hub'")

    def _numbers(self, sql: str, *arguments: int) -> set[int]:
        return {int(str(device)) for (device,) in self._file.rows(sql, arguments)}

    def rows(self) -> list[DeviceRow]:
        """All devices by number."""
        return [_device(row) for row in self._file.rows(f"SELECT {_COLUMNS} FROM devices ORDER BY device")]

    def row(self, device: int) -> DeviceRow | None:
        found = self._file.rows(f"SELECT {_COLUMNS} FROM devices WHERE device = ?", [device])
        return _device(found[0]) if found else None

    # --- states ------------------------------------------------------------------------------------------

    def reserve(self, device: int | None, kind: str, relay: bool, t_utc_ms: int) -> int:
        """Keep a number for a device that has a code; None: the smallest free one. Its number.

        An active device stays active until its new code is used; a revoked one is reserved anew.
        """
        if kind not in KINDS:
            raise RosterError(f"device: kind {kind[:20]!r}, allowed are {', '.join(KINDS)}")
        if device is not None and not 1 <= device <= DEVICE_MAX:
            raise RosterError(f"device: number {device}, 1–{DEVICE_MAX} allowed")
        with self._file.all_or_none():
            number = self._free_number() if device is None else device
            self._file.write(
                "INSERT INTO devices (device, epoch, state, kind, relay, changed_utc_ms)"
                " VALUES (?, 0, 'reserved', ?, ?, ?) ON CONFLICT (device) DO UPDATE SET kind = excluded.kind,"
                " relay = excluded.relay, changed_utc_ms = excluded.changed_utc_ms, why = '',"
                " state = CASE state WHEN 'revoked' THEN 'reserved' ELSE state END",
                [number, kind, relay, t_utc_ms],
            )
        return number

    def _free_number(self) -> int:
        sql = (
            "WITH taken (device) AS (SELECT ? UNION ALL SELECT device FROM devices WHERE device > ?)"
            " SELECT min(device) + 1 FROM taken WHERE device + 1 NOT IN (SELECT device FROM devices)"
        )
        base = self._authority() << AUTHORITY_BITS
        number = int(str(self._file.rows(sql, [base + FIRST_NUMBER - 1, base + FIRST_NUMBER - 1])[0][0]))
        if number > base + NUMBER_MAX:
            raise RosterError(f"device: no number up to {base + NUMBER_MAX} is free")
        return number

    def _authority(self) -> int:
        """Of a hub that was made by another: its own range of numbers, so that the two never give one twice."""
        found = self._file.rows("SELECT value FROM settings WHERE key = 'authority'")
        return int(str(found[0][0])) if found else 0

    def activate(self, device: int, firmware: str, t_utc_ms: int) -> DeviceRow | None:
        """Let a device send, after its code was used; None when it was revoked meanwhile.

        One that was active before gets the next epoch: what it had so far counts no more.
        """
        with self._file.all_or_none():
            before = self.row(device)
            if before is None or before.state == "revoked":
                return None
            epoch = before.epoch + (before.state == "active")
            self._revoke_certificates(device, t_utc_ms)
            self._file.write(
                "UPDATE devices SET state = 'active', epoch = ?, firmware = ?, enrolled_utc_ms = ?,"
                " changed_utc_ms = ?, why = '' WHERE device = ?",
                [epoch, firmware[:FIRMWARE_CHARS_MAX], t_utc_ms, t_utc_ms, device],
            )
            return self.row(device)

    def set_relay(self, device: int, relay: bool, t_utc_ms: int) -> None:
        """Whether a device may pass on what others say."""
        self._file.write(
            "UPDATE devices SET relay = ?, changed_utc_ms = ? WHERE device = ?", [relay, t_utc_ms, device]
        )

    def revoke(self, device: int, why: str, t_utc_ms: int) -> bool:
        """Take back a device's enrolment: its certificates and, by the epoch, its key. False: nothing to do."""
        with self._file.all_or_none():
            sql = (
                "UPDATE devices SET state = 'revoked', why = ?, epoch = epoch + 1, changed_utc_ms = ?"
                " WHERE device = ? AND state != 'revoked' AND epoch < ?"
            )
            if not self._file.write(sql, [why, t_utc_ms, device, EPOCH_MAX]):
                return False
            self._revoke_certificates(device, t_utc_ms)
            return True

    def end_certificates(self, device: int, t_utc_ms: int) -> None:
        """Another hub has taken back what the device had until now."""
        self._revoke_certificates(device, t_utc_ms)

    def _revoke_certificates(self, device: int, t_utc_ms: int) -> None:
        sql = "UPDATE certificates SET revoked_utc_ms = ? WHERE device = ? AND revoked_utc_ms IS NULL"
        self._file.write(sql, [t_utc_ms, device])

    # --- one-time codes ----------------------------------------------------------------------------------

    def add_code(self, digest: str, device: int, made_by: str, expires_utc_ms: int, t_utc_ms: int) -> None:
        """Keep a code. Earlier ones of this device that nobody used count no more."""
        with self._file.all_or_none():
            self._file.write("DELETE FROM codes WHERE expires_utc_ms < ?", [t_utc_ms - _FORGOTTEN_MS])
            self._file.write("DELETE FROM codes WHERE device = ? AND used_utc_ms IS NULL", [device])
            self._file.write(
                "INSERT INTO codes VALUES (?, ?, ?, ?, NULL)", [digest, device, made_by, expires_utc_ms]
            )

    def code(self, digest: str) -> CodeRow | None:
        sql = "SELECT device, made_by, expires_utc_ms, used_utc_ms FROM codes WHERE digest = ?"
        found = self._file.rows(sql, [digest])
        return CodeRow(*found[0]) if found else None  # type: ignore[arg-type]

    def use_code(self, digest: str, t_utc_ms: int) -> bool:
        """Take a code, once, whoever asks at the same time. False: used or expired."""
        sql = (
            "UPDATE codes SET used_utc_ms = ? WHERE digest = ? AND used_utc_ms IS NULL AND expires_utc_ms > ?"
        )
        return self._file.write(sql, [t_utc_ms, digest, t_utc_ms]) > 0

    # --- certificates ------------------------------------------------------------------------------------

    def add_certificate(
        self, serial: str, device: int, epoch: int, not_before_utc_ms: int, not_after_utc_ms: int
    ) -> None:
        """Keep what was issued; the device holds until then."""
        with self._file.all_or_none():
            self._file.write(
                "INSERT INTO certificates VALUES (?, ?, ?, ?, ?, NULL)",
                [serial, device, epoch, not_before_utc_ms, not_after_utc_ms],
            )
            self._file.write(
                "UPDATE devices SET not_after_utc_ms = ? WHERE device = ?", [not_after_utc_ms, device]
            )

    def revoked_certificates(self, now_ms: int) -> list[RevokedRow]:
        """Those that would still be good by their time. What has ended needs no list."""
        sql = (
            "SELECT serial, revoked_utc_ms, device FROM certificates WHERE revoked_utc_ms IS NOT NULL"
            " AND not_after_utc_ms > ? ORDER BY revoked_utc_ms, serial"
        )
        return [RevokedRow(*row) for row in self._file.rows(sql, [now_ms])]  # type: ignore[arg-type]


def _device(row: tuple[object, ...]) -> DeviceRow:
    device = DeviceRow(*row)  # type: ignore[arg-type]
    return device._replace(relay=bool(device.relay))

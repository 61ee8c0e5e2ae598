"""Bluetooth heart-rate straps: the parser of characteristic 0x2A37, the port's options and the row of the table.

Enters: the bytes of one notification; `[port.options]`. Leaves: what the strap measured. Called by
`firmware_bridge.apart.ble`, the process that speaks Bluetooth, and through the table in `drivers.py`.
"""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from firmware_bridge.apart.elsewhere import Elsewhere
from firmware_bridge.interface import DriverRow
from protocols.catalog import FIELDS_BY_NAME, field_id
from protocols.samples import Reading

NOTIFICATION_SIZE_MAX = 512
"""The longest value that a characteristic may have."""

HEART = field_id("heart_bpm")
BPM_MAX = FIELDS_BY_NAME["heart_bpm"].hi
MS_PER_S, RR_PER_S = 1_000, 1_024

_UINT16, _CONTACT, _CONTACT_KNOWN, _ENERGY, _RR = 1, 2, 4, 8, 16
_ADDRESS = re.compile(r"(?:[0-9A-F]{2}:){5}[0-9A-F]{2}\Z")
NAME_LEN_MAX = 248


@dataclass(frozen=True, slots=True)
class HeartRate:
    """One notification.

    bpm         beats a minute, as the strap says
    contact     whether it touches skin; None where the strap does not know
    energy_kj   energy since the strap's reset; None where it does not say
    rr_ms       times between beats since the last notification, oldest first
    """

    bpm: int
    contact: bool | None = None
    energy_kj: int | None = None
    rr_ms: tuple[int, ...] = ()


def parse_heart_rate(data: bytes) -> HeartRate | None:
    """The notification's meaning; None for one whose length does not fit its flags, or with a rate of nobody.

    **Source:** Bluetooth GATT Specification Supplement, 3.113 Heart Rate Measurement.
    """
    if not 2 <= len(data) <= NOTIFICATION_SIZE_MAX:
        return None
    flags, at = data[0], 1
    width = 2 if flags & _UINT16 else 1
    has_energy = bool(flags & _ENERGY)
    rest = len(data) - at - width - 2 * has_energy
    if rest < 0 or rest % 2 or (rest and not flags & _RR):
        return None
    bpm = int.from_bytes(data[at : at + width], "little")
    at += width
    energy_kj = int.from_bytes(data[at : at + 2], "little") if has_energy else None
    at += 2 * has_energy
    rr = (int.from_bytes(data[i : i + 2], "little") for i in range(at, len(data), 2))
    if bpm > BPM_MAX:
        return None
    contact = bool(flags & _CONTACT) if flags & _CONTACT_KNOWN else None
    return HeartRate(
        bpm, contact, energy_kj, tuple((beat * MS_PER_S + RR_PER_S // 2) // RR_PER_S for beat in rr)
    )


def reading(rate: HeartRate) -> Reading | None:
    """A heart rate for a row; None without contact and for a rate of 0, which straps say while they search."""
    if rate.contact is False or rate.bpm == 0:
        return None
    return Reading({HEART: rate.bpm})


def options(raw: dict[str, Any], folder: Path) -> tuple[str, ...]:
    """Arguments for the process: `address` or `name`, and `replay`, a file of recorded notifications."""
    known = ["address", "name", "replay"]
    for key in raw:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            raise ValueError(f"options: unknown key {key!r}; {hint}")
        if not isinstance(raw[key], str) or not 0 < len(raw[key]) <= NAME_LEN_MAX:
            raise ValueError(f"options.{key}: {raw[key]!r}; a text of 1–{NAME_LEN_MAX} characters is needed")
    out: list[str] = []
    if "address" in raw:
        if not _ADDRESS.match(raw["address"].upper()):
            raise ValueError(f'options.address: {raw["address"]!r}; it looks like "AA:BB:CC:DD:EE:FF"')
        out += ["--address", raw["address"].upper()]
    if "name" in raw:
        out += [f"--name={raw['name']}"]
    if "replay" in raw:
        out += ["--replay", str(folder / raw["replay"])]
    return tuple(out)


ROWS = (
    DriverRow(
        "heart_strap",
        "Bluetooth heart-rate strap (in a process of its own; needs zhantu[ble])",
        Elsewhere,
        lambda _data: 0,
        ("heart_bpm", "note"),
        options,
        apart="firmware_bridge.apart.ble",
        auto=False,
    ),
)

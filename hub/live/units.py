"""Who is shown: units, their slots, and which unit carried a device when.

Enters: the registry's units and bindings. Leaves: slots for ingest, unit maps for the feed (docs/feed.md).
Pure. A binding is dated, so last week's rows go to last week's wearer.
"""

from collections.abc import Sequence

import numpy as np

from hub.live.doubt import MOTIONS, ON_WHEELS
from hub.live.picture import F64, Picture
from hub.live.track_law import motion
from hub.store.interface import Binding, UnitRow

_ALWAYS = 2**62


class Units:
    """Units and bindings as last loaded. Slots stay with their unit as long as the hub runs."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self.rows: list[UnitRow] = []  # by slot
        self.slot_by_id: dict[str, int] = {}
        self.motions: F64 = np.zeros((0, 2))  # by slot: how it may move while it is silent (`hub.live.doubt`)
        self.tracking: F64 = np.zeros((3, 0))  # `hub.live.track_law.motion` by slot
        self.shared: frozenset[int] = frozenset()  # slots whose unit carries several devices now
        self.fix_device: dict[int, int] = {}  # slot of a unit with several -> whose fix it is drawn at
        self.limits: dict[int, tuple[int, int]] = {}  # slot -> (stale_s, lost_s) where not the roster's
        self._stale_ms: F64 = np.zeros(0)  # by slot
        self._device: dict[int, int] = {}  # slot -> device bound now
        self._carrier: dict[int, int] = {}  # and the other way round
        self._carried: dict[int, list[tuple[int, int, int]]] = {}  # device -> [(from, to, slot)]
        self._carrying: dict[int, list[int]] = {}  # slot -> devices carried now
        self._only: dict[int, int] = {}  # device -> slot, when it was ever bound to one unit only
        self._reported: dict[int, tuple[str, str]] = {}  # slot -> (source, id of the reporter's unit)
        self._callsigns: set[str] = set()  # of registered units

    def load(self, units: Sequence[UnitRow], bindings: Sequence[Binding]) -> list[int]:
        """Take over the registry's state; the slots that are new or have changed."""
        changed = set()
        for unit in units:
            slot = self.slot_by_id.get(unit.id)
            if slot is None:
                slot = self._picture.add_unit()
                self.slot_by_id[unit.id] = slot
                self.rows.append(unit)
                changed.add(slot)
            elif self.rows[slot] != unit:
                self.rows[slot] = unit
                self.limits.pop(slot, None)  # learned against the roster's own: judged again
                changed.add(slot)
        self._callsigns = {unit.callsign.casefold() for unit in units}
        self._stale_ms = np.array(
            [1000 * self.limits_of(slot)[0] for slot in range(len(self.rows))], np.float64
        )
        self._stale_ms[list(self._reported)] = np.inf
        self.motions = np.array([_motion(unit) for unit in self.rows], np.float64).reshape(-1, 2)
        self.tracking = np.array([motion(unit.kind) for unit in self.rows], np.float64).reshape(-1, 3).T
        return sorted(changed | self._load_bindings(bindings))

    def _load_bindings(self, bindings: Sequence[Binding]) -> set[int]:
        carried: dict[int, list[tuple[int, int, int]]] = {}
        now: dict[int, int] = {}
        for binding in bindings:
            slot = self.slot_by_id[binding.unit]
            to_ms = _ALWAYS if binding.to_utc_ms is None else binding.to_utc_ms
            carried.setdefault(binding.device, []).append((binding.from_utc_ms, to_ms, slot))
            if binding.to_utc_ms is None:
                now.setdefault(slot, binding.device)
        changed = {slot for slot in now | self._device if now.get(slot) != self._device.get(slot)}
        self._carried, self._device = carried, now
        self._carrier = {device: slot for slot, device in now.items()}
        self._carrying = self.devices_now()
        self.shared = frozenset(slot for slot, devices in self._carrying.items() if len(devices) > 1)
        self._only = {
            device: spans[0][2]
            for device, spans in carried.items()
            if len(spans) == 1 and spans[0][:2] == (0, _ALWAYS)
        }
        return changed

    def add_reported(self, row: UnitRow, source: str, by: str) -> int:
        """The slot of a unit that is not registered, but reported by the unit `by`. No binding leads to it."""
        slot = self._picture.add_unit()
        self.slot_by_id[row.id] = slot
        self.rows.append(row)
        self._reported[slot] = (source, by)
        self._stale_ms = np.append(self._stale_ms, np.inf)
        self.motions = np.vstack((self.motions, _motion(row)))
        self.tracking = np.column_stack((self.tracking, motion(row.kind)))
        return slot

    def set_reported(self, slot: int, row: UnitRow, by: str) -> None:
        """A reported unit got another name or reporter."""
        self.rows[slot] = row
        self._reported[slot] = (self._reported[slot][0], by)

    def limits_of(self, slot: int) -> tuple[int, int]:
        """(stale_s, lost_s) that hold now (`hub.live.contact`)."""
        row = self.rows[slot]
        return self.limits.get(slot, (row.stale_s, row.lost_s))

    def set_limits(self, slot: int, limits: tuple[int, int] | None) -> None:
        """Others than the roster's; None: the roster's again."""
        self.limits.pop(slot, None)
        if limits is not None:
            self.limits[slot] = limits
        self._stale_ms[slot] = 1000 * self.limits_of(slot)[0]

    def is_reported(self, slot: int) -> bool:
        return slot in self._reported

    def reported(self) -> list[int]:
        """The slots of all that are not registered, but reported."""
        return list(self._reported)

    def is_registered(self, callsign: str) -> bool:
        """Whether a registered unit is called so."""
        return callsign.casefold() in self._callsigns

    def only_slot(self, device: int) -> int | None:
        """The slot of a device that was never anybody else's; None: ask `slot_at` for each row."""
        return self._only.get(device)

    def slot_at(self, device: int, t_utc_ms: int) -> int | None:
        """The slot of the unit that carried the device at that time."""
        for from_ms, to_ms, slot in self._carried.get(device, ()):
            if from_ms <= t_utc_ms < to_ms:
                return slot
        return None

    def carried(self, slot: int) -> list[tuple[int, int, int]]:
        """(device, from, to) of every device this unit ever carried, times UTC ms."""
        return [
            (device, from_ms, to_ms)
            for device, spans in self._carried.items()
            for from_ms, to_ms, carrier in spans
            if carrier == slot
        ]

    def device_of(self, slot: int) -> int:
        """The device bound to this unit now, 0 for none."""
        return self._device.get(slot, 0)

    def devices_of(self, slot: int) -> list[int]:
        """Every device that the unit carries now."""
        return self._carrying.get(slot, [])

    def carrier_of(self, device: int) -> int | None:
        """The slot of the unit that the device is bound to now."""
        return self._carrier.get(device)

    def devices_now(self) -> dict[int, list[int]]:
        """Every device that each unit carries now, by slot."""
        found: dict[int, list[int]] = {}
        for device, spans in self._carried.items():
            for _, to_ms, slot in spans:
                if to_ms == _ALWAYS:
                    found.setdefault(slot, []).append(device)
        return found

    def callsign_of(self, device: int) -> str:
        """Of the unit that the device is bound to now, or ""."""
        slot = self._carrier.get(device)
        return "" if slot is None else self.rows[slot].callsign

    def slots_of(self, device: int) -> set[int]:
        """Every slot whose unit ever carried the device."""
        return {slot for _, _, slot in self._carried.get(device, ())}

    def meta(self, slots: Sequence[int]) -> list[dict[str, object]]:
        """The feed's unit maps of these slots."""
        return [self._meta(slot) for slot in slots]

    def _meta(self, slot: int) -> dict[str, object]:
        stale_s, lost_s = self.limits_of(slot)
        made: dict[str, object] = {
            "slot": slot,
            **self.rows[slot]._asdict(),
            "stale_s": stale_s,
            "lost_s": lost_s,
            "device": self._device.get(slot, 0),
        }
        if slot in self.fix_device:
            made["fix_device"] = self.fix_device[slot]
        if slot in self._reported:
            source, by = self._reported[slot]
            made["reported"] = {"source": source, "by": by}
        return made

    def silent_slots(self, now_ms: int) -> set[int]:
        """Those of whom nothing newer than their stale limit was heard, or nothing ever; not reported ones."""
        heard = self._picture.row_time[: len(self.rows)]
        return set(np.flatnonzero(~(now_ms - heard <= self._stale_ms)).tolist()) - self._reported.keys()

    def silent(self, now_ms: int) -> int:
        """How many units that were ever heard have said nothing newer than their stale limit; not reported ones."""
        heard = self._picture.row_time[: len(self.rows)]
        return int(np.count_nonzero(now_ms - heard > self._stale_ms))


def _motion(unit: UnitRow) -> tuple[float, float]:
    return MOTIONS.get(unit.kind, ON_WHEELS)

"""Several devices of one unit: the newest fix of each, and which one the unit is drawn at.

Enters: positions of units that carry more than one device, by device; whom their tracks believe. Leaves: the picture's
position of these units. Pure, and the same in every order of arrival. Caller: `hub.live.tracks`.

Newest alone would make the marker jump from one receiver to the other and back. So the track's law says whose fixes
are taken (`hub.live.track_law`: another one takes over when twice its radius is less than what the one believed would
have by now), and the unit is drawn at the newest fix of that one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hub.live.picture import F64, I64, Picture
from hub.live.units import Units
from protocols.catalog import FIELDS_BY_NAME

BEHIND_MS_MAX = 120_000
"""The one believed is not waited for when another has a fix so much newer, as from a boot without UTC."""
Values = tuple[int, ...]
Columns = dict[int, list[int | None]]
_MODE = FIELDS_BY_NAME["fix_mode"].bit


@dataclass(slots=True)
class Receiver:
    """The newest fix of one device on one unit."""

    t_ms: float
    rank: int
    tag: int
    values: Values


class Receivers:
    """Of units that carry several devices now, and of no others."""

    def __init__(self, picture: Picture, units: Units) -> None:
        self._picture = picture
        self._units = units
        self._of: dict[int, dict[int, Receiver]] = {}
        self._modes: dict[int, dict[int, tuple[int, int, int]]] = {}  # slot -> device -> (time, rank, mode)
        self._heard: set[int] = set()
        self.changed: set[int] = set()
        """Slots that are drawn at another device's fix than screens were told."""

    def hear(self, slot: int, device: int, t_ms: int, rank: int, tag: int, values: Values) -> None:
        """A position, dated or estimated."""
        mine = self._of.setdefault(slot, {})
        known = mine.get(device)
        if known is None or (t_ms, rank) > (known.t_ms, known.rank):
            mine[device] = Receiver(t_ms, rank, tag, values)
        else:
            self._picture.touch_trail(slot)
        self._heard.add(slot)

    def hear_modes(
        self, slot: int, device: int, times: Sequence[int], ranks: Sequence[int], columns: Columns
    ) -> None:
        """How the device fixed last. It comes beside the position, or without one when the fix is lost."""
        modes = columns.get(_MODE)
        if modes is None:
            return
        told = [
            (t, rank, mode) for t, rank, mode in zip(times, ranks, modes, strict=True) if mode is not None
        ]
        if not told:
            return
        of_slot = self._modes.setdefault(slot, {})
        of_slot[device] = max(of_slot.get(device, (-1, 0, 0)), max(told))
        self._heard.add(slot)

    def redate(self, slot: int, tag: int, add_ms: int, *, proven: bool) -> None:
        """Estimated times of one boot have moved."""
        for receiver in self._of.get(slot, {}).values():
            if receiver.tag == tag:
                receiver.t_ms += add_ms
                receiver.tag = 0 if proven else tag
                self._heard.add(slot)

    def look_again(self, slots: I64) -> None:
        """Tracks of these have changed."""
        if self._of:
            self._heard.update(self._of.keys() & set(slots.tolist()))

    def settle(self, believed: F64) -> None:
        """Draw every unit that was heard at the fix of the device that is believed. `believed`: device by slot, −1."""
        for slot in self._heard:
            if slot in self._units.shared:
                self._draw(slot, int(believed[slot]) if slot < len(believed) else -1)
        self._heard.clear()
        for slot in (self._of.keys() | self._modes.keys()) - self._units.shared:
            self._of.pop(slot, None)
            self._modes.pop(slot, None)
            self._picture.set_mode(slot, -1)
            if self._units.fix_device.pop(slot, None) is not None:
                self.changed.add(slot)

    def _draw(self, slot: int, believed: int) -> None:
        carried = self._units.devices_of(slot)
        mine = {device: one for device, one in self._of.get(slot, {}).items() if device in carried}
        if not mine:
            return
        newest = max(mine, key=lambda device: (mine[device].t_ms, mine[device].rank))
        behind_ms = mine[newest].t_ms - self._picture.pos_time[slot]
        if believed in carried and believed not in mine and behind_ms <= BEHIND_MS_MAX:
            return  # its newest fix is what is drawn already, from before the unit had a second device
        device = believed if believed in mine else newest
        if mine[newest].t_ms - mine[device].t_ms > BEHIND_MS_MAX:
            device = newest
        drawn = mine[device]
        self._picture.put_position(slot, drawn.t_ms, drawn.rank, drawn.tag, drawn.values)
        self._picture.set_mode(slot, self._modes.get(slot, {}).get(device, (0, 0, 0))[2])
        if self._units.fix_device.get(slot) != device:
            self._units.fix_device[slot] = device
            self.changed.add(slot)

    def drawn(self, slot: int) -> int:
        """The device whose fix the unit is drawn at, 0 when it carries only one."""
        return self._units.fix_device.get(slot, 0)

    def of(self, slot: int) -> dict[int, Receiver]:
        """The newest fix of each device of a unit that carries several."""
        return self._of.get(slot, {})

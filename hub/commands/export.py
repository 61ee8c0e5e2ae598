"""`zhantu-hub export`: every committed row of a time window once. Works while the hub runs."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

from hub.commands.opening import registry_of, shown, time_of, utc_ms
from hub.errors import HubError
from hub.identity.keys import KeyRing, load_master
from hub.live.clock import AHEAD_MS_MAX
from hub.live.history import Decoder, HistoryRow
from hub.rows_text import FORMATS, Exported
from hub.store.interface import Binding, UnitRow
from hub.store.reading import ReadOnlyLog
from protocols.catalog import Kind

NAMES = {int(kind): kind.name.lower() for kind in Kind}


def run(args: argparse.Namespace) -> int:
    data = Path(args.data)
    from_ms, to_ms = time_of(args.from_), time_of(args.to)
    if from_ms > to_ms:
        raise HubError(f"export: --from {args.from_} is later than --to {args.to}")
    with registry_of(args) as registry:
        log = ReadOnlyLog(data)
        realm = registry.setting("realm") or "live"
        ring = KeyRing(load_master(data / "master.key"), realm)
        ring.ever = registry.devices.all_epochs()
        decoder = Decoder(log, ring.logged)
        who = Wearers(registry.units(), registry.bindings())
        wanted = who.unit_of(args.unit)
        rows = _rows(log, decoder, from_ms, to_ms, who, realm, wanted)
        what: dict[str, object] = {
            "from": from_ms,
            "to": to_ms,
            "format": args.format,
            "unit": args.unit or "",
        }
        registry.record(utc_ms(), "cli", "export", what)
        with open(args.out, "w", encoding="utf-8") if args.out else nullcontext(sys.stdout) as out:
            for line in FORMATS[args.format](rows):
                out.write(line)
    if decoder.unreadable:
        print(f"zhantu-hub: {decoder.unreadable} frames could not be read with today's keys", file=sys.stderr)
        return 1
    return 0


class Wearers:
    """Which unit carried a device when."""

    def __init__(self, units: list[UnitRow], bindings: list[Binding]) -> None:
        self._units = {unit.id: unit for unit in units}
        self._bindings: dict[int, list[Binding]] = {}
        for binding in bindings:
            self._bindings.setdefault(binding.device, []).append(binding)

    def unit_of(self, name: str | None) -> str | None:
        """The id for a callsign or id; HubError when there is none."""
        if name is None:
            return None
        for unit in self._units.values():
            if name in (unit.id, unit.callsign):
                return unit.id
        raise HubError(f"export: no unit {name!r}; `roster list` shows them")

    def at(self, device: int, t_utc_ms: int) -> UnitRow | None:
        for binding in self._bindings.get(device, ()):
            if binding.from_utc_ms <= t_utc_ms < (binding.to_utc_ms or 2**62):
                return self._units.get(binding.unit)
        return None


def _rows(
    log: ReadOnlyLog,
    decoder: Decoder,
    from_ms: int,
    to_ms: int,
    who: Wearers,
    realm: str,
    wanted: str | None,
) -> Iterator[Exported]:
    """Rows within the window by their own time, by their arrival while undated or ahead of it."""
    for stored in log.all_frames(from_ms, to_ms):
        for row in decoder.rows(stored, quarantined=True):
            ahead = row.t_utc_ms is not None and row.t_utc_ms > row.t_hub_ms + AHEAD_MS_MAX
            place_ms = row.t_hub_ms if row.t_utc_ms is None or ahead else row.t_utc_ms
            unit = who.at(row.device, place_ms)
            if from_ms <= place_ms <= to_ms and (wanted is None or (unit is not None and unit.id == wanted)):
                yield _exported(row, unit, realm, ahead)


def _exported(row: HistoryRow, unit: UnitRow | None, realm: str, ahead: bool) -> Exported:
    marks = [] if realm == "live" else ["DRILL"]
    return Exported(
        realm,
        " ".join([*marks, *(["QUARANTINED"] if ahead else [])]),
        "" if row.t_utc_ms is None else shown(row.t_utc_ms),
        shown(row.t_hub_ms),
        unit.id if unit else "",
        unit.callsign if unit else "",
        row.device,
        row.boot,
        row.stream,
        row.row,
        NAMES.get(row.kind, str(row.kind)),
        row.values,
        row.text,
    )

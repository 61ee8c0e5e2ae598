"""The table of drivers. A new driver is one file with a `DriverRow` and one line here.

Enters: a driver's name, or bytes to recognise. Leaves: a driver. Called by the edge agent, by `decode` and by
auto-baud.
"""

from difflib import get_close_matches

from firmware_bridge import (
    ais,
    board,
    gnss,
    heart_strap,
    line,
    mavlink_radio,
    mesh_radio,
    modbus,
    obd,
    rdss,
    sirf,
)
from firmware_bridge.interface import Driver, DriverRow, Settings, Stats

__all__ = ["AUTO", "DRIVERS", "Driver", "DriverRow", "Settings", "Stats", "make_driver", "score", "sniff"]

AUTO = "auto"

DRIVERS: dict[str, DriverRow] = {
    row.name: row
    for row in (
        *gnss.ROWS,
        *sirf.ROWS,
        *ais.ROWS,
        *heart_strap.ROWS,
        *mavlink_radio.ROWS,
        *mesh_radio.ROWS,
        *rdss.ROWS,
        *board.ROWS,
        *modbus.ROWS,
        *obd.ROWS,
        *line.ROWS,
    )
}
"""By name, in order of preference: where two drivers recognise as much, the first one is taken."""


def make_driver(name: str, settings: Settings | None = None) -> Driver:
    """A new driver; ValueError with the nearest name for one that is not in the table."""
    row = DRIVERS.get(name)
    if row is None:
        near = get_close_matches(name, DRIVERS, n=1)
        hint = f", did you mean {near[0]}?" if near else ""
        raise ValueError(f"driver: {name!r} is unknown; allowed are {', '.join(DRIVERS)}{hint}")
    return row.make(settings or Settings())


def score(name: str, data: bytes) -> int:
    """How many valid messages of driver `name` the bytes hold; for AUTO, of the best driver that may be chosen."""
    if name == AUTO:
        return max(row.score(data) for row in DRIVERS.values() if row.auto)
    return DRIVERS[name].score(data)


def sniff(data: bytes) -> str | None:
    """The name of the driver that recognises most of `data`; None if no driver finds a valid message."""
    name, most = None, 0
    for row in DRIVERS.values():
        count = row.score(data) if row.auto else 0
        if count > most:
            name, most = row.name, count
    return name

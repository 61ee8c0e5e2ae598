"""The log for programs beside the hub: the same reading, no lock, no writing.

Enters: the data folder. Leaves: frames and clocks. Callers: `zhantu-hub export` and `doctor`.
"""

from pathlib import Path

from hub.store.files import naming, open_reader, signed
from hub.store.segments import SegmentLog


class ReadOnlyLog(SegmentLog):
    """A log that is never opened for writing."""

    def __init__(self, data: Path) -> None:
        super().__init__(data / "log")
        self._clocks: dict[tuple[int, int], int | None] = {}

    def clock(self, device: int, boot: int) -> int | None:
        """The boot's zero out of the newest segment that has it, or the archive."""
        key = (device, boot)
        if key not in self._clocks:
            self._clocks[key] = self._search(device, boot)
        return self._clocks[key]

    def _search(self, device: int, boot: int) -> int | None:
        archive = self.folder.parent / "coverage.db"
        for path in [*map(self.path, reversed(self.days())), archive]:
            if not path.exists():
                continue
            db = open_reader(path)
            try:
                with naming(path):
                    sql = "SELECT utc_zero_ms FROM clocks WHERE device = ? AND boot = ?"
                    found = db.execute(sql, [device, signed(boot)]).fetchone()
            finally:
                db.close()
            if found is not None:
                return int(found[0])
        return None

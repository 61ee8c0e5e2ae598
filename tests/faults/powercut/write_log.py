"""A hub's writing, recorded: batches of frames with their coverage and clocks, over midnight. Argument: a folder.

After each commit a line of `marks` says how many frames of each device are safe from now on.
"""

import os
import sys
from pathlib import Path

from hub.store.interface import ClockRow, Commit, CoverageRow, LogFrame
from hub.store.segments import SegmentLog

MIDNIGHT_MS = 1_795_046_400_000
folder = Path(sys.argv[1])
marks = os.open(folder / "marks", os.O_WRONLY | os.O_CREAT, 0o600)
log = SegmentLog(folder / "log")
log.open(MIDNIGHT_MS - 20_000)
for batch in range(40):
    t_ms = MIDNIGHT_MS - 20_000 + 1_000 * batch
    frames, coverage = [], []
    for device in range(1, 6):
        raw = bytes([device]) * 80
        frames.append(LogFrame(t_ms, device, 9, 1, batch, 1, 2, 0, t_ms, t_ms, None, 0, raw))
        coverage.append(CoverageRow(device, 9, 1, [0, batch], []))
    log.commit(Commit(t_ms, frames, coverage, [ClockRow(1, 9, t_ms - 1_000 * batch)] if batch == 3 else []))
    os.write(marks, f"{batch + 1}\n".encode())
log.close()

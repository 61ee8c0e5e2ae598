"""A gateway's writing, recorded: rows each second, events at once, acknowledgements behind them. Argument: a folder.

A line of `marks` after each commit says what is safe from now on: the last row, the last event, and up to which row the
hub has acknowledged. The last of these stands there before the commit too, since the commit may forget them.
"""

import os
import sqlite3
import sys
from pathlib import Path

from edge import spool_room
from edge.spool import Spool
from protocols.catalog import Kind, Stream
from protocols.frame import Row

folder = Path(sys.argv[1])
marks = os.open(folder / "marks", os.O_WRONLY | os.O_CREAT, 0o600)
spool = Spool(folder / "spool.db", 77, 10 * 2**20)
spool.open()
if len(sys.argv) > 2:  # the twin that must fail: a disk that is not asked to write
    spool.db.execute(f"PRAGMA synchronous={sys.argv[2]}")
acked = -1
for second in range(80):
    for i in range(10):
        spool.append(Stream.ROWS, Kind.STATE, Row(1_000 * second + 100 * i, {0: second, 1: i, 3: 5}), None, 0)
    if second % 4 == 1:
        spool.append(Stream.EVENTS, Kind.EVENT, Row(1_000 * second, {0: 1, 1: second, 2: 0}), None, 0)
    if second > 10 and second % 5 == 0:
        acked = 10 * second - 60
        spool.forget(77, Stream.ROWS, 0, acked)
    shed = 10 if second == 60 else 0
    os.write(
        marks, f"{10 * second - 1} {(second - 1) // 4 - ((second - 1) % 4 < 1)} {acked + shed}\n".encode()
    )
    if shed:  # as on a full spool
        with spool.db:
            spool.db.execute(
                "DELETE FROM rows WHERE stream = 1 AND row BETWEEN ? AND ?", (acked + 1, acked + shed)
            )
            spool_room.note_gap(spool.db, 77, Stream.ROWS, acked + 1, acked + shed)
        acked += shed
    if not spool.commit():
        raise sqlite3.Error("the commit failed")
    os.write(marks, f"{10 * second + 9} {second // 4 - (second % 4 < 1)} {acked}\n".encode())
spool.close()

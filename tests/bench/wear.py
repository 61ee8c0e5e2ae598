"""What a gateway's spool writes to its disk: one row of ten channels a second and a row of health each ten, driven as
fast as it goes.

Enters: how often is committed, and whether the hub answers. Leaves: bytes a day. Called by run.py. The kernel's own
count of what a process caused to be written is taken (proc(5), /proc/pid/io, `write_bytes`); a disk's own journal is
not in it.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

SECONDS = 1_800
DAY_S = 86_400
_CHILD = """
import sys
from pathlib import Path
from edge.spool import Spool
from protocols.catalog import Kind, Stream
from protocols.frame import Row
folder, commit_s, answered, seconds = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "1", int(sys.argv[4])

def written():
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(lines["write_bytes"])

spool = Spool(folder / "spool.db", 77, 512 * 2**20)
spool.open()
before, made = written(), 0
for second in range(seconds):
    values = {bit: 366_000_000 + 37 * second + bit for bit in range(10)}
    spool.append(Stream.ROWS, Kind.STATE, Row(1_000 * second, values), 1_795_000_000_000, 1)
    if second % 10 == 0:
        spool.append(Stream.ROWS, Kind.HEALTH, Row(1_000 * second, dict(list(values.items()))), 1_795_000_000_000, 1)
        made += 1
    made += 1
    if answered and made > 2:  # the hub answers a second or so later
        spool.forget(77, Stream.ROWS, 0, made - 3)
    if second % commit_s == 0:
        spool.commit()
print(written() - before)
"""


def bytes_a_day(commit_s: int, *, answered: bool) -> float:
    """Of one gateway at 1 Hz."""
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as folder:  # a real disk, not a tmpfs
        command = [sys.executable, "-c", _CHILD, folder, str(commit_s), str(int(answered)), str(SECONDS)]
        done = subprocess.run(command, capture_output=True, check=True, text=True, timeout=300)
    return float(json.loads(done.stdout)) * DAY_S / SECONDS

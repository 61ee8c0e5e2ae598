"""Power cuts, replayed: what a program did to its files, cut at any point, with a disk that may have torn the rest.

A write counts as on the disk once its file was synced after it. Of what came later each sector of 512 bytes may be
there or not, in any order, and a truncation, a removal or a renaming may have happened or not. **Source:** SQLite,
"Atomic Commit In SQLite", 2; the recorder is recorder.c, preloaded.
"""

import os
import random
import struct
import subprocess
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

SECTOR = 512
_HEAD = struct.Struct("<cHIq")


def build(folder: Path) -> Path:
    """Compile the recorder; the path of the library."""
    made = folder / "recorder.so"
    source = Path(__file__).with_name("recorder.c")
    subprocess.run(
        ["gcc", "-O1", "-shared", "-fPIC", "-Wall", "-o", str(made), str(source), "-ldl", "-lpthread"],
        check=True,
    )
    return made


def environment(library: Path, log: Path, under: Path) -> dict[str, str]:
    """The environment of a program that is recorded."""
    return {
        **os.environ, "LD_PRELOAD": str(library), "ZHANTU_RECORD": str(log), "ZHANTU_RECORD_UNDER": str(under),
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Op:
    """C created, W written at `offset`, T cut to `offset` bytes, S synced, U removed, R renamed to `data`."""

    kind: str
    path: str
    offset: int
    data: bytes


def load(log: Path) -> list[Op]:
    """What was recorded, in order. A last record that is not whole is left out."""
    data, at, out = log.read_bytes(), 0, []
    while at + _HEAD.size <= len(data):
        kind, path_size, size, offset = _HEAD.unpack_from(data, at)
        end = at + _HEAD.size + path_size + size
        if end > len(data):
            break
        path = data[at + _HEAD.size : end - size].decode()
        out.append(Op(kind.decode(), path, offset, data[end - size : end]))
        at = end
    return out


class _File:
    """One file on a disk that loses what was not synced."""

    def __init__(self) -> None:
        self.safe = bytearray()
        self.loose: list[Op] = []

    def settle(self, rng: random.Random | None) -> None:
        """Put the loose writes on the disk: all of them, or with `rng` whatever a power cut leaves of them."""
        for op in self.loose:
            if op.kind == "T":
                if rng is None or rng.random() < 0.5:
                    size = op.offset
                    self.safe[size:] = b""
                    self.safe.extend(bytes(size - len(self.safe)))
            else:
                self._write(op, rng)
        self.loose = []

    def _write(self, op: Op, rng: random.Random | None) -> None:
        if rng is None:
            self._put(op.offset, op.data)
            return
        mood = rng.random()  # whole, not at all, or torn
        for start in range(0, len(op.data), SECTOR):
            if mood < 0.4 or (mood > 0.7 and rng.random() < 0.5):
                self._put(op.offset + start, op.data[start : start + SECTOR])

    def _put(self, at: int, data: bytes) -> None:
        self.safe.extend(bytes(max(0, at - len(self.safe))))
        self.safe[at : at + len(data)] = data


def cut(ops: list[Op], at: int, rng: random.Random, under: str, target: Path) -> None:
    """The files below `under` as they are found after a cut behind the first `at` operations, written below
    `target`."""
    files: defaultdict[str, _File] = defaultdict(_File)
    for op in ops[:at]:
        if op.kind == "S" and op.path in files:  # else a folder: names are taken to be safe when a file is
            files[op.path].settle(None)
        elif op.kind in "WT":
            files[op.path].loose.append(op)
        elif op.kind == "C":
            files[op.path]
        elif op.kind == "U":
            files.pop(op.path, None)
        elif op.kind == "R" and op.path in files:
            files[op.data.decode()] = files.pop(op.path)
    for path, file in files.items():
        if path.endswith("-shm"):
            continue  # memory that several processes share; a start makes it anew
        file.settle(rng)
        place = target / Path(path).relative_to(under)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(bytes(file.safe))


def marks(ops: list[Op], at: int, path: str) -> list[str]:
    """The lines that the program wrote to its file of marks before the cut: what it then took for safe."""
    text = b"".join(op.data for op in ops[:at] if op.kind == "W" and op.path == path)
    return text.decode().splitlines()

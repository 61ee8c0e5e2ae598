"""The same targets under a fuzzer that follows coverage. Not part of the tests; in a venv beside this one, because the
fuzzer is not needed for anything else:

    python3.11 -m venv ../fuzz && ../fuzz/bin/pip install atheris pyais pyserial msgpack pynacl
    ../fuzz/bin/python tests/fuzz/atheris_run.py all 60          # every target for 60 s, and a table
    ../fuzz/bin/python tests/fuzz/atheris_run.py mavlink -max_total_time=60

Arguments behind one target are libFuzzer's. Each target begins with messages of its device (seeds.py), in a folder of
its own below the system's temporary one. A crash leaves its bytes there in a file `crash-…`, and the exit code is 1.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

with atheris.instrument_imports(include=["firmware_bridge", "edge", "protocols"]):
    import seeds
    from targets import TARGETS

DONE = re.compile(r"^Done (\d+) runs in (\d+) second", re.MULTILINE)
COVERED = re.compile(r"^#\d+\s+DONE\s+cov: (\d+) ft: (\d+)", re.MULTILINE)


def fuzz(name: str, arguments: list[str]) -> None:
    """Runs one target in this process, which libFuzzer ends."""
    folder = Path(tempfile.mkdtemp(prefix=f"fuzz-{name}-"))
    corpus = folder / "corpus"
    corpus.mkdir()
    for i, data in enumerate(seeds.of(name)):
        (corpus / f"seed-{i:03d}").write_bytes(data)
    target = TARGETS[name]
    # libFuzzer keeps what it finds in the first folder, so that one is never a folder of ours.
    words = [sys.argv[0], str(corpus), f"-artifact_prefix={folder}/", "-max_len=4096", *arguments]
    atheris.Setup(words, lambda data: target(bytes(data)))
    atheris.Fuzz()


def fuzz_all(seconds: int) -> int:
    """Every target in a process of its own, one after the other; a table on standard output. How many crashed."""
    crashed = 0
    print("| target | executions | a second | branches, features | |\n|---|--:|--:|--:|---|", flush=True)
    for name in TARGETS:
        done = subprocess.run(
            [sys.executable, __file__, name, f"-max_total_time={seconds}"],
            capture_output=True, text=True, errors="replace", check=False,
        )  # fmt: skip
        counts, covered = DONE.search(done.stderr), COVERED.search(done.stderr)
        if done.returncode or counts is None or covered is None:
            crashed += 1
            print(f"| `{name}` | | | | crashed |", flush=True)
            print(done.stderr[-4_000:], file=sys.stderr, flush=True)
            continue
        runs, took_s = int(counts[1]), max(1, int(counts[2]))
        print(f"| `{name}` | {runs:,} | {runs // took_s:,} | {covered[1]}, {covered[2]} | |", flush=True)
    return crashed


def main() -> None:
    name, *arguments = sys.argv[1:] or [""]
    if name == "all" and len(arguments) == 1 and arguments[0].isdecimal():
        sys.exit(1 if fuzz_all(int(arguments[0])) else 0)
    if name not in TARGETS:
        sys.exit(f"usage: atheris_run.py all SECONDS, or {{{','.join(TARGETS)}}} [libFuzzer arguments]")
    fuzz(name, arguments)


if __name__ == "__main__":
    main()

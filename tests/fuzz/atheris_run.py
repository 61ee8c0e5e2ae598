"""The same targets under a fuzzer that follows coverage. Not part of the tests: `pip install atheris`, then

    python tests/fuzz/atheris_run.py mavlink -max_total_time=60 tests/firmware_bridge/captures

Further arguments are libFuzzer's. A crash leaves its bytes in a file `crash-…`.
"""

import sys

import atheris

with atheris.instrument_imports():
    from targets import TARGETS


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: atheris_run.py {{{','.join(TARGETS)}}} [libFuzzer arguments]")
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, lambda data: target(bytes(data)))
    atheris.Fuzz()


if __name__ == "__main__":
    main()

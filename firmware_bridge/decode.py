"""Decodes a recorded file as a gateway would have.

Enters: bytes of a log. Leaves: one dict a sample and a summary. Called by `zhantu-edge decode`.
"""

from collections.abc import Iterator
from pathlib import Path

from firmware_bridge.drivers import AUTO, DRIVERS, make_driver, sniff
from firmware_bridge.interface import Settings
from firmware_bridge.recording import receiver_bytes, recorded_rollover
from protocols.samples import Fix, FixMode, sample_as_dict

CHUNK_SIZE = 4096
SNIFF_SIZE = 1 << 16
_CHUNK_NS = 10_000_000  # pretended between two chunks: less than any silence that a driver acts upon
_SILENCE_NS = 10**10


def decode_lines(
    data: bytes, driver: str = AUTO, settings: Settings | None = None
) -> Iterator[dict[str, object]]:
    """`sample_as_dict` of every sample, then `{"summary": {driver, samples, fixes, good, bad, skipped, …}}`.

    `fixes` counts samples with a position. ValueError for a driver that is not in the table; a file that no
    driver recognises is decoded by the first one, and its summary shows that nothing was good. Without `settings`,
    dates are mended as the log's header says.
    """
    settings = settings or Settings(recorded_rollover(data))
    data = receiver_bytes(data)
    name = (sniff(data[:SNIFF_SIZE]) or next(iter(DRIVERS))) if driver == AUTO else driver
    device = make_driver(name, settings)
    samples = fixes = 0
    t_mono_ns = 0
    for start in range(0, len(data) + CHUNK_SIZE, CHUNK_SIZE):
        chunk = data[start : start + CHUNK_SIZE]
        t_mono_ns += _CHUNK_NS if chunk else _SILENCE_NS
        for sample in device.feed(chunk, t_mono_ns) if chunk else device.idle(t_mono_ns):
            samples += 1
            fixes += isinstance(sample, Fix) and sample.mode is not FixMode.NONE
            yield sample_as_dict(sample)
    counts = device.stats
    yield {
        "summary": {
            "driver": name,
            "samples": samples,
            "fixes": fixes,
            "good": counts.good,
            "bad": counts.bad,
            "skipped": counts.skipped,
            "noise_bytes": counts.noise,
            "bytes": counts.bytes,
        }
    }


def decode_file(
    path: Path, driver: str = AUTO, settings: Settings | None = None
) -> Iterator[dict[str, object]]:
    """`decode_lines` of a file; OSError if it cannot be read."""
    yield from decode_lines(path.read_bytes(), driver, settings)

"""Captures of real receivers, and ways to run a driver over bytes."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from firmware_bridge.drivers import Settings, Stats, make_driver, sniff
from firmware_bridge.recording import receiver_bytes, recorded_rollover
from protocols.samples import Sample

CAPTURES = Path(__file__).resolve().parents[2] / "../shared/captures/gpsd"

Run = Callable[..., tuple[list[Sample], Stats]]


@pytest.fixture
def captures() -> Path:
    """The folder of gpsd's logs."""
    if not CAPTURES.is_dir():
        pytest.skip("captures of real receivers are not on this machine")
    return CAPTURES


@pytest.fixture
def capture(captures: Path) -> Callable[[str], bytes]:
    """The receiver's bytes of a log, by its name."""
    return lambda name: receiver_bytes((captures / f"{name}.log").read_bytes())


@pytest.fixture
def run() -> Run:
    """Feeds chunks to a new driver, ends with silence; leaves its samples and counters."""

    def run_driver(
        chunks: bytes | Iterable[bytes], name: str = "gnss", settings: Settings | None = None
    ) -> tuple[list[Sample], Stats]:
        driver = make_driver(name, settings)
        samples: list[Sample] = []
        for chunk in [chunks] if isinstance(chunks, bytes) else chunks:
            samples += driver.feed(chunk, 0)
        samples += driver.idle(10**10)
        samples += driver.idle(2 * 10**10)
        return samples, driver.stats

    return run_driver


@pytest.fixture
def run_log(captures: Path, run: Run) -> Callable[[str], tuple[list[Sample], Stats]]:
    """A whole log by its name, as `decode` takes it: the driver that knows its bytes, dates by its header."""

    def run_whole(name: str) -> tuple[list[Sample], Stats]:
        log = (captures / f"{name}.log").read_bytes()
        data = receiver_bytes(log)
        driver = sniff(data)
        assert driver is not None
        return run(data, driver, Settings(recorded_rollover(log)))

    return run_whole

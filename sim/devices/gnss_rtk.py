"""An emulated receiver that takes RTK corrections: what it says depends on what it is fed.

Enters: the world's truth, and the bytes that a client writes. Leaves: bytes of an emulated receiver around which this
stands. Called by drills and tests. Its clock is the truth's own time: with good RTCM frames it goes to float, after
FLOAT_MS of them to fixed, and without any for LOST_MS back to a plain fix. Garbage does nothing for it.
"""

from dataclasses import replace

from firmware_bridge.rtcm import RtcmSplitter, RtcmStats
from protocols.samples import Fix, FixMode
from sim.devices.gnss_nmea import NmeaReceiver
from sim.devices.gnss_ubx import UbxReceiver

FLOAT_MS = 3_000
LOST_MS = 10_000
HACC_MM = {FixMode.RTK_FLOAT: 400, FixMode.RTK_FIXED: 14}


class RtkReceiver:
    """A receiver with an RTK engine. `mode` is how its last fix was obtained."""

    def __init__(self, inner: NmeaReceiver | UbxReceiver) -> None:
        self._inner = inner
        self._splitter = RtcmSplitter()
        self._fresh = False
        self._begun_ms: int | None = None
        self._heard_ms = 0
        self.mode = FixMode.NONE

    @property
    def corrections(self) -> RtcmStats:
        """What it made of the bytes that it was given; commands to the receiver count as noise."""
        return self._splitter.stats

    def answer(self, data: bytes) -> bytes:
        """What the receiver says to what a client wrote."""
        self._fresh |= bool(self._splitter.feed(data))
        return self._inner.answer(data)

    def epoch(self, fix: Fix) -> bytes:
        """All messages of one moment. `fix` must have a time."""
        assert fix.t_utc_ms is not None
        now_ms = fix.t_utc_ms
        if self._fresh:
            self._fresh = False
            self._begun_ms = now_ms if self._begun_ms is None else self._begun_ms
            self._heard_ms = now_ms
        elif self._begun_ms is not None and now_ms - self._heard_ms >= LOST_MS:
            self._begun_ms = None
        self.mode = fix.mode
        if self._begun_ms is None or fix.mode < FixMode.FIX_3D:
            return self._inner.epoch(fix)
        fixed = now_ms - self._begun_ms >= FLOAT_MS
        self.mode = FixMode.RTK_FIXED if fixed else FixMode.RTK_FLOAT
        better = replace(fix, mode=self.mode, hacc_mm=HACC_MM[self.mode])
        return self._inner.epoch(better, (now_ms - self._heard_ms) // 100)

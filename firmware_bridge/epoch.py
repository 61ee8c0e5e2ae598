"""Assembles the sentences of one epoch into one fix.

Enters: NMEA sentences in any order, whole or damaged. Leaves: one `Fix` an epoch, and a `Reading` of satellites and of
the age of corrections when it is asked for one. Called by the GNSS driver.

An epoch is keyed on UTC: GGA, RMC, GLL, GNS, GST and ZDA open one with a new time; GSA and VTG only join an
open one; GSV feeds a running count of satellites. It closes on the next new time, on silence, or, so that
nobody waits a second for a fix, on the sentence that was the last one in the two epochs before. A damaged
sentence makes what follows doubtful: VTG and GSA are then left out until a sentence with a time says where we are.

The heading of two antennas (HDT, THS, PASHR) carries no time of the fix. It belongs to the epoch that is open; one that
comes between two epochs serves the next one, if that is at most HEADING_AGE_MS_MAX younger.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from firmware_bridge import nmea
from firmware_bridge.fix_from_nmea import build_fix, corrections_age_ds, day_said
from firmware_bridge.framing import HEX_DIGITS, nmea_checksum
from firmware_bridge.interface import Stats
from firmware_bridge.rollover import Rollover
from firmware_bridge.sky import Sky
from protocols.catalog import field_id
from protocols.samples import Fix, Reading
from protocols.units import MS_PER_DAY

_TIMED = {b"GGA,": 1, b"RMC,": 1, b"GLL,": 5, b"GNS,": 1, b"GST,": 1, b"ZDA,": 1}
"""Sentences that carry a time, and the field that it stands in."""

_HEADINGS = frozenset((b"HDT,", b"THS,", b"SHR,"))
_UNTIMED = frozenset((b"GSA,", b"VTG,", b"GSV,")) | _HEADINGS
_FIX_BEARING = frozenset((b"GGA,", b"RMC,", b"GLL,", b"GNS,"))

NO_TIME = -1
"""Key of an epoch whose sentences carry no time, as after a cold start."""

SENTENCES_MAX = 64
"""Of one epoch; an epoch that grows beyond it is closed. The busiest capture has 17."""

TALKERS_MAX = 16
SEEN_AGE_EPOCHS_MAX = 10
"""Some receivers send GSV every fifth second; an older count of satellites in view is not worth telling."""

HEADING_AGE_MS_MAX = 1_000
CORRECTIONS_AGE = field_id("corrections_age_ds")

_MIDNIGHT_MARGIN_MS = 2_000


@dataclass(slots=True)
class Epoch:
    """What was said about one moment. `bodies` holds the first sentence of each talker and kind."""

    key_ms: int
    bodies: dict[bytes, bytes] = field(default_factory=dict)
    count: int = 0
    last_kind: bytes = b""
    gsa_mode: int = 0
    vtg: bytes = b""
    heading: bool = False
    damaged: bool = False
    fix_bearing: bool = False


class EpochAssembler:
    """One receiver's epochs."""

    def __init__(self, stats: Stats, rollover: Rollover, emit: Callable[[Fix | Reading], None]) -> None:
        self._stats = stats
        self._emit_sample = emit
        self._rollover = rollover
        self._epoch: Epoch | None = None
        self._closed: Epoch | None = None
        self._time_text = b""
        self._last_utc_ms: int | None = None  # of the newest fix that had a date of its own
        self._unsure = False
        self._late = False
        self._valid = False  # whether the closed epoch had a position
        self._end: tuple[int, bytes] | None = None  # where the last epoch ended
        self._closer: tuple[int, bytes] | None = None  # where two epochs running ended
        self._seen: dict[bytes, tuple[int, int]] = {}  # talker -> (satellites in view, epoch that said so)
        self._epochs = 0
        self._heading: tuple[int, int] | None = None  # 0.01 degrees, and the key of the epoch it was heard in
        self._sky = Sky()

    def count_sky(self) -> None:
        """Count satellites from here on; a `Reading` says how many when all have been heard."""
        self._sky.begin()

    def damage(self) -> None:
        """Something was lost here."""
        self._unsure = True
        if self._epoch is not None:
            self._epoch.damaged = True

    def flush(self) -> None:
        """Silence: what is open is complete."""
        if self._epoch is not None:
            self._close(whole=True)

    def sentence(self, body: bytes, digits: bytes) -> None:
        """One sentence: the text between "$" and "*", and the two digits after it."""
        kind = body[2:6]
        timed = kind in _TIMED
        if not timed and (
            kind not in _UNTIMED or (kind == b"GSV," and b",1," not in body[6:11] and not self._sky.listing)
        ):
            self._stats.skipped += 1
            return
        if nmea_checksum(body) != HEX_DIGITS.get(digits):
            self._stats.bad += 1
            self.damage()
            return
        if timed:
            self._timed(body, kind)
        else:
            self._untimed(body, kind)

    def _timed(self, body: bytes, kind: bytes) -> None:
        if kind == b"GLL,":
            fields = body.split(b",", 6)
            text = fields[5] if len(fields) > 5 else b""
        else:
            end = body.find(b",", 6)
            text = body[6:end] if end > 0 else body[6:]
        epoch = self._epoch
        if text and text == self._time_text and epoch is not None:
            key_ms = epoch.key_ms
        else:
            parsed = nmea.day_ms(text) if text else NO_TIME
            if parsed is None:
                self._stats.bad += 1
                self.damage()
                return
            key_ms = parsed
        self._stats.good += 1
        self._unsure = False
        name = body[:5]
        if epoch is None and self._is_late(name, key_ms):
            self._late = True
            self._late_date(kind, key_ms, body)
            return
        if epoch is None or key_ms != epoch.key_ms or name in epoch.bodies:
            epoch = self._open(key_ms)
        self._time_text = text
        epoch.bodies[name] = body
        if kind in _FIX_BEARING:
            epoch.fix_bearing = True
        self._joined(epoch, kind)

    def _is_late(self, name: bytes, key_ms: int) -> bool:
        """Whether a sentence belongs to the epoch that was closed too early."""
        closed = self._closed
        return closed is not None and key_ms == closed.key_ms and name not in closed.bodies

    def _late_date(self, kind: bytes, key_ms: int, body: bytes) -> None:
        """A receiver that pauses before its RMC: the date comes after its fix, but serves the next one."""
        day = day_said(kind[:3], body) if self._valid else None
        if day is not None:
            self._date(key_ms, day)

    def _untimed(self, body: bytes, kind: bytes) -> None:
        self._stats.good += 1
        if kind == b"GSV,":
            self._sky.gsv_comes = True
            if b",1," in body[6:11]:
                self._count_seen(body)
            if self._sky.listing:
                self._sky.gsv(body)
            return
        if kind in _HEADINGS:
            self._hear_heading(body, kind)
            return
        if kind == b"GSA," and self._sky.listing:
            self._sky.gsa(body)
        epoch = self._epoch
        if epoch is None:
            self._late = True
            return
        if self._unsure or (kind == b"VTG," and epoch.vtg):
            return
        if kind == b"GSA,":
            mode = body[8:9]
            epoch.gsa_mode = max(epoch.gsa_mode, int(mode) if mode in (b"1", b"2", b"3") else 0)
        else:
            epoch.vtg = body
        self._joined(epoch, kind)

    def _hear_heading(self, body: bytes, kind: bytes) -> None:
        """Only the first one of an epoch joins it: some receivers send ten a fix, and would hide where it ends."""
        epoch = self._epoch or self._closed
        if self._unsure or epoch is None:
            return
        heading_cdeg = nmea.heading_cdeg(kind, body)
        self._heading = None if heading_cdeg is None else (heading_cdeg, epoch.key_ms)
        if epoch.heading:
            return
        if self._epoch is None:
            self._late = True
        else:
            epoch.heading = True
            self._joined(epoch, kind)

    def _heading_of(self, epoch: Epoch) -> int | None:
        if self._heading is None:
            return None
        heading_cdeg, heard_ms = self._heading
        if heard_ms == epoch.key_ms:
            return heading_cdeg if epoch.heading else None
        fresh = 0 < (epoch.key_ms - heard_ms) % MS_PER_DAY <= HEADING_AGE_MS_MAX
        return heading_cdeg if fresh and NO_TIME not in (epoch.key_ms, heard_ms) else None

    def _joined(self, epoch: Epoch, kind: bytes) -> None:
        epoch.count += 1
        epoch.last_kind = kind
        if epoch.count >= SENTENCES_MAX or (
            epoch.fix_bearing and not epoch.damaged and self._closer == (epoch.count, kind)
        ):
            self._close(whole=False)

    def _count_seen(self, body: bytes) -> None:
        """The first GSV of a set says how many satellites its talker sees; its signals see the same ones."""
        fields = body.split(b",", 4)
        if len(fields) < 4 or not fields[3].isdigit() or len(fields[3]) > 3:
            return
        talker, count = body[:2], int(fields[3])
        if talker not in self._seen and len(self._seen) >= TALKERS_MAX:
            return
        before, epochs = self._seen.get(talker, (0, -1))
        self._seen[talker] = (max(before, count) if epochs == self._epochs else count, self._epochs)

    def _open(self, key_ms: int) -> Epoch:
        if self._epoch is not None:
            self._close(whole=True)
        if self._late:  # the closer that we had learned came too early
            self._closer = self._end = None
            self._late = False
        self._epoch = epoch = Epoch(key_ms)
        return epoch

    def _close(self, whole: bool) -> None:
        """`whole`: nothing more was to come, so the end of this epoch is worth learning."""
        epoch = self._epoch
        assert epoch is not None
        self._epoch, self._closed = None, epoch
        self._time_text = b""
        self._epochs += 1
        if whole and not epoch.damaged and epoch.fix_bearing:
            end = (epoch.count, epoch.last_kind)
            self._closer = end if end == self._end else None
            self._end = end
        if epoch.fix_bearing:
            self._emit(epoch)
        if self._sky.wanted:
            self._tell_sky(epoch)

    def _emit(self, epoch: Epoch) -> None:
        dated = partial(self._date, epoch.key_ms)
        fix, sound = build_fix(
            epoch.bodies, epoch.gsa_mode, epoch.vtg, self._seen_now(), self._heading_of(epoch), dated
        )
        self._valid = bool(fix.mode)
        if not sound:
            self._stats.bad += 1
        self._emit_sample(fix)

    def _tell_sky(self, epoch: Epoch) -> None:
        values = self._sky.close()
        if values is None:
            return
        age_ds = corrections_age_ds(epoch.bodies)
        if age_ds is not None:
            values[CORRECTIONS_AGE] = age_ds
        if values:
            self._emit_sample(Reading(values))

    def _seen_now(self) -> int | None:
        oldest = self._epochs - SEEN_AGE_EPOCHS_MAX
        counts = [count for count, epoch in self._seen.values() if epoch >= oldest]
        return sum(counts) if counts else None

    def _date(self, key_ms: int, day: int | None) -> int | None:
        """UTC of a time of day: on the day that the epoch itself says, else on the nearest to the last."""
        if key_ms == NO_TIME:
            return None
        near = None
        if self._last_utc_ms is not None:
            days = (self._last_utc_ms - key_ms + MS_PER_DAY // 2) // MS_PER_DAY
            near = days * MS_PER_DAY + key_ms
        if day is None:
            return near
        said = self._rollover.mend(day * MS_PER_DAY + key_ms)
        if (
            near is not None
            and abs(said - near) == MS_PER_DAY
            and _follows_over_midnight(self._last_utc_ms, near)
        ):
            said = near  # a date that flipped a sentence before or after its time did
        self._last_utc_ms = said
        return said


def _follows_over_midnight(last_utc_ms: int | None, near_utc_ms: int) -> bool:
    """Whether two times follow one another closely and the later one is close to a midnight."""
    if last_utc_ms is None or abs(near_utc_ms - last_utc_ms) > _MIDNIGHT_MARGIN_MS:
        return False
    after_ms = near_utc_ms % MS_PER_DAY
    return after_ms <= _MIDNIGHT_MARGIN_MS or after_ms >= MS_PER_DAY - _MIDNIGHT_MARGIN_MS

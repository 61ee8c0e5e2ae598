"""GPS week roll-over: old receivers forget how often the 10-bit week number has wrapped.

Enters: a UTC time as a receiver says it, or a week and a time of week. Leaves: the time that is meant. Called by
the epoch assembler and by drivers of receivers that count weeks.

Three rules, because a recording and a live wire differ. A recording from 2007 must keep its date. On a live
wire a receiver that says 2007 is one whose week number has wrapped, and a fix dated so would never be drawn.
A recording that says when it was made tells even a bare 10-bit week from the same one 20 years later.

What gpsd does otherwise: it adds 1024 weeks to any date before its own reference (a header of the log, or the
last leap second that it knows). So it gives 2034-11-01 for a log of 2015-03-18 whose header it cannot read,
and 2027-08-08 for one of 2007-12-23; `RECORDED` keeps both true dates.
"""

from dataclasses import dataclass

from protocols.units import MS_PER_DAY

WEEK_MS = 7 * MS_PER_DAY
PERIOD_MS = 1024 * WEEK_MS
"""1024 weeks. **Source:** IS-GPS-200, 20.3.3.3.1.1, transmission week number modulo 1024."""

GPS_EPOCH_UTC_MS = 315_964_800_000
"""1980-01-06, where week 0 begins. **Source:** IS-GPS-200, 3.3.4."""

LEAP_MS = 18_000
"""GPS time minus UTC since 2017-01-01. **Source:** IERS Bulletin C 52. It is taken for times before 2017 too (five
seconds too much in 2005), as gpsd does with a receiver that does not say it: only a week and a time of week come."""

Y2000_UTC_MS = 946_684_800_000
Y2026_UTC_MS = 1_767_225_600_000


@dataclass(frozen=True, slots=True)
class Rollover:
    """Times within [oldest, newest) stand; any other moves by whole periods to the nearest of `reference`.

    All three are UTC, ms since 1970.
    """

    reference_utc_ms: int
    oldest_utc_ms: int
    newest_utc_ms: int

    @classmethod
    def live(cls, now_utc_ms: int | None) -> "Rollover":
        """For a gateway: always the time nearest to now, but `now` is never before 2026-01-01.

        None for an unproven clock: then 2026-01-01 is the reference, which is right until October 2035.
        """
        return cls.around(max(now_utc_ms or 0, Y2026_UTC_MS))

    @classmethod
    def around(cls, reference_utc_ms: int) -> "Rollover":
        """Always the time nearest to the reference."""
        return cls(reference_utc_ms, reference_utc_ms - PERIOD_MS // 2, reference_utc_ms + PERIOD_MS // 2)

    def mend(self, t_utc_ms: int) -> int:
        """The plausible time that differs from `t_utc_ms` by a whole number of periods."""
        if self.oldest_utc_ms <= t_utc_ms < self.newest_utc_ms:
            return t_utc_ms
        periods = (self.reference_utc_ms - t_utc_ms + PERIOD_MS // 2) // PERIOD_MS
        return t_utc_ms + periods * PERIOD_MS

    def utc_ms(self, week: int, tow_ms: int) -> int:
        """GPS week, wrapped or whole, and time of week, ms -> the plausible UTC."""
        return self.mend(GPS_EPOCH_UTC_MS + week * WEEK_MS + tow_ms - LEAP_MS)


RECORDED = Rollover(Y2026_UTC_MS, Y2000_UTC_MS, Y2026_UTC_MS + PERIOD_MS // 2)
"""For files, and the default: dates of 2000 to October 2035 stand as the receiver wrote them."""

"""GPS week roll-over: old receivers forget how often the 10-bit week number has wrapped.

Enters: a UTC time as a receiver says it. Leaves: the time that is meant. Called by the epoch assembler.

Two rules, because a recording and a live wire differ. A recording from 2007 must keep its date. On a live
wire a receiver that says 2007 is one whose week number has wrapped, and a fix dated so would never be drawn.

What gpsd does otherwise: it adds 1024 weeks to any date before its own reference (a header of the log, or the
last leap second that it knows). So it gives 2034-11-01 for a log of 2015-03-18 whose header it cannot read,
and 2027-08-08 for one of 2007-12-23; `RECORDED` keeps both true dates.
"""

from dataclasses import dataclass

from protocols.units import MS_PER_DAY

PERIOD_MS = 7168 * MS_PER_DAY
"""1024 weeks. **Source:** IS-GPS-200, 20.3.3.3.1.1, transmission week number modulo 1024."""

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
        reference = max(now_utc_ms or 0, Y2026_UTC_MS)
        return cls(reference, reference - PERIOD_MS // 2, reference + PERIOD_MS // 2)

    def mend(self, t_utc_ms: int) -> int:
        """The plausible time that differs from `t_utc_ms` by a whole number of periods."""
        if self.oldest_utc_ms <= t_utc_ms < self.newest_utc_ms:
            return t_utc_ms
        periods = (self.reference_utc_ms - t_utc_ms + PERIOD_MS // 2) // PERIOD_MS
        return t_utc_ms + periods * PERIOD_MS


RECORDED = Rollover(Y2026_UTC_MS, Y2000_UTC_MS, Y2026_UTC_MS + PERIOD_MS // 2)
"""For files, and the default: dates of 2000 to October 2035 stand as the receiver wrote them."""

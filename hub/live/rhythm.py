"""How often each device reports by each bearer, learned from its newest rows as they come.

Enters: arrivals of live frames. Leaves: the median interval of a device by a bearer, and when it was heard so last.
Pure. Callers: `hub.live.ingest` (hear), `hub.live.contact`.

Only the live lane counts: a backlog comes as fast as the link allows and says nothing of how often to expect news.
"""

from statistics import median

from protocols.catalog import Bearer

GAPS_MAX = 9
"""A median of so many: one late report, or one burst, moves nothing."""
GAPS_MIN = 3
TOGETHER_MS = 200
"""Frames so close belong to one report."""
GAP_MS_MAX = 3_600_000
"""A longer silence was an outage, not a rhythm."""
PAIRS_MAX = 100_000
SLOW_MS = 3_000
"""Faster ones have no influence on any limit."""
PRIOR_MS = {Bearer.RDSS: 60_000, Bearer.MESH: 30_000}
"""Until it is learned: a BeiDou card sends once a minute, a shared channel seldom."""


class Rhythm:
    """One device by one bearer."""

    __slots__ = ("gaps", "last_ms", "next", "usual_ms")

    def __init__(self, t_ms: int, usual_ms: int) -> None:
        self.last_ms = t_ms
        self.usual_ms = usual_ms
        self.gaps: list[int] = []
        self.next = 0


class Rhythms:
    """All of them. `slow`: devices that report seldom by some bearer; nobody else's limits need looking at."""

    def __init__(self) -> None:
        self._of: dict[int, dict[int, Rhythm]] = {}
        self._pairs = 0
        self.slow: set[int] = set()

    def hear(self, device: int, bearer: int, t_ms: int) -> None:
        """A live frame came."""
        by_bearer = self._of.get(device)
        rhythm = None if by_bearer is None else by_bearer.get(bearer)
        if rhythm is None:
            self._begin(device, bearer, t_ms)
            return
        gap_ms = t_ms - rhythm.last_ms
        if gap_ms < TOGETHER_MS:
            return
        rhythm.last_ms = t_ms
        if gap_ms < SLOW_MS and rhythm.usual_ms < SLOW_MS and len(rhythm.gaps) == GAPS_MAX:
            rhythm.gaps[rhythm.next] = gap_ms  # quick and known to be: the median need not be exact
            rhythm.next = (rhythm.next + 1) % GAPS_MAX
        elif gap_ms <= GAP_MS_MAX:
            self._learn(device, rhythm, gap_ms)

    def _begin(self, device: int, bearer: int, t_ms: int) -> None:
        if self._pairs >= PAIRS_MAX:
            return
        self._pairs += 1
        usual_ms = PRIOR_MS.get(Bearer(bearer), 0)
        self._of.setdefault(device, {})[bearer] = Rhythm(t_ms, usual_ms)
        if usual_ms >= SLOW_MS:
            self.slow.add(device)

    def _learn(self, device: int, rhythm: Rhythm, gap_ms: int) -> None:
        if len(rhythm.gaps) < GAPS_MAX:
            rhythm.gaps.append(gap_ms)
        else:
            rhythm.gaps[rhythm.next] = gap_ms
        rhythm.next = (rhythm.next + 1) % GAPS_MAX
        if len(rhythm.gaps) >= GAPS_MIN:
            rhythm.usual_ms = int(median(rhythm.gaps))
            if rhythm.usual_ms >= SLOW_MS:
                self.slow.add(device)

    def of(self, device: int) -> dict[int, Rhythm]:
        """By bearer."""
        return self._of.get(device, {})

    def last_bearer(self, device: int) -> int:
        """By which its newest live frame came; 0: none yet."""
        by_bearer = self._of.get(device, {})
        return max(by_bearer, key=lambda bearer: by_bearer[bearer].last_ms) if by_bearer else 0

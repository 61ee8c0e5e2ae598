"""What the gateway hears of others, paced: one row a thing and a period, and each name once an hour.

Enters: `Observed` and `Heard` samples. Leaves: rows of OBSERVED and SAID. Called by `edge.agent`. Bounded: of more than
THINGS_MAX things, the one that was silent longest is forgotten.
"""

from protocols.catalog import PAGE_BITS, Kind, Said, field_id
from protocols.frame import TEXT_BYTES_MAX, Row
from protocols.samples import Heard, Observed

THINGS_MAX = 2_000
NAMES_EVERY_MS = 3_600_000
SOURCE, ID = (field_id(name) % PAGE_BITS for name in ("obs_source", "obs_id"))
LAT = field_id("obs_lat_deg_e7")
Key = tuple[int, int]


class Observations:
    """Which thing was told when. Between two rows of a thing its newest values wait, and none is lost but replaced."""

    def __init__(self, period_ms: int) -> None:
        self._period_ms = period_ms
        self._told_ms: dict[Key, int] = {}
        self._waiting: dict[Key, dict[int, int]] = {}
        self._named: dict[Key, tuple[str, int]] = {}

    def take(self, sample: Observed, t_mono_ms: int) -> Row | None:
        """A row when the thing is due; else its values wait for the next sample of it, or for `due`."""
        key = (int(sample.source), sample.id)
        values = self._waiting.setdefault(key, {})
        values.update(sample.values)
        told_ms = self._told_ms.get(key)
        if told_ms is not None and t_mono_ms - told_ms < self._period_ms:
            return None
        return self._row(key, t_mono_ms)

    def due(self, t_mono_ms: int) -> list[Row]:
        """Rows of things whose period is over and that have values waiting. Called once a second."""
        keys = [key for key in self._waiting if t_mono_ms - self._told_ms[key] >= self._period_ms]
        return [self._row(key, t_mono_ms) for key in keys]

    def hear(self, heard: Heard, t_mono_ms: int) -> Row | None:
        """A message at once; a name when it is new or was not told for an hour."""
        key = (int(heard.source), heard.id)
        if heard.what == Said.NAME:
            name, at_ms = self._named.pop(key, ("", -NAMES_EVERY_MS))
            is_new = name != heard.text or t_mono_ms - at_ms >= NAMES_EVERY_MS
            self._named[key] = (heard.text, t_mono_ms if is_new else at_ms)
            if len(self._named) > THINGS_MAX:
                del self._named[next(iter(self._named))]
            if not is_new:
                return None
        text = heard.text.encode()[:TEXT_BYTES_MAX].decode(errors="ignore")
        return Row(t_mono_ms, {}, (*key, int(heard.what), text))

    def _row(self, key: Key, t_mono_ms: int) -> Row:
        values = self._waiting.pop(key)
        self._told_ms.pop(key, None)
        self._told_ms[key] = t_mono_ms
        if len(self._told_ms) > THINGS_MAX:
            oldest = next(iter(self._told_ms))
            del self._told_ms[oldest]
            self._waiting.pop(oldest, None)
        page = {
            field % PAGE_BITS: value for field, value in values.items() if field // PAGE_BITS == Kind.OBSERVED
        }
        return Row(t_mono_ms, {SOURCE: key[0], ID: key[1], **page})

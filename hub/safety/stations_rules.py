"""Exceedances that coincide, as drafts of combined warnings. A person issues or dismisses them; nothing else does.

Enters: what is exceeded, the rules, the drafts there are. Leaves: drafts to offer. Pure. Caller: `hub.safety.stations`.

Of a rule's exceedances those within its distance and time of one another, directly or through others, are one cluster;
one that holds each quantity of the rule is a draft. It stays the same draft while it shares a station with an open one.
What a person decided is not asked again for a day, unless a station comes in or it gets graver.
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import combinations

from hub.safety.stations_book import grave_rank
from hub.safety.stations_map import Rule
from hub.safety.warnings_drafts import DAY_MS, Draft, Exceeded
from hub.safety.weather import metres_between

EXCEEDED_MAX = 300
"""Of one rule at once; of more, the newest."""
MARGIN_M = 500.0
"""The draft's circle reaches so far beyond its outermost station."""


def clusters(rule: Rule, exceeded: Iterable[Exceeded], now_ms: int) -> list[list[Exceeded]]:
    """Each with every quantity of the rule in it."""
    mine = [e for e in exceeded if e.quantity in rule.needs and now_ms - e.t_utc_ms <= rule.within_ms][
        :EXCEEDED_MAX
    ]
    head = list(range(len(mine)))

    def root(i: int) -> int:
        while head[i] != i:
            head[i] = head[head[i]]
            i = head[i]
        return i

    for i, j in combinations(range(len(mine)), 2):
        if root(i) != root(j) and _together(rule, mine[i], mine[j]):
            head[root(i)] = root(j)
    groups: dict[int, list[Exceeded]] = {}
    for i, one in enumerate(mine):
        groups.setdefault(root(i), []).append(one)
    return [group for group in groups.values() if {e.quantity for e in group} >= set(rule.needs)]


def _together(rule: Rule, a: Exceeded, b: Exceeded) -> bool:
    """Near enough in time and place."""
    if abs(a.t_utc_ms - b.t_utc_ms) > rule.within_ms:
        return False
    return metres_between(a.lat_deg, a.lon_deg, b.lat_deg, b.lon_deg) <= rule.within_m


def drafts(
    rules: Sequence[Rule], exceeded: Sequence[Exceeded], known: Sequence[Draft], now_ms: int
) -> list[Draft]:
    """What to offer now."""
    made = []
    for rule in rules:
        for group in clusters(rule, exceeded, now_ms):
            id = _id(rule, group, known, now_ms)
            if id is not None:
                made.append(_draft(id, rule, group, now_ms))
    return made


def colour_of(rule: Rule, group: Sequence[Exceeded]) -> str:
    return rule.colour or min((e.colour for e in group), key=grave_rank)


def _id(rule: Rule, group: Sequence[Exceeded], known: Sequence[Draft], now_ms: int) -> str | None:
    """Of the draft that this is; None: a person has decided it."""
    names, colour = {(e.source, e.station) for e in group}, colour_of(rule, group)
    for draft in known:
        if draft.rule != rule.name:
            continue
        before = {(e.source, e.station) for e in draft.inputs}
        if draft.state == "open" and before & names:
            return draft.id
        is_new = now_ms - (draft.t_by_ms or draft.t_utc_ms) < DAY_MS
        is_no_graver = grave_rank(draft.colour) <= grave_rank(colour)
        if draft.state != "open" and is_new and is_no_graver and names <= before:
            return None
    key = f"{rule.name}\0{sorted(names)}\0{now_ms}"
    return blake2b(key.encode(), digest_size=6).hexdigest()


def _draft(id: str, rule: Rule, group: Sequence[Exceeded], now_ms: int) -> Draft:
    lat = sum(e.lat_deg for e in group) / len(group)
    lon = sum(e.lon_deg for e in group) / len(group)
    radius_m = max(metres_between(lat, lon, e.lat_deg, e.lon_deg) for e in group) + MARGIN_M
    inputs = tuple(sorted(group, key=lambda e: (e.quantity, e.source, e.station)))
    return Draft(
        id, now_ms, rule.zh, rule.en, colour_of(rule, group), lat, lon, round(radius_m, 1), inputs, rule.name
    )

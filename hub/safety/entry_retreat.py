"""The retreat rule: min(air, zone, daylight, strain, squad) − the way out < margin, with the term that binds.

Enters: what is left of each, in seconds. Leaves: a recommendation with all it rests on. Pure. Caller:
`hub.safety.entry`. It never orders: a person does.

**Source:** facts of the project, algorithms "Retreat"; the whole-squad rule of mine rescue: whose apparatus fails takes
everybody out.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

DEADBAND_S = 30
"""A recommendation ends only when so much more than the margin is left."""
STRAIN_LIMIT = 7.5
"""PSI at which the gateway alarms, too."""
STRAIN_SPAN_MS = 600_000
STRAIN_POINTS_MAX = 60
HIDDEN = ("hidden", "另有依据", "a reason not shown here")
"""In place of a term that says how a body is doing."""


class Term(NamedTuple):
    """What ends the stay, and in how many seconds. `private`: it says how a body is doing."""

    name: str
    zh: str
    en: str
    left_s: float
    private: bool = False


class Retreat(NamedTuple):
    """The judgement. `binding` None: nothing is known that could bind. `slack_s`: the least that is left, less the way
    out; it is to be more than `margin_s`."""

    recommend: bool
    binding: Term | None
    slack_s: float | None
    egress_s: float
    margin_s: float
    terms: tuple[Term, ...]

    def message(self, *, body: bool) -> dict[str, Any]:
        """The feed's `retreat`; `body` False: without terms of bodies, but with what follows from them."""
        terms = [term for term in self.terms if body or not term.private]
        name, zh, en = "", "无依据：没有可用的压力读数", "nothing to judge by: no usable pressure"
        if self.binding is not None:
            hidden = self.binding.private and not body
            name, zh, en = HIDDEN if hidden else self.binding[:3]
        slack_s = None if name == HIDDEN[0] or self.slack_s is None else round(self.slack_s)
        said = [_said(one.name, one.zh, one.en, one.left_s) for one in terms]
        said.append(_said("egress", "撤出需时", "the way out", self.egress_s))
        said.append(_said("margin", "应留余量", "margin to keep", self.margin_s))
        return {
            "recommend": self.recommend, "binding": name, "margin_s": slack_s, "zh": zh, "en": en, "terms": said,
        }  # fmt: skip


def _said(name: str, zh: str, en: str, seconds: float) -> dict[str, Any]:
    return {"name": name, "zh": zh, "en": en, "value": round(seconds / 60, 1), "unit": "min"}


def judge(terms: Sequence[Term], egress_s: float, margin_s: float, *, stood: bool) -> Retreat:
    """`stood`: it was recommended before, and ends with a deadband."""
    binding = min(terms, key=lambda term: term.left_s, default=None)
    if binding is None:
        return Retreat(False, None, None, egress_s, margin_s, ())
    slack_s = binding.left_s - egress_s
    recommend = slack_s < margin_s + (DEADBAND_S if stood else 0)
    return Retreat(recommend, binding, slack_s, egress_s, margin_s, tuple(terms))


class Strain:
    """When the strain index reaches its limit, if it goes on rising as it did: a line through the last ten minutes."""

    def __init__(self) -> None:
        self._points: deque[tuple[int, float]] = deque(maxlen=STRAIN_POINTS_MAX)

    def left_s(self, psi: float, t_ms: int) -> float | None:
        """Seconds from `t_ms`; 0 at the limit; None: it does not rise. Heard once each 10 s at most."""
        if not self._points or t_ms - self._points[-1][0] >= STRAIN_SPAN_MS // STRAIN_POINTS_MAX:
            self._points.append((t_ms, psi))
        while t_ms - self._points[0][0] > STRAIN_SPAN_MS:
            self._points.popleft()
        if psi >= STRAIN_LIMIT:
            return 0.0
        first_ms, first = self._points[0]
        if t_ms - first_ms < STRAIN_SPAN_MS // 10 or psi <= first:
            return None
        return (STRAIN_LIMIT - psi) / (psi - first) * (t_ms - first_ms) / 1000

"""The rules of this hub: judged each second, changed while it runs, tried on the past.

Enters: DATA/rules.toml (without it the sample), changes that people made through the API, the picture. Leaves:
conditions for alarms, firings of dry runs. Callers: `hub.app`, `hub.api.rule_routes`.

What a person changes is a document over the file, by name and time; taking it back shows the file's rule again.
"""

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from hub.live.events import Event
from hub.live.history import Decoder
from hub.safety.alarm import Alarm
from hub.safety.condition import Condition
from hub.safety.part import Ground, Part
from hub.safety.rule_engine import SOURCE, Engine, Told
from hub.safety.rule_file import RULES_MAX, SAMPLE, RuleError, RuleFile, as_map, read, rule_of
from hub.safety.rule_kinds import Rule
from hub.safety.rule_scene import Entries, Roster, Scene, ZoneSight
from hub.safety.rule_trial import Past, Trial

KIND = "rule"
FILE = "rules.toml"
Tell = Callable[[str, Sequence[Condition], int], None]


@dataclass(frozen=True, slots=True)
class Changed:
    """A rule as a person changed or added it."""

    rule: Rule
    by: str
    t_utc_ms: int


@dataclass(frozen=True, slots=True)
class Shown:
    """A rule with where it comes from: file, sample, changed (over one of these), added. `standing`: conditions now."""

    rule: Rule
    origin: str
    changed: Changed | None
    standing: tuple[Condition, ...]
    trouble: str
    left_out: int


class Rules(Part):
    """See the module. `zones` None: rules of zones say that there are none."""

    name = SOURCE

    def __init__(
        self,
        ground: Ground,
        tell: Tell,
        alarms: Callable[[], Iterable[Alarm]] = list,
        zones: ZoneSight | None = None,
    ) -> None:
        self._ground, self._tell, self._alarms, self._zones = ground, tell, alarms, zones
        self.file = RuleFile((), ())
        self.file_name = FILE
        self.errors: list[str] = []
        self._changed: dict[str, Changed] = {}
        self._entries = Entries()
        self._roster = Roster(ground.units)
        self._since_ms = ground.clock_ms()
        self._engine = Engine(())
        self._look_ms = 0.0
        self.trying = False

    # --- the part ----------------------------------------------------------------------------------------------------

    def load(self) -> None:
        self._read_file()
        self._changed = {}
        for id, kept in self._ground.registry.documents.all(KIND).items():
            try:
                self._changed[id] = Changed(rule_of(kept["rule"]), kept["by"], kept["t"])
            except RuleError as err:
                self.errors.append(f"changed by {kept.get('by')}: {err}")
        for event in self._ground.events.all():
            self._entries.hear(event.code, event.slot, event.t_event_ms)
        self._since_ms = self._ground.clock_ms()
        self._engine = Engine(self.effective(), self.file.offset_min)
        scene = self._scene(self._since_ms)
        for alarm in self._alarms():
            if alarm.source == SOURCE and alarm.stands:
                self._engine.seed(scene, alarm.key)

    def _read_file(self) -> None:
        path = self._ground.data / FILE
        try:
            self.file = read(path.read_text(encoding="utf-8"), FILE)
            self.errors = list(self.file.errors)
            return
        except FileNotFoundError:
            self.errors = []
        except (OSError, ValueError) as err:
            self.errors = [str(err) if isinstance(err, RuleError) else f"{FILE}: {err}"]
        self.file_name = SAMPLE.name  # a hub whose file cannot be read is not a hub without rules
        self.file = read(SAMPLE.read_text(encoding="utf-8"), SAMPLE.name)

    def hear(self, events: Sequence[Event]) -> None:
        for event in events:
            self._entries.hear(event.code, event.slot, event.t_event_ms)

    def look(self, now_ms: int) -> None:
        began = time.perf_counter()
        told = self._engine.step(self._scene(now_ms))
        self._look_ms = 1_000 * (time.perf_counter() - began)
        self._tell(SOURCE, self._begun(told.values()), now_ms)

    def _begun(self, told: Collection[Told]) -> list[Condition]:
        """An off-delay keeps an alarm and begins none: what was one with a gateway's alarm ends with that."""
        own: set[str] = set()
        if any(one.over for one in told):
            own = {alarm.key for alarm in self._alarms() if alarm.source == SOURCE and alarm.stands}
        return [one.condition for one in told if not one.over or one.condition.key in own]

    def _scene(self, now_ms: int) -> Scene:
        self._roster.look()
        ground = self._ground
        return Scene(
            ground.picture, ground.units, self._roster, self._entries, self._zones, now_ms, self._since_ms
        )

    def gauges(self) -> dict[str, float]:
        watched = self._engine.watched.values()
        return {
            "rules": float(len(watched)),
            "rules_look_ms": self._look_ms,
            "rules_standing": float(sum(len(one.told) for one in watched)),
            "rules_left_out": float(sum(one.left_out for one in watched)),
        }

    def notes(self) -> list[str]:
        faults = [f"{one.rule.id}: {one.fault}" for one in self._engine.watched.values() if one.fault]
        return [f"rules: {words}" for words in (*self.errors, *faults)]

    # --- rules -------------------------------------------------------------------------------------------------------

    def effective(self) -> list[Rule]:
        """The file's rules, changed ones in their place, added ones behind."""
        merged = {rule.id: rule for rule in self.file.rules} | {
            id: one.rule for id, one in self._changed.items()
        }
        return list(merged.values())

    def shown(self) -> list[Shown]:
        """All of them, with what stands."""
        filed = {rule.id for rule in self.file.rules}
        own = "file" if self.file_name == FILE else "sample"
        return [self._shown(rule, filed, own) for rule in self.effective()]

    def _shown(self, rule: Rule, filed: set[str], own: str) -> Shown:
        changed = self._changed.get(rule.id)
        origin = own if changed is None else "changed" if rule.id in filed else "added"
        watched = self._engine.watched.get(rule.id)
        if watched is None:
            return Shown(rule, origin, changed, (), "", 0)
        standing = tuple(told.condition for told in watched.told.values())
        return Shown(rule, origin, changed, standing, watched.trouble, watched.left_out)

    def get(self, id: str) -> Rule | None:
        return next((rule for rule in self.effective() if rule.id == id), None)

    def is_changed(self, id: str) -> bool:
        return id in self._changed

    def has_room(self) -> bool:
        return len(self.effective()) < RULES_MAX

    def keep_change(self, rule: Rule, by: str, what: str, now_ms: int) -> None:
        """On a reader's thread: the record and the document, both or neither. StoreError: nothing was done."""
        registry = self._ground.registry
        with registry.together():
            registry.record(now_ms, by, what, {"rule": as_map(rule)})
            registry.documents.put(KIND, {rule.id: {"rule": as_map(rule), "by": by, "t": now_ms}}, now_ms)

    def keep_revert(self, id: str, by: str, now_ms: int) -> None:
        """The same for a change that is taken back."""
        registry = self._ground.registry
        with registry.together():
            registry.record(now_ms, by, "rule reverted", {"rule": id})
            registry.documents.drop(KIND, [id])

    def change(self, rule: Rule, by: str, now_ms: int) -> None:
        """It counts from now on. The caller has kept it."""
        self._changed[rule.id] = Changed(rule, by, now_ms)
        self._engine.put(self.effective(), self._scene(now_ms))

    def revert(self, id: str, now_ms: int) -> None:
        """The file's rule counts again, or none."""
        self._changed.pop(id, None)
        self._engine.put(self.effective(), self._scene(now_ms))

    # --- the past ----------------------------------------------------------------------------------------------------

    def trial(self, past: Past) -> Trial:
        """A dry run, on a reader's thread. A rule that is switched off is tried all the same."""
        ground = self._ground
        past = replace(past, rule=replace(past.rule, enabled=True), offset_min=self.file.offset_min)
        decoder = Decoder(ground.log, ground.ingest.keys.logged)
        return Trial(
            past, ground.log, decoder, ground.registry.units(), ground.registry.bindings(), self._zones
        )

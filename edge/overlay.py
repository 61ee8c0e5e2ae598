"""Settings that the hub changed: tried, confirmed by the hub's answer, or taken back.

Enters: the body of a CONFIG order, whose signature was good. Leaves: `Config` with the changes, one small file beside
the configuration, and what became of each order. Callers: `edge.cli` (start), `edge.agent` (tick), `edge.obey_desk`.

A change is written as a trial and the agent begins anew with it. When the hub acknowledges a row of that run within
`confirm_s` the change stays. Else, or when the agent stopped in between however that was, the next start goes back
to what was before. The file of the configuration itself is never touched.
"""

import json
import logging
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from edge import identity
from edge.config import Config, ConfigError, load
from edge.identity import IdentityError
from protocols.catalog import EventCode
from protocols.orders import SEQ_MAX, ConfigRefusal
from protocols.units import MS_PER_S

log = logging.getLogger("zhantu.edge.overlay")

SECTIONS = ("pace", "guard", "person")
"""The tables whose settings a hub may change: how often, judgement, who wears it. Never who this gateway is."""
CHANGES_MAX = 64
KEY_CHARS_MAX, TEXT_CHARS_MAX = 64, 100
CONFIRM_S, CONFIRM_S_RANGE = 120, (10, 3_600)
TOLD_MAX = 8
RETRY_MS = 5_000
FILE_BYTES_MAX = 65_536
Value = bool | int | float | str


class Outcome(NamedTuple):
    """What became of an order of CONFIG: ACCEPTED, or REFUSED and why."""

    order: int
    code: EventCode
    why: int | None = None


@dataclass(frozen=True, slots=True)
class Layer:
    """Changes of one version. `order` asked for it, and waits `confirm_s` for the hub's answer."""

    version: int = 0
    changes: dict[str, Value] = field(default_factory=dict)
    order: int = 0
    confirm_s: int = CONFIRM_S


@dataclass(slots=True)
class _Kept:
    """What is in the file. `newest`: the highest version there ever was. `begun`: the agent started with the trial."""

    now: Layer = field(default_factory=Layer)
    trial: Layer | None = None
    begun: bool = False
    newest: int = 0
    outcomes: list[Outcome] = field(default_factory=list)


class Overlay:
    """`start` before an agent is made, then the others from its loop."""

    def __init__(self, config_path: Path) -> None:
        self._config_path = config_path
        self._path = config_path.with_name(f"{config_path.stem}.overlay.json")
        self._kept = _Kept()
        self._due_ms: int | None = None
        self._retry_ms = 0
        self._is_answered = False

    # --- the start ---------------------------------------------------------------------------------

    def start(self) -> Config:
        """The configuration to run with. A trial that had begun before is over: it was not confirmed."""
        self._kept, self._due_ms, self._retry_ms, self._is_answered = self._read(), None, 0, False
        if self._kept.trial is not None and self._kept.begun:
            self._back(ConfigRefusal.STOPPED)
        if self._kept.trial is not None:
            config = self._begin(self._kept.trial)
            if config is not None:
                return config
        try:
            return load(self._config_path, self._kept.now.changes)
        except ConfigError as err:
            if not self._kept.now.changes:
                raise
            log.error("%s: %s; the file's own settings are taken", self._path, err)
            return load(self._config_path)

    def _begin(self, trial: Layer) -> Config | None:
        """The trial's configuration, once it is on the disk that it has begun."""
        try:
            config = load(self._config_path, trial.changes)
        except (ConfigError, IdentityError) as err:
            log.error("settings %s: %s", trial.version, err)
            self._back(ConfigRefusal.KEY)
            return None
        self._kept.begun = True
        if not self._write():
            # a crash could not be told from a first start: so it is not tried at all
            self._back(ConfigRefusal.DISK)
            return None
        self._due_ms = trial.confirm_s * MS_PER_S
        log.info("settings %s are tried for %s s", trial.version, trial.confirm_s)
        return config

    # --- while it runs -----------------------------------------------------------------------------

    def propose(self, order: int, body: dict[str, Any]) -> Outcome | None:
        """A body of CONFIG. What became of it at once; None: the agent has to begin anew with it."""
        if self._kept.trial is not None and self._kept.trial.order == order:
            return None
        if self._kept.trial is not None and self._due_ms is not None and self._is_answered:
            self._confirm(self._kept.trial, 0)  # it has passed, the next tick would have said so
        if self._kept.now.order == order:
            return Outcome(order, EventCode.ACCEPTED)
        try:
            layer = self._layer(order, body)
        except _Refused as err:
            log.warning("settings of order %s are refused: %s", order, err)
            return Outcome(order, EventCode.REFUSED, err.why)
        before, told = self._kept, self._kept.outcomes
        if before.trial is not None:
            told = [*told, Outcome(before.trial.order, EventCode.REFUSED, ConfigRefusal.STOPPED)][-TOLD_MAX:]
        self._kept = _Kept(before.now, layer, newest=layer.version, outcomes=told)
        if not self._write():
            self._kept = before
            return Outcome(order, EventCode.REFUSED, ConfigRefusal.DISK)
        return None

    def _layer(self, order: int, body: dict[str, Any]) -> Layer:
        version, changes = body.get("version"), body.get("changes")
        confirm_s = body.get("confirm_s", CONFIRM_S)
        if type(version) is not int or type(changes) is not dict or type(confirm_s) is not int:
            raise _Refused(ConfigRefusal.SHAPE, "version, changes and confirm_s are needed")
        if not 0 < version <= SEQ_MAX or not CONFIRM_S_RANGE[0] <= confirm_s <= CONFIRM_S_RANGE[1]:
            raise _Refused(ConfigRefusal.SHAPE, f"version {version}, confirm_s {confirm_s}: out of range")
        if version <= self._kept.newest:
            raise _Refused(ConfigRefusal.VERSION, f"version {version}, {self._kept.newest} was here before")
        merged = _merged(self._kept.now.changes, changes)
        try:
            load(self._config_path, merged)
        except (ConfigError, IdentityError) as err:
            raise _Refused(ConfigRefusal.KEY, str(err)) from None
        return Layer(version, merged, order, confirm_s)

    def heard(self) -> None:
        """The hub has acknowledged a row of this run."""
        self._is_answered = True

    def tick(self, t_mono_ms: int) -> bool:
        """Confirm or end a trial; `t_mono_ms` since the agent's start. Whether the agent has to begin anew."""
        trial = self._kept.trial
        if trial is None or self._due_ms is None:
            return False
        if self._is_answered:
            if t_mono_ms >= self._retry_ms:
                self._confirm(trial, t_mono_ms)
            return False
        if t_mono_ms < self._due_ms:
            return False
        self._back(ConfigRefusal.NOT_REACHED)
        self._due_ms = None
        return True

    def _confirm(self, trial: Layer, t_mono_ms: int) -> None:
        before = self._kept
        if self._settle(trial, Outcome(trial.order, EventCode.ACCEPTED)):
            self._due_ms = None
            log.info("settings %s stay: the hub has answered", trial.version)
            return
        # nobody is told that it stays before the disk says so too
        self._kept, self._retry_ms = before, t_mono_ms + RETRY_MS

    def outcomes(self) -> list[Outcome]:
        """What is to be told to the hub. It stays until `told`."""
        return list(self._kept.outcomes)

    def told(self) -> None:
        """The receipts are on the disk."""
        if self._kept.outcomes:
            self._kept.outcomes = []
            self._write()

    def status(self) -> dict[str, object]:
        """For `zhantu-edge status`."""
        trial = self._kept.trial
        return {
            "version": self._kept.now.version,
            "changes": self._kept.now.changes,
            "trial": None if trial is None else asdict(trial) | {"begun": self._kept.begun},
        }

    # --- the file ----------------------------------------------------------------------------------

    def _settle(self, now: Layer, outcome: Outcome) -> bool:
        kept = self._kept
        told = [*kept.outcomes, outcome][-TOLD_MAX:]
        self._kept = _Kept(now, None, newest=max(kept.newest, now.version), outcomes=told)
        return self._write()

    def _back(self, why: ConfigRefusal) -> None:
        trial = self._kept.trial
        assert trial is not None
        log.warning("settings %s are taken back: %s", trial.version, why.name.lower().replace("_", " "))
        self._settle(self._kept.now, Outcome(trial.order, EventCode.REFUSED, why))

    def _write(self) -> bool:
        try:
            identity.write(self._path, json.dumps(asdict(self._kept), ensure_ascii=False).encode() + b"\n")
        except OSError as err:
            log.error("%s: %s; the hub's settings cannot be kept", self._path, err.strerror)
            return False
        return True

    def _read(self) -> _Kept:
        try:
            with self._path.open("rb") as file:
                kept: Any = json.loads(file.read(FILE_BYTES_MAX))
            trial = kept["trial"]
            return _Kept(
                _checked(kept["now"]), None if trial is None else _checked(trial), bool(kept["begun"]),
                int(kept["newest"]),
                [Outcome(int(o), EventCode(c), None if w is None else int(w)) for o, c, w in kept["outcomes"]],
            )  # fmt: skip
        except FileNotFoundError:
            return _Kept()
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as err:
            log.error("%s: %s; the file's own settings are taken", self._path, err)
            return _Kept()


class _Refused(ValueError):
    def __init__(self, why: ConfigRefusal, words: str) -> None:
        super().__init__(words)
        self.why = int(why)


def _merged(before: dict[str, Value], changes: dict[Any, Any]) -> dict[str, Value]:
    """What was changed before, with these; a nil gives a key back to the file."""
    merged = dict(before)
    for key, value in changes.items():
        if (
            type(key) is not str
            or len(key) > KEY_CHARS_MAX
            or key.split(".")[0] not in SECTIONS
            or "." not in key
        ):
            raise _Refused(ConfigRefusal.KEY, f"{key!r:.80}: only {', '.join(SECTIONS)} may be changed")
        if value is None:
            merged.pop(key, None)
        elif type(value) in (bool, int, float) or (type(value) is str and len(value) <= TEXT_CHARS_MAX):
            merged[key] = value
        else:
            raise _Refused(ConfigRefusal.KEY, f"{key}: {type(value).__name__} is no value of a setting")
    if len(merged) > CHANGES_MAX:
        raise _Refused(ConfigRefusal.KEY, f"{len(merged)} changes, at most {CHANGES_MAX} allowed")
    return merged


def _checked(layer: dict[str, Any]) -> Layer:
    """A layer out of the file, under the same rules as out of an order."""
    made = Layer(
        int(layer["version"]), _merged({}, layer["changes"]), int(layer["order"]), int(layer["confirm_s"])
    )
    if not CONFIRM_S_RANGE[0] <= made.confirm_s <= CONFIRM_S_RANGE[1]:
        raise ValueError(f"confirm_s {made.confirm_s}")
    return made

"""Warnings of others and our own: they stand, colour the map, call people, and end.

Enters: bulletins by upload, folder and feeds; a person's own. Leaves: zones, conditions, the feed's `warning`.
Callers: `hub.app`, `hub.api.warning_routes`. Red and orange call whoever is inside: one alarm a warning.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, Protocol

from hub.errors import SettingsError
from hub.identity.permissions import Audience, Principal
from hub.safety import warnings_door as door
from hub.safety import warnings_places
from hub.safety.bulletin import COLOUR_ZH, Bulletin, BulletinError
from hub.safety.condition import Condition, Input, Priority
from hub.safety.part import Ground, Maker, Part
from hub.safety.warnings_book import Warned, WarningBook, warned_of
from hub.safety.warnings_drafts import Drafts, draft_of
from hub.safety.warnings_shapes import Shape, shapes

log = logging.getLogger(__name__)
KIND, DRAFT = "warning", "warning_draft"
CALLING = {"red": Priority.HIGH, "orange": Priority.MEDIUM}
GREETED_MAX = 200

Tell = Callable[[str, Sequence[Condition], int], None]


class ZoneBook(Protocol):
    """What warnings need of the zones."""

    def put_warning(self, warned: Warned, shapes: Sequence[Shape], now_ms: int) -> None: ...
    def end_warning(self, warned_id: str) -> None: ...
    def units_in_warning(self, warned_id: str) -> list[int]: ...


def _tell_nobody(_source: str, _standing: Sequence[Condition], _now_ms: int) -> None:
    return None


class Warnings(Part):
    """See the module. `zones` None: nothing is drawn and nobody is called; the list still stands."""

    name = "warnings"

    def __init__(self, ground: Ground, zones: ZoneBook | None = None, tell: Tell = _tell_nobody) -> None:
        self._ground = ground
        self._zones = zones
        self._tell = tell
        self.book = WarningBook()
        self.drafts = Drafts()
        self.places = warnings_places.Places({})
        self.sources: list[door.Source] = []
        self.trouble = ""
        self._folder = door.Folder(ground.data / "warnings")
        # A thread of its own: a feed that does not answer may keep it for ten seconds, the hub's readers never.
        self._asker = ThreadPoolExecutor(1, "hub-warnings")
        self._asking: Future[None] | None = None
        self._came: deque[door.Came] = deque(maxlen=door.CAME_MAX)
        self._dirty: dict[str, Warned] = {}
        self._moves: list[tuple[door.Came, str]] = []
        self._told: dict[str, str] = {}  # id -> state that screens know
        self._drawn: set[str] = set()

    # --- the part --------------------------------------------------------------------------------------------------

    def load(self) -> None:
        for kept in self._ground.registry.documents.all(KIND).values():
            self.book.put(warned_of(kept))
        for kept in self._ground.registry.documents.all(DRAFT).values():
            self.drafts.put(draft_of(kept))
        self.places = warnings_places.load()
        try:
            self.sources = door.sources(self._ground.data / "warnings.toml")
        except SettingsError as err:
            self.trouble = str(err)
        now_ms = self._ground.clock_ms()
        self._told = {w.id: w.state(now_ms) for w in self.book}

    def look(self, now_ms: int) -> None:
        self._take_came(now_ms)
        if self._asking is None or self._asking.done():
            if self._asking is not None and self._asking.exception() is not None:
                self.trouble = f"warnings: {self._asking.exception()}"
            self._asking = self._asker.submit(self.ask, now_ms)
        self._draw(now_ms)
        self._tell("warnings", self.conditions(now_ms), now_ms)

    def ask(self, now_ms: int) -> None:
        """Folder and feeds, on the thread that may wait."""
        room = door.CAME_MAX - len(self._came)
        if room >= door.FILES_A_LOOK:
            self._came.extend(self._folder.look())
        for source in self.sources:
            if source.due_ms <= now_ms and door.CAME_MAX - len(self._came) >= door.ENTRIES_MAX:
                self._came.extend(door.poll(source, now_ms))

    def _take_came(self, now_ms: int) -> None:
        while self._came:
            came = self._came.popleft()
            try:
                self.take(came.bulletin, came.source, came.text, now_ms)
                self._moves.append((came, ""))
            except BulletinError as err:
                self._moves.append((came, str(err)))

    def take(self, bulletin: Bulletin, source: str, text: str, now_ms: int) -> tuple[Warned, bool]:
        """Take one in, on the hub's loop. Whether it is news. BulletinError when there is no room."""
        warned, changed = self.book.take(bulletin, source, text, now_ms)
        for one in changed:
            self._dirty[one.id] = one
            self._told.pop(one.id, None)
        return warned, bool(changed)

    def end(self, warned: Warned, who: str, now_ms: int) -> None:
        """A person says that it is over. The caller has recorded it."""
        self.book.end(warned, who, now_ms)
        self._dirty[warned.id] = warned

    def keep(self) -> None:
        dirty, self._dirty = self._dirty, {}
        moves, self._moves = self._moves, []
        drafts, self.drafts.dirty = self.drafts.dirty, set()
        try:
            if dirty:
                bodies = {id: warned.as_dict() for id, warned in dirty.items()}
                self._ground.registry.documents.put(KIND, bodies, self._ground.clock_ms())
            known = {id: asdict(draft) for id in drafts if (draft := self.drafts.get(id)) is not None}
            if known:
                self._ground.registry.documents.put(DRAFT, known, self._ground.clock_ms())
            gone = self.book.forgotten()
            if gone:
                self._ground.registry.documents.drop(KIND, gone)
        except Exception:
            self._dirty = dirty | self._dirty
            self.drafts.dirty |= drafts
            self._moves = moves + self._moves
            raise
        for came, why in moves:
            if came.path is not None:
                self._folder.refuse(came.path, why) if why else self._folder.done(came.path)

    def changes(self) -> Iterable[Maker]:
        now_ms = self._ground.clock_ms()
        makers: list[Maker] = []
        for warned in self.book:
            state = warned.state(now_ms)
            if self._told.get(warned.id) != state:
                self._told[warned.id] = state
                makers.append(_saying(self.message(warned, now_ms)))
        fresh, self.drafts.fresh = dict.fromkeys(self.drafts.fresh), []
        makers += [_saying(self._draft(id)) for id in fresh if self.drafts.get(id) is not None]
        return makers

    def _draft(self, id: str) -> dict[str, Any]:
        draft = self.drafts.get(id)
        assert draft is not None
        return {"k": "warning_draft", **asdict(draft)}

    def greeting(self, me: Principal) -> Iterable[dict[str, Any]]:
        now_ms = self._ground.clock_ms()
        standing = [w for w in self.book if w.state(now_ms) in ("standing", "coming")]
        drafts = [self._draft(d.id) for d in self.drafts.all() if d.state == "open"]
        return [self.message(w, now_ms) for w in standing[-GREETED_MAX:]] + drafts[:GREETED_MAX]

    def gauges(self) -> dict[str, float]:
        now_ms = self._ground.clock_ms()
        standing = sum(w.state(now_ms) == "standing" for w in self.book)
        failing = sum(s.failing_since_ms is not None for s in self.sources)
        return {"warnings_standing": float(standing), "warning_feeds_failing": float(failing)}

    def notes(self) -> list[str]:
        now_ms = self._ground.clock_ms()
        failing = [
            f"warnings: feed {s.name} fails since {(now_ms - s.failing_since_ms) // 1000} s: {s.why}"
            for s in self.sources
            if s.failing_since_ms is not None
        ]
        return [self.trouble, *failing] if self.trouble else failing

    # --- what it means ---------------------------------------------------------------------------------------------

    def shapes(self, warned: Warned) -> tuple[list[Shape], list[str]]:
        return shapes(warned.bulletin, self.places)

    def message(self, warned: Warned, now_ms: int) -> dict[str, Any]:
        """The feed's `warning` (docs/warnings.md)."""
        said, state = warned.bulletin, warned.state(now_ms)
        found, missing = self.shapes(warned)
        return {
            "k": "warning", "id": warned.id, "state": state, "colour": said.colour, "kind": said.kind,
            "status": said.status, "event": said.event, "zh": said.zh or said.en, "en": said.en or said.zh,
            "description": said.description, "instruction": said.instruction, "sender": said.sender,
            "sender_name": said.sender_name, "identifier": said.identifier, "source": warned.source,
            "t_sent": said.sent_utc_ms, "t_from": said.from_utc_ms, "t_until": said.expires_utc_ms,
            "t_hub": warned.t_hub_ms, "zones": len(found), "not_understood": [*said.not_understood, *missing],
            "ended_by": warned.ended_by, "gone": state not in ("standing", "coming"),
        }  # fmt: skip

    def _draw(self, now_ms: int) -> None:
        """Zones of what stands. One that ends, for whatever reason, takes its zones with it."""
        if self._zones is None:
            return
        standing = {w.id: w for w in self.book if w.state(now_ms) in ("standing", "coming")}
        for id in self._drawn - set(standing):
            self._zones.end_warning(id)
        for id in set(standing) - self._drawn:
            self._zones.put_warning(standing[id], self.shapes(standing[id])[0], now_ms)
        self._drawn = set(standing)

    def conditions(self, now_ms: int) -> list[Condition]:
        """Units inside what is red or orange: one condition a warning."""
        if self._zones is None:
            return []
        made = []
        for warned in self.book:
            said = warned.bulletin
            if said.colour in CALLING and warned.state(now_ms) == "standing":
                slots = self._zones.units_in_warning(warned.id)
                if slots:
                    made.append(_condition(warned, [self._ground.units.rows[slot].id for slot in slots]))
        return made


def _saying(message: dict[str, Any]) -> Maker:
    def make(_audience: Audience) -> dict[str, Any]:
        return message

    return make


def _condition(warned: Warned, units: list[str]) -> Condition:
    said = warned.bulletin
    title = said.zh or said.en or said.event
    why = (
        Input("colour", said.colour, "", said.sent_utc_ms),
        Input("sender", said.sender_name or said.sender, "", said.sent_utc_ms),
        Input("units inside", len(units)),
    )
    return Condition(
        f"warnings:{warned.id}", KIND, CALLING[said.colour], tuple(units[:500]),
        f"{COLOUR_ZH[said.colour]}预警区内有 {len(units)} 个单位：{title}"[:200],
        f"{len(units)} units inside a {said.colour} warning: {said.en or title}"[:200],
        why, f"zone:warning:{warned.id}", advice_zh=said.instruction[:200], advice_en=said.instruction[:200],
    )  # fmt: skip

"""The guard at work in the agent: its rows are kept, its sounds told to the boards, its state kept over a restart.

Enters: samples, ticks, what the hub said of an event, questions of the local socket. Leaves: event rows and commands
through callbacks, values of the state row, one small file beside the spool. Called by `edge.agent`.
"""

import json
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from edge import identity
from edge.config import Config
from edge.events import EventRow
from edge.guard.guard import Acts, Guard
from edge.sender import Where
from edge.spool import SpoolRow
from firmware_bridge.interface import Command
from protocols import orders
from protocols.catalog import Duty, EventCode, EventPhase
from protocols.frame import Row
from protocols.samples import Sample
from protocols.units import MS_PER_S
from protocols.wearer import Gesture, Pattern

log = logging.getLogger("zhantu.edge.guard")

KEEP_MS = 60_000
"""How often the file is written when only doses and pressures have changed."""
FOLLOWED_MAX = 32
"""Event rows whose way to the hub is followed for the wearer's ear; of more, the oldest is not."""
HOUR_MS = 3_600 * MS_PER_S


class Wearer:
    """`keep` commits an event row and hands it to the sender, `tell` is for every board, `where` asks the sender.
    `answered(order, code, t_ms)`: what the wearer said of an order, or that a board has shown it."""

    def __init__(
        self,
        config: Config,
        boot_bits: int,
        keep: Callable[[Row], SpoolRow],
        tell: Callable[[Command], None],
        where: Callable[[SpoolRow], Where],
        answered: Callable[[int, EventCode, int], None] = lambda _order, _code, _t_ms: None,
    ) -> None:
        self.guard = Guard(config.guard, config.person, boot_bits)
        self._kept_h = config.guard.entry.kept_h
        self._path = config.spool.path.with_name(f"{config.spool.path.stem}.duty.json")
        self._keep, self._tell, self._where = keep, tell, where
        self._answered = answered
        self._now_ms = 0
        self._followed: deque[tuple[EventRow, SpoolRow, Where]] = deque(maxlen=FOLLOWED_MAX)
        self._mark: tuple[object, ...] = self.guard.mark()
        self._written: dict[str, Any] = {}
        self._written_ms = 0
        self._is_told = False

    def load(self, t_utc_ms: int) -> None:
        """Take up duty and open alarms of before a restart, unless they are too old."""
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            age_ms = t_utc_ms - int(kept["t_utc_ms"])
            if age_ms > self._kept_h * HOUR_MS:
                log.info("duty of %s h ago is forgotten: standby", age_ms // HOUR_MS)
                return
            self.guard.resume(kept, 0)
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError) as err:
            log.error("%s: %s; duty begins at standby", self._path, err)
            return
        self._mark = self.guard.mark()
        log.info(
            "duty %s, %s open alarms, as before the restart",
            Duty(kept["duty"]).name.lower(),
            len(kept["open"]),
        )

    def hear(self, sample: Sample, t_ms: int) -> None:
        """A sample of any device."""
        self._now_ms = t_ms
        self._do(self.guard.hear(sample, t_ms))

    def tick(self, t_ms: int, t_utc_ms: int, disk_refuses: bool) -> dict[int, int]:
        """What is due; values for the state row."""
        self.guard.disk(disk_refuses)
        self._follow(t_ms)
        self._do(self.guard.tick(t_ms))
        mark = self.guard.mark()
        if mark != self._mark or t_ms - self._written_ms >= KEEP_MS:
            self._mark, self._written_ms = mark, t_ms
            self._write(t_utc_ms)
        return self.guard.report(t_ms)

    def seen(self, body: bytes, t_ms: int) -> None:
        """A message down of kind SEEN. OrderError when it is not one."""
        event_id, by_name, _t_utc_ms = orders.open_seen(body)
        self._do(self.guard.seen(event_id, by_name, t_ms))

    # --- orders: see `edge.obey_desk.Ears` ---------------------------------------------------------

    def ask(self, pattern: Pattern, text: str, t_ms: int, order: int, *, is_task: bool) -> None:
        """Until the wearer answers or `unask`."""
        self.guard.ask(pattern, text, t_ms, order, is_task=is_task)

    def unask(self, what: int) -> None:
        """It is over."""
        self.guard.unask(what)

    def accept(self, order: int) -> None:
        """A task waits for DONE."""
        self.guard.accept(order)

    def say(self, code: EventCode, order: int, t_ms: int, value: int | None = None) -> None:
        """A receipt."""
        self._do(self.guard.say(code, order, t_ms, value))

    def forged(self) -> None:
        """Somebody forges orders."""
        self.guard.forged()

    def shown(self, command: Command, t_ms: int) -> None:
        """A board has done a command."""
        self._now_ms = t_ms
        self._do(self.guard.shown(command, t_ms))

    # --- the local socket --------------------------------------------------------------------------

    def sos(self, t_ms: int) -> SpoolRow | None:
        """As if the wearer had pressed it."""
        acts = self.guard.press(Gesture.SOS, t_ms)
        return self._do(acts, EventPhase.RAISED, EventPhase.REPEATED)

    def cancel(self, t_ms: int) -> SpoolRow | None:
        """The same for CANCEL; None when nothing of the wearer was open."""
        return self._do(self.guard.press(Gesture.CANCEL, t_ms), EventPhase.CANCELLED)

    def set_duty(self, name: str, t_ms: int) -> str:
        """Set the duty state by its name; what is wrong with it, or ""."""
        known = {duty.name.lower(): duty for duty in Duty if duty != Duty.UNKNOWN}
        if name not in known:
            return f"duty {name[:20]!r}; known are {', '.join(known)}"
        self._do(self.guard.set_duty(known[name], t_ms))
        return ""

    def _do(self, acts: Acts, *phases: EventPhase) -> SpoolRow | None:
        """Rows first, so that the wearer hears of nothing that is not on the disk. The last row of these phases."""
        last = None
        for row in acts.rows:
            kept = self._keep(row.row)
            self._followed.append((row, kept, Where.WAITING))
            last = kept if row.phase in phases else last
        for command in acts.commands:
            self._tell(command)
        for order, code in acts.answers:
            self._answered(order, code, self._now_ms)
        return last

    def _follow(self, t_ms: int) -> None:
        """Each step of a row's way once: sent, then held by the hub."""
        for _ in range(len(self._followed)):
            row, kept, known = self._followed.popleft()
            found = max(known, self._where(kept))
            if known < Where.FLYING <= found:
                self.guard.sent(row, t_ms, held=False)
            if found == Where.HELD:
                self.guard.sent(row, t_ms, held=True)
            else:
                self._followed.append((row, kept, found))

    def _write(self, t_utc_ms: int) -> None:
        kept = self.guard.keep()
        if kept == self._written:
            return
        try:
            identity.write(self._path, json.dumps(kept | {"t_utc_ms": t_utc_ms}).encode() + b"\n")
        except OSError as err:
            if not self._is_told:
                log.error("%s: %s; duty is not kept over a restart", self._path, err.strerror)
            self._is_told = True
            return
        self._written, self._is_told = kept, False

    def close(self, t_utc_ms: int) -> None:
        """Write what has changed since the last time."""
        self._write(t_utc_ms)

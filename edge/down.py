"""What comes down, at work in the agent: orders, their receipts, texts both ways, settings that the hub changed.

Enters: messages of the orders topic by `edge.trust`, broadcasts, what boards have done, questions of the local socket,
the time. Leaves: rows, commands for boards, the wish to begin anew with other settings. Called by `edge.agent`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from edge.apart_worker import Worker
from edge.clock import BootClock
from edge.config import Config
from edge.obey import Now
from edge.obey_book import Book
from edge.obey_desk import ObeyDesk
from edge.overlay import Outcome, Overlay
from edge.serial_worker import SerialWorker
from edge.spool import SpoolRow
from edge.trust import Take, Trust, verify
from edge.wearer import Wearer
from firmware_bridge.board import BoardDriver
from protocols.frame import TEXT_BYTES_MAX, Row
from protocols.orders import What


class Down:
    """`keep_text` commits a row of TEXT, `utc_ms` is the best UTC there is at a monotonic time (ns)."""

    def __init__(
        self,
        config: Config,
        overlay: Overlay,
        trust: Trust,
        wearer: Wearer,
        clock: BootClock,
        utc_ms: Callable[[int], int],
        keep_text: Callable[[Row], SpoolRow],
        begin_again: Callable[[], None],
    ) -> None:
        self.overlay = overlay
        self._wearer, self._clock, self._utc_ms = wearer, clock, utc_ms
        self._keep_text, self._begin_again = keep_text, begin_again
        path = config.spool.path.with_name(f"{config.spool.path.stem}.orders.json")
        device = config.device
        self.desk = ObeyDesk(
            Book(path), device.realm, device.team, trust, wearer, verify, self._now, self._configure
        )
        self.takes: Mapping[int, Take] = {What.ORDER: self.desk.hear_order, What.BRIEF: self.desk.hear_brief}

    def _now(self, t_mono_ns: int) -> Now:
        now_ms, zero_ms = self._clock.mono_ms(t_mono_ns), self._clock.utc_zero_ms
        return Now(now_ms, None if zero_ms is None else zero_ms + now_ms, self._utc_ms(t_mono_ns))

    def _configure(self, order: int, body: dict[str, Any]) -> Outcome | None:
        outcome = self.overlay.propose(order, body)
        if outcome is None:
            self._begin_again()
        return outcome

    def load(self, t_mono_ns: int) -> None:
        """What was open before a restart. After the wearer's and the sender's own."""
        self.desk.load(self._clock.mono_ms(t_mono_ns))

    def boards(self, ports: Iterable[Worker], t_mono_ns: int) -> None:
        """What boards have shown or played since the last time."""
        for port in ports:
            driver = port.driver if isinstance(port, SerialWorker) else None
            while isinstance(driver, BoardDriver) and driver.done:
                self._wearer.shown(driver.done.popleft(), self._clock.mono_ms(t_mono_ns))

    def tick(self, t_mono_ns: int, *, disk_refuses: bool) -> None:
        """Each second: what has expired, and the trial of settings."""
        now_ms = self._clock.mono_ms(t_mono_ns)
        self.desk.tick(t_mono_ns)
        if self.overlay.tick(now_ms):
            self._begin_again()
        outcomes = self.overlay.outcomes()
        for outcome in outcomes:
            self.desk.outcome(outcome, now_ms)
        if outcomes and not disk_refuses:
            self.overlay.told()

    def answer(self, question: str, t_mono_ns: int) -> dict[str, object] | None:
        """`orders`, `answer SEQ WORD`, `say TEXT` of the local socket; None for others."""
        word, _, rest = question.partition(" ")
        if question == "orders":
            return self.desk.listed(t_mono_ns)
        if word == "answer":
            return self.desk.answer(rest, t_mono_ns)
        text = rest.strip().encode(errors="replace")[:TEXT_BYTES_MAX].decode(errors="ignore")
        if word == "say" and text:
            return {"row": self._keep_text(Row(self._clock.mono_ms(t_mono_ns), {}, (text,))).row}
        return None

    def status(self) -> dict[str, object]:
        """For `zhantu-edge status`."""
        return {"orders": self.desk.status(), "settings": self.overlay.status()}

"""A guard driven by a fake clock: tests say what a wearer does second by second, and read what went out."""

from typing import Any

from edge.guard.guard import TICK_MS, Acts, Guard
from edge.guard.settings import GuardConfig, Person
from firmware_bridge.interface import Play, Show
from protocols.catalog import FIELDS_BY_ID, PAGE_BITS, EventCode, EventPhase, Kind, field_id
from protocols.samples import Fix, FixMode, Impact, Pressed, Reading, Sample
from protocols.wearer import Gesture, Pattern


class Drive:
    """`say` gives readings by name; `run` lets time pass in ticks, with readings each second."""

    def __init__(self, config: GuardConfig | None = None, person: Person | None = None) -> None:
        self.guard = Guard(config or GuardConfig(), person or Person(), 5)
        self.t_ms = 0
        self.rows: list[tuple[int, dict[str, int]]] = []
        self.plays: list[tuple[int, Pattern]] = []
        self.shows: list[str] = []
        self.state: dict[str, int] = {}

    def take(self, acts: Acts) -> None:
        for row in acts.rows:
            values = {FIELDS_BY_ID[Kind.EVENT * PAGE_BITS + bit].name: v for bit, v in row.row.values.items()}
            for bit, value in row.row.values.items():
                field = FIELDS_BY_ID[Kind.EVENT * PAGE_BITS + bit]
                assert field.lo <= value <= field.hi, field.name
            self.rows.append((self.t_ms, values))
        for command in acts.commands:
            if isinstance(command, Play):
                self.plays.append((self.t_ms, command.pattern))
            elif isinstance(command, Show):
                assert len(command.text.encode()) <= 64
                self.shows.append(command.text)

    def hear(self, sample: Sample) -> None:
        self.take(self.guard.hear(sample, self.t_ms))

    def say(self, **values: int) -> None:
        self.hear(Reading({field_id(name): value for name, value in values.items()}))

    def press(self, gesture: Gesture) -> None:
        self.hear(Pressed(gesture))

    def strike(self, peak_mg: int) -> None:
        self.hear(Impact(peak_mg))

    def fix(self, speed_mmps: int = 0) -> None:
        self.hear(
            Fix(
                1_795_000_000_000 + self.t_ms,
                FixMode.FIX_3D,
                36_650_021_649,
                117_000_000_050,
                31_450,
                speed_mmps,
            )
        )

    def run(self, seconds: float, **values: Any) -> None:
        """`values` may be numbers or functions of the second."""
        end_ms = self.t_ms + round(seconds * 1000)
        second = 0
        while self.t_ms < end_ms:
            if values and self.t_ms % 1000 == 0:
                self.say(**{k: int(v(second) if callable(v) else v) for k, v in values.items()})
                second += 1
            self.t_ms += TICK_MS
            self.take(self.guard.tick(self.t_ms))
            told = self.guard.report(self.t_ms)
            for found, value in told.items():
                field = FIELDS_BY_ID[found]
                assert field.lo <= value <= field.hi, field.name
                self.state[field.name] = value

    def events(self, code: EventCode) -> list[EventPhase]:
        """The phases of this code's rows, in order."""
        return [EventPhase(row["event_phase"]) for _, row in self.rows if row["event_code"] == code]

    def played(self, pattern: Pattern) -> int:
        return sum(found == pattern for _, found in self.plays)

"""What a responder without a screen can say and be told: gestures of two buttons, and patterns of sound and vibration.

Enters: nothing. Leaves: the two tables. Callers: `firmware_bridge.board` and its C header, `edge.guard`, docs/board.md.
Numbers cross the wire to the board, so they are only ever added.
"""

from dataclasses import dataclass
from enum import IntEnum


class Gesture(IntEnum):
    """What the wearer did. The board recognises it; what it means depends on what was asked."""

    SOS = 1
    CANCEL = 2
    ANSWER = 3
    ACCEPT = 4
    REFUSE = 5
    DONE = 6
    ENTRY = 7


class Pattern(IntEnum):
    """What the wearer hears and feels. A higher urgency silences a lower one."""

    OFF = 0
    SENDING = 1
    SEEN = 2
    ORDER = 3
    ROLL_CALL = 4
    ENTRY = 5
    LOW_AIR = 6
    TURN_BACK = 7
    GAS = 8
    STRAIN = 9
    PRE_ALARM = 10
    ALARM = 11
    EVACUATE = 12
    CLEARED = 13


@dataclass(frozen=True, slots=True)
class GestureRow:
    """`red` is the guarded button, `grey` the other one. `hold_ms` 0: presses shorter than 500 ms."""

    gesture: Gesture
    buttons: str
    presses: int
    hold_ms: int
    zh: str
    en: str


GESTURES: tuple[GestureRow, ...] = (
    GestureRow(Gesture.SOS, "red", 1, 1_500, "长按红键：求救", "hold red: SOS"),
    GestureRow(Gesture.CANCEL, "grey", 1, 3_000, "长按灰键：取消报警", "hold grey: cancel the alarm"),
    GestureRow(Gesture.ANSWER, "grey", 1, 0, "按一下灰键：我没事，已收到", "grey once: I am well; received"),
    GestureRow(Gesture.ACCEPT, "grey", 2, 0, "按两下灰键：接受任务", "grey twice: accept"),
    GestureRow(Gesture.REFUSE, "grey", 3, 0, "按三下灰键：无法执行", "grey three times: refuse"),
    GestureRow(Gesture.DONE, "grey", 4, 0, "按四下灰键：任务完成", "grey four times: done"),
    GestureRow(
        Gesture.ENTRY, "both", 1, 1_000, "红灰同按一秒：进入或撤出", "both for a second: entering or leaving"
    ),
)
GAP_MS = 600
"""Presses further apart than this belong to two gestures."""
SHORT_MS = 500


@dataclass(frozen=True, slots=True)
class PatternRow:
    """`steps` are (on ms, off ms); `times` repeats of them all, 0 for ever. `tone_hz` 0 is vibration alone."""

    pattern: Pattern
    urgency: int
    tone_hz: int
    steps: tuple[tuple[int, int], ...]
    times: int
    zh: str
    en: str


PATTERNS: tuple[PatternRow, ...] = (
    PatternRow(Pattern.OFF, 0, 0, (), 1, "静音", "silence"),
    PatternRow(Pattern.SENDING, 5, 2_000, ((80, 80), (80, 0)), 1, "求救已发出", "the SOS has gone out"),
    PatternRow(Pattern.SEEN, 6, 1_500, ((1_500, 0),), 1, "指挥员已看到", "the commander has seen it"),
    PatternRow(Pattern.ORDER, 3, 1_000, ((200, 200), (200, 600)), 2, "新命令", "an order"),
    PatternRow(
        Pattern.ROLL_CALL, 4, 1_000, ((100, 100), (100, 100), (100, 1_500)), 5, "点名", "roll-call: answer"
    ),
    PatternRow(Pattern.ENTRY, 1, 1_000, ((400, 0),), 1, "进出已登记", "entry or exit noted"),
    PatternRow(Pattern.LOW_AIR, 7, 2_500, ((300, 300),), 10, "空气不足", "air is low"),
    PatternRow(Pattern.TURN_BACK, 8, 2_500, ((600, 200), (200, 600)), 10, "立即返回", "turn back now"),
    PatternRow(Pattern.GAS, 8, 3_000, ((150, 150),), 20, "有毒有害气体", "gas"),
    PatternRow(Pattern.STRAIN, 2, 800, ((500, 500),), 3, "体力透支，请休息", "strain: rest"),
    PatternRow(Pattern.PRE_ALARM, 7, 2_200, ((250, 750),), 0, "请动一动或按灰键", "move, or press grey"),
    PatternRow(Pattern.ALARM, 10, 2_900, ((500, 100),), 0, "呼救报警", "man-down alarm"),
    PatternRow(
        Pattern.EVACUATE, 9, 2_700, ((1_000, 200), (1_000, 200), (1_000, 1_500)), 0, "全体撤离", "evacuate"
    ),
    PatternRow(Pattern.CLEARED, 5, 1_000, ((100, 100), (400, 0)), 1, "报警已取消", "the alarm is cancelled"),
)

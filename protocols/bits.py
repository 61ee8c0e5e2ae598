"""Whole numbers as single bits: Rice codes, runs of zeros, and the choice of the shortest of them.

Enters: lists of small integers, most of them near zero. Leaves: text of "0" and "1", which is how pure Python
handles bits fastest, and back. Caller: `protocols.narrow`. Docs: docs/wire.md "Narrow-band frames".
**Source:** R. F. Rice 1979 (codes), Golomb 1966 (runs), Elias 1975 (gamma, for what is far out).
"""

from collections.abc import Sequence
from itertools import repeat, zip_longest

from protocols.errors import FrameError

QUOTIENT_MAX = 12
"""So many ones in a row mean: what follows is an Exp-Golomb code, so that one jump does not cost hundreds of bits."""
GAMMA_BITS_MAX = 64
MODE_BITS = 4
RICE_SHIFTS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 12)
RUN_SHIFTS = (1, 2, 3, 4, 5)
ZEROS_MODE = 0
_FIRST_RUN_MODE = 1 + len(RICE_SHIFTS)


def zigzag(value: int) -> int:
    """0, -1, 1, -2, 2 … -> 0, 1, 2, 3, 4 …"""
    return value << 1 if value >= 0 else (-value << 1) - 1


def unzigzag(code: int) -> int:
    return -((code + 1) >> 1) if code & 1 else code >> 1


def fixed(value: int, width: int) -> str:
    """`value` in exactly `width` bits. ValueError when it needs more: ours to avoid."""
    if not 0 <= value < 1 << width:
        raise ValueError(f"bits: {value} does not fit {width} bits")
    return format(value, f"0{width}b") if width else ""


def golomb(value: int, shift: int) -> str:
    """Exp-Golomb of order `shift`: a length in unary, the number, `shift` low bits. `value` >= 0."""
    text = format((value >> shift) + 1, "b")
    return "0" * (len(text) - 1) + text + fixed(value & ((1 << shift) - 1), shift)


def to_bytes(text: str) -> bytes:
    """Filled up with zeros to whole bytes."""
    size = (len(text) + 7) // 8
    return int(text.ljust(8 * size, "0"), 2).to_bytes(size, "big") if size else b""


def to_text(data: bytes) -> str:
    return format(int.from_bytes(data, "big"), f"0{8 * len(data)}b") if data else ""


class Reader:
    """Takes bits off a text from the front. FrameError "shape" when it ends too early."""

    __slots__ = ("at", "text")

    def __init__(self, text: str, at: int = 0) -> None:
        self.text = text
        self.at = at

    def take(self, width: int) -> int:
        """The next `width` bits as a number >= 0."""
        end = self.at + width
        if end > len(self.text):
            raise _short()
        value = int(self.text[self.at : end], 2) if width else 0
        self.at = end
        return value

    def golomb(self, shift: int) -> int:
        """One Exp-Golomb number."""
        one = self.text.find("1", self.at, self.at + GAMMA_BITS_MAX)
        if one < 0:
            raise _short()
        width = one - self.at + 1
        self.at = one
        high = self.take(width) - 1
        return high << shift | self.take(shift)

    def rice(self, count: int, shift: int) -> list[int]:
        """`count` Rice codes: whole numbers >= 0. The inner loop of decoding, so it keeps to local names."""
        text, at, find, out = self.text, self.at, self.text.find, []
        width = shift + 1
        for _ in repeat(None, count):
            zero = find("0", at, at + QUOTIENT_MAX)
            if zero < 0:
                self.at = at + QUOTIENT_MAX
                out.append((QUOTIENT_MAX << shift) + self.golomb(shift))
                at = self.at
            elif shift:
                out.append(zero - at << shift | int(text[zero : zero + width], 2))
                at = zero + width
            else:
                out.append(zero - at)
                at = zero + 1
        if at > len(text):
            raise _short()
        self.at = at
        return out

    def residuals(self, count: int) -> list[int]:
        """What `residuals` wrote: a mode and `count` numbers."""
        mode = self.take(MODE_BITS)
        if mode == ZEROS_MODE:
            return [0] * count
        if mode < _FIRST_RUN_MODE:
            codes = self.rice(count, RICE_SHIFTS[mode - 1])
            return [-((code + 1) >> 1) if code & 1 else code >> 1 for code in codes]
        return self._runs(count, RUN_SHIFTS[mode - _FIRST_RUN_MODE])

    def _runs(self, count: int, shift: int) -> list[int]:
        out: list[int] = []
        while len(out) < count:
            run = self.rice(1, shift)[0]
            if run > count - len(out):
                raise FrameError("shape", f"a run of {run} zeros, {count - len(out)} numbers are left")
            out += [0] * run
            if len(out) < count:
                out.append(unzigzag(self.rice(1, 0)[0] + 1))
        return out


def _short() -> FrameError:
    return FrameError("shape", "the bits end too early")


def _rice(code: int, shift: int) -> str:
    quotient = code >> shift
    if quotient >= QUOTIENT_MAX:
        return "1" * QUOTIENT_MAX + golomb(code - (QUOTIENT_MAX << shift), shift)
    if not shift:
        return "1" * quotient + "0"
    return "1" * quotient + format(code & ((1 << shift) - 1), f"0{shift + 1}b")


def _rice_cost(codes: Sequence[int], shift: int) -> int:
    """Bits of the Rice codes of `codes`, without making them."""
    if max(codes) >> shift < QUOTIENT_MAX:
        return sum([code >> shift for code in codes]) + (shift + 1) * len(codes)
    return sum([_one_cost(code >> shift) for code in codes]) + shift * len(codes)


def _one_cost(quotient: int) -> int:
    if quotient < QUOTIENT_MAX:
        return quotient + 1
    return QUOTIENT_MAX + 2 * (quotient - QUOTIENT_MAX + 1).bit_length() - 1


def _split(codes: Sequence[int]) -> tuple[list[int], list[int]]:
    """Lengths of the runs of zeros, and what stands after each (less 1); the last run may end the list."""
    runs, others, run = [], [], 0
    for code in codes:
        if code:
            runs.append(run)
            others.append(code - 1)
            run = 0
        else:
            run += 1
    return [*runs, run] if run else runs, others


def _as_runs(runs: Sequence[int], others: Sequence[int], shift: int) -> str:
    out = []
    for run, other in zip_longest(runs, others):
        out.append(_rice(run, shift))
        if other is not None:
            out.append(_rice(other, 0))
    return "".join(out)


def residuals(values: Sequence[int]) -> str:
    """The shortest of all modes: four bits that name it, then the numbers."""
    if not any(values):
        return fixed(ZEROS_MODE, MODE_BITS)
    codes = [zigzag(value) for value in values]
    cost, shift = min([(_rice_cost(codes, shift), shift) for shift in RICE_SHIFTS])
    if 2 * codes.count(0) > len(codes):
        runs, others = _split(codes)
        after = _rice_cost(others, 0)
        run_cost, run_shift = min([(_rice_cost(runs, shift) + after, shift) for shift in RUN_SHIFTS])
        if run_cost < cost:
            mode = _FIRST_RUN_MODE + RUN_SHIFTS.index(run_shift)
            return fixed(mode, MODE_BITS) + _as_runs(runs, others, run_shift)
    return fixed(1 + RICE_SHIFTS.index(shift), MODE_BITS) + "".join([_rice(code, shift) for code in codes])

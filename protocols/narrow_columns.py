"""The columns of a narrow-band frame: which fields, in which quanta, and a column's bits.

Enters: values in the catalog's quanta. Leaves: bits, and back. Caller: `protocols.narrow`. An exact frame keeps the
catalog's quanta; a preview frame has the coarser ones of `PREVIEW`, which is frozen: entries are only ever added.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise

from protocols import bits
from protocols.catalog import FIELDS_BY_NAME, PRIVATE_FIELDS, Field, Kind, page_fields
from protocols.errors import FrameError

PREVIEW: tuple[tuple[str, int], ...] = (
    ("lat_deg_e7", 100), ("lon_deg_e7", 100), ("alt_dm", 10), ("battery_pct", 1), ("heart_bpm", 1),
    ("speed_dmps", 2), ("course_deg", 2),
    ("scba_kpa", 100), ("lel_permille", 10), ("o2_permille", 1), ("co_ppm", 2), ("h2s_dppm", 5), ("duty", 1),
    ("pass_state", 1),
    ("fix_mode", 1), ("hacc_dm", 10), ("ambient_dc", 10), ("floor", 1), ("air_left_s", 10), ("turn_back_s", 10),
    ("strain_e1", 1),
    ("core_dc", 1), ("core_band_dc", 1), ("gas_over", 1), ("gas_faults", 1), ("posture", 1), ("wheel_dmps", 5),
    ("fuel_permille", 10),
)  # fmt: skip
"""Of a preview's mask: bit -> field and how many of the catalog's quanta one of its own is."""
POSITION_QUANTUM_M = 1.12
"""The side of a preview's grid at the equator, metres: 1e-5 degrees."""
PREDICTOR_BITS = 2
REACHES = (1, 2, 3)
"""Predictors 1–3 go on as the last 1, 2 or 3 steps did on average; predictor 0 stays where it was."""
_FIXED_BITS_MAX = 12
_ALWAYS_FIXED = frozenset({"event_id", "obs_lat_deg_e7", "obs_lon_deg_e7"})
_WIDTH_BITS = 6


@dataclass(frozen=True, slots=True)
class Column:
    """What coding needs of a field. `lo`, `hi` in quanta of the frame, each `step` of the catalog's."""

    bit: int
    name: str
    step: int
    lo: int
    hi: int
    is_position: bool
    is_private: bool
    is_round: bool

    @property
    def key_bits(self) -> int:
        """Bits of a key that has a fixed width, 0 for one that tells its own."""
        width = (self.hi - self.lo).bit_length()
        always = self.is_position or self.name in _ALWAYS_FIXED
        return width if always or width <= _FIXED_BITS_MAX else 0


def _column(field: Field, step: int) -> Column:
    return Column(
        field.bit, field.name, step, -(-field.lo // step), field.hi // step,
        field.order == 2, field.name in PRIVATE_FIELDS, field.name == "course_deg",
    )  # fmt: skip


@lru_cache(maxsize=8)
def columns_of(kind: int, preview: bool) -> tuple[Column, ...]:
    """The columns in the order of the mask's bits."""
    if preview:
        return tuple(_column(FIELDS_BY_NAME[name], step) for name, step in PREVIEW)
    fields = page_fields(kind) if kind < Kind.TEXT else {}
    return tuple(_column(field, 1) for _bit, field in sorted(fields.items()))


def coarse(column: Column, value: int) -> int:
    """A value of the catalog's quanta -> the nearest of the frame's. Half a circle more is none."""
    if column.step == 1:
        return value
    near = (value + column.step // 2) // column.step
    if column.is_round:
        return near % (column.hi + 1)
    return min(max(near, column.lo), column.hi)


def _predicted(values: Sequence[int], reach: int) -> list[int]:
    """Residuals of all but the first value. `reach` 0: differences; else from the mean of the last steps."""
    steps = [b - a for a, b in pairwise(values)]
    if reach == 0:
        return steps
    if reach == 1:
        return steps[:1] + [b - a for a, b in pairwise(steps)]
    out = []
    for at, step in enumerate(steps):
        back = min(at, reach)
        guess = (2 * (values[at] - values[at - back]) + back) // (2 * back) if back else 0
        out.append(step - guess)
    return out


def _restored(key: int, residuals: list[int], reach: int) -> list[int]:
    if reach == 0:
        return list(accumulate(residuals, initial=key))
    if reach == 1:
        return list(accumulate(accumulate(residuals), initial=key))
    values = [key]
    for at, residual in enumerate(residuals):
        back = reach if at >= reach else at
        last = values[at]
        guess = (2 * (last - values[at - back]) + back) // (2 * back) if back else 0
        values.append(last + guess + residual)
    return values


def write(column: Column, values: Sequence[int | None]) -> str:
    """One column: which rows have a value, the first of them, the rest."""
    known = [value for value in values if value is not None]
    out = [_presence(values, len(known)), _write_key(column, known[0])]
    if len(known) == 1:
        return "".join(out)
    if not column.is_position:
        return "".join([*out, bits.residuals(_predicted(known, 0))])
    tries = [(0, _predicted(known, 0)), *((reach, _predicted(known, reach)) for reach in REACHES)]
    reach, residuals = min(tries, key=lambda made: sum(map(abs, made[1])))
    return "".join([*out, bits.fixed(reach, PREDICTOR_BITS), bits.residuals(residuals)])


def _presence(values: Sequence[int | None], known: int) -> str:
    if known == len(values):
        return "0"
    if known == 1 and values[-1] is not None:
        return "10"
    return "11" + "".join(["0" if value is None else "1" for value in values])


def _write_key(column: Column, key: int) -> str:
    if not column.lo <= key <= column.hi:
        raise ValueError(f"narrow: {column.name} {key}, {column.lo}…{column.hi} allowed")
    if column.key_bits:
        return bits.fixed(key - column.lo, column.key_bits)
    return write_wide(key if column.lo >= 0 else bits.zigzag(key))


def write_wide(value: int) -> str:
    """A number of 0 – 2^63 − 1: its width, then what follows the leading one."""
    width = value.bit_length()
    return bits.fixed(width, _WIDTH_BITS) + (
        bits.fixed(value - (1 << width - 1), width - 1) if width > 1 else ""
    )


def read_wide(reader: bits.Reader) -> int:
    """What `write_wide` wrote."""
    width = reader.take(_WIDTH_BITS)
    return (1 << width - 1) | reader.take(width - 1) if width else 0


def _read_key(column: Column, reader: bits.Reader) -> int:
    if column.key_bits:
        return reader.take(column.key_bits) + column.lo
    key = read_wide(reader)
    return key if column.lo >= 0 else bits.unzigzag(key)


def read(column: Column, count: int, reader: bits.Reader) -> list[int | None]:
    """A column of `count` rows in the catalog's quanta. FrameError when it is not one, or out of range."""
    holes = _read_presence(count, reader)
    known = count if holes is None else holes.count("1")
    if known == 0:
        raise FrameError("shape", f"column {column.name} has no value at all")
    values = [_read_key(column, reader)]
    if known > 1:
        reach = reader.take(PREDICTOR_BITS) if column.is_position else 0
        values = _restored(values[0], reader.residuals(known - 1), reach)
    if min(values) < column.lo or max(values) > column.hi:
        raise FrameError("range", f"{column.name}, {column.lo}…{column.hi} allowed")
    if column.step != 1:
        values = [value * column.step for value in values]
    if holes is None:
        return list(values)
    rest = iter(values)
    return [next(rest) if hole == "1" else None for hole in holes]


def _read_presence(count: int, reader: bits.Reader) -> str | None:
    """None: every row has a value; else a "1" for each that has."""
    if not reader.take(1):
        return None
    if not reader.take(1):
        return "0" * (count - 1) + "1"
    return bits.fixed(reader.take(count), count)

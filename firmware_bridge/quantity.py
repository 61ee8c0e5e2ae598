"""A maker's number to the catalog's quantum: scale, offset, unit, and what is allowed. For drivers whose map is data.

Enters: words of a table in TOML. Leaves: `Quantity`, which turns an exact number into quanta of one catalog field.
Called by `modbus_map` and `line`. All of it is in whole numbers, so that 0.1 means a tenth.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from typing import Any

from protocols.catalog import FIELDS_BY_NAME, GAS_FIELDS, PAGE_BITS, Field, Kind
from protocols.laws.gas import MOLAR_G, MOLAR_L_0C, MOLAR_L_25C
from protocols.units import divide_half_even

MG_PER_M3 = "mg/m³"
MOLAR_VOLUMES_L = (Fraction(str(MOLAR_L_0C)), Fraction(str(MOLAR_L_25C)))
MOLAR_MASS_G = {name: Fraction(str(grams)) for name, grams in MOLAR_G.items()}
"""For VOC the map says it."""
MADE_BY_DRIVER = ("gas_faults", "gas_over")
"""Fields that a driver makes of sentinels; no number is mapped to them."""

_CIRCLE = {"course_deg": 360, "heading_ddeg": 3_600, "wind_from_deg": 360}
_ONE, _NOTHING = Fraction(1), Fraction(0)
_FACTORS: dict[tuple[str, str], tuple[Fraction, Fraction]] = {
    ("MPa", "kPa"): (Fraction(1_000), _NOTHING),
    ("bar", "kPa"): (Fraction(100), _NOTHING),
    ("psi", "kPa"): (Fraction("6.894757293"), _NOTHING),
    ("hPa", "Pa"): (Fraction(100), _NOTHING),
    ("kPa", "Pa"): (Fraction(1_000), _NOTHING),
    ("mV", "V"): (Fraction(1, 1_000), _NOTHING),
    ("km/h", "m/s"): (Fraction(5, 18), _NOTHING),
    ("knot", "m/s"): (Fraction(463, 900), _NOTHING),
    ("ppb", "ppm"): (Fraction(1, 1_000), _NOTHING),
    ("% vol", "ppm"): (Fraction(10_000), _NOTHING),
    ("ppm", "% vol"): (Fraction(1, 10_000), _NOTHING),
    ("°F", "°C"): (Fraction(5, 9), Fraction(-160, 9)),
    ("K", "°C"): (_ONE, Fraction("-273.15")),
    ("%", "% RH"): (_ONE, _NOTHING),
    ("%", "% LEL"): (_ONE, _NOTHING),
    ("%", "% vol"): (_ONE, _NOTHING),
    ("rpm", "1/min"): (_ONE, _NOTHING),
    ("mL/h", "L/h"): (Fraction(1, 1_000), _NOTHING),
    ("°", "deg"): (_ONE, _NOTHING),
}


@dataclass(frozen=True, slots=True)
class Quantity:
    """number -> (number * up + add) / down quanta. `lo` and `hi` are quanta: what the map allows within the catalog."""

    field: Field
    up: int
    add: int
    down: int
    lo: int
    hi: int

    def quanta(self, numerator: int, denominator: int = 1) -> int:
        """The nearest quantum; ties to even. It may lie outside `lo`–`hi`, which the caller judges."""
        value = divide_half_even(numerator * self.up + self.add * denominator, self.down * denominator)
        circle = _CIRCLE.get(self.field.name)
        return value % circle if circle and 0 <= value <= circle else value


def near(word: str, known: Sequence[str]) -> str:
    """The end of an error about a word that is not known."""
    found = get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean {found[0]!r}?" if found else f"known are {', '.join(known)}"


def check_keys(where: str, table: dict[str, Any], known: Sequence[str]) -> None:
    """ValueError for a key that is not known."""
    for key in table:
        if key not in known:
            raise ValueError(f"{where}: unknown key {key!r}; {near(key, known)}")


def take(where: str, table: dict[str, Any], key: str, kind: type, default: Any = None) -> Any:
    """The value of a key, of the right type; `default` None means that the key must be there."""
    value = table.get(key, default)
    if value is None:
        raise ValueError(f"{where} {key}: missing")
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        words = {
            int: "a whole number",
            str: "text in quotes",
            list: "a list",
            dict: "a table",
            float: "a number",
        }
        raise ValueError(f"{where} {key}: {value!r} came, {words.get(kind, kind.__name__)} is needed")
    return value


def take_within(
    where: str, table: dict[str, Any], key: str, lo: int, hi: int, default: int | None = None
) -> int:
    """A whole number between `lo` and `hi`."""
    value: int = take(where, table, key, int, default)
    if not lo <= value <= hi:
        raise ValueError(f"{where} {key}: {value} came, {lo}–{hi} is allowed")
    return value


def rational(where: str, value: Any) -> Fraction:
    """A number of TOML, or "1/10". Decimals mean what is written: 0.1 is a tenth."""
    if isinstance(value, (int, float, str)) and not isinstance(value, bool) and len(str(value)) <= 32:
        try:
            made = Fraction(str(value))
        except (ValueError, ZeroDivisionError):
            pass
        else:
            if made.denominator <= 10**12 and abs(made.numerator) <= 10**18:
                return made
    raise ValueError(f'{where}: {value!r} came, a number or a fraction such as "1/10" is needed')


def catalog_field(where: str, name: str) -> Field:
    """A field of page STATE or HEALTH that a device may be mapped to; ValueError with the nearest name."""
    usable = [
        field.name
        for field in FIELDS_BY_NAME.values()
        if field.id // PAGE_BITS in (Kind.STATE, Kind.HEALTH)
        and field.name not in MADE_BY_DRIVER
        and field.sender != "gateway"
    ]
    if name not in usable:
        raise ValueError(
            f"{where}: {name!r} is no field of the catalog that a device may give; {near(name, usable)}"
        )
    return FIELDS_BY_NAME[name]


def quantity(where: str, table: dict[str, Any], name: str) -> Quantity:
    """Out of the keys scale, offset, unit, molar_mass, molar_volume and the two of `range`. `where` begins errors."""
    field = catalog_field(f"{where} field", name)
    scale = rational(f"{where} scale", table.get("scale", 1))
    if not scale:
        raise ValueError(f"{where} scale: 0 came, anything else is allowed")
    offset = rational(f"{where} offset", table.get("offset", 0))
    factor, shift = _conversion(where, table, field)
    quantum = Fraction(field.quantum)
    slope, level = scale * factor / quantum, (offset * factor + shift) / quantum
    down = slope.denominator * level.denominator
    lo, hi = _range(where, table, field, factor, shift)
    return Quantity(field, int(slope * down), int(level * down), down, lo, hi)


def _range(
    where: str, table: dict[str, Any], field: Field, factor: Fraction, shift: Fraction
) -> tuple[int, int]:
    if "range" not in table:
        return field.lo, field.hi
    ends = take(where, table, "range", list)
    if len(ends) != 2:
        raise ValueError(f"{where} range: {ends!r} came, [lowest, highest] in the register's unit is needed")
    quantum = Fraction(field.quantum)
    lo, hi = (round((rational(f"{where} range", end) * factor + shift) / quantum) for end in ends)
    if not field.lo <= lo < hi <= field.hi:
        allowed = f"{field.lo * quantum}–{field.hi * quantum} {field.unit}"
        raise ValueError(f"{where} range: {ends!r} came, within {allowed} and rising is allowed")
    return lo, hi


def _conversion(where: str, table: dict[str, Any], field: Field) -> tuple[Fraction, Fraction]:
    unit = take(where, table, "unit", str, field.unit)
    if unit == MG_PER_M3 and field.unit == "ppm":
        return _of_molar(where, table, field), _NOTHING
    for key in ("molar_mass", "molar_volume"):
        if key in table:
            raise ValueError(f"{where} {key}: only for a gas in {MG_PER_M3}, here the unit is {unit!r}")
    if unit == field.unit:
        return _ONE, _NOTHING
    found = _FACTORS.get((unit, field.unit))
    if found is None:
        allowed = [field.unit, *(one for one, other in _FACTORS if other == field.unit)]
        allowed += [MG_PER_M3] if field.name in GAS_FIELDS and field.unit == "ppm" else []
        raise ValueError(f"{where} unit: {unit!r} came for {field.name}; {near(unit, allowed)}")
    return found


def _of_molar(where: str, table: dict[str, Any], field: Field) -> Fraction:
    """ppm = mg/m³ * litres a mole / grams a mole. Nobody's molar volume is assumed: two are in use, 9 % apart."""
    if "molar_volume" not in table:
        raise ValueError(f"{where} molar_volume: missing; {MG_PER_M3} needs 22.4 or 24.45 (L/mol) to be said")
    volume = rational(f"{where} molar_volume", table["molar_volume"])
    if volume not in MOLAR_VOLUMES_L:
        raise ValueError(f"{where} molar_volume: {table['molar_volume']!r} came, 22.4 or 24.45 is allowed")
    if "molar_mass" not in table and field.name not in MOLAR_MASS_G:
        raise ValueError(f"{where} molar_mass: missing; {field.name} has none of its own (grams a mole)")
    known = MOLAR_MASS_G.get(field.name)
    mass = rational(f"{where} molar_mass", table["molar_mass"]) if "molar_mass" in table else known
    assert mass is not None
    if not 1 <= mass <= 1_000:
        raise ValueError(f"{where} molar_mass: {mass} came, 1–1000 is allowed")
    return volume / mass

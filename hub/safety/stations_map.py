"""Mappings of stations: DATA/stations.toml as frozen data.

Enters: the file. Leaves: `Mappings`, or SettingsError naming file, table, key and what is allowed. Nothing is opened or
asked here. Callers: `hub.safety.stations`, `zhantu-hub stations check`. sample_stations.toml beside it holds every key.
"""

import codecs
import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hub.errors import SettingsError
from hub.safety.bulletin import COLOURS
from protocols.laws import gcj

SOURCES_MAX, QUANTITIES_MAX, SITES_MAX, RULES_MAX = 32, 32, 2_000, 32
KINDS = ("weather", "hydrology", "seismic", "geology", "ocean", "forest", "other")
SYSTEMS = ("wgs84", "gcj02", "bd09")
WAYS = ("csv", "json", "url", "mqtt")
GRAVE = COLOURS[:4]
"""red, orange, yellow, blue: the gravest first."""
PLAIN = "yellow"
"""Of a threshold that says no colour."""
ARRIVAL = "arrival"


@dataclass(frozen=True, slots=True)
class Site:
    """A station whose place stands in the mapping. Degrees WGS-84."""

    id: str
    name: str
    lat_deg: float
    lon_deg: float


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number of a row. `thresholds`: (colour, limit in `unit`); `is_rising`: danger is high.

    `threshold_column`: the row's own limit, which then counts in place of these.
    """

    name: str
    zh: str
    en: str
    column: str
    unit: str
    factor: float
    offset: float
    least: float
    most: float
    is_rising: bool
    thresholds: tuple[tuple[str, float], ...]
    threshold_column: str
    deadband: float
    on_ms: int
    off_ms: int


@dataclass(frozen=True, slots=True)
class Source:
    """One way in. `way` is one of WAYS, `where` its path, address or topic; `rows`: path of the list in a document."""

    name: str
    kind: str
    way: str
    where: str
    format: str
    every_ms: int
    timeout_s: float
    stale_ms: int
    encoding: str
    delimiter: str
    rows: str
    missing: frozenset[str]
    headers_file: str
    broker: str
    tls: bool
    login_file: str
    id_column: str
    name_column: str
    lat_column: str
    lon_column: str
    crs: str
    time_column: str
    time_format: str
    zone: tzinfo
    quantities: tuple[Quantity, ...]
    sites: Mapping[str, Site]

    @property
    def shown_where(self) -> str:
        """Without what may be a secret: the query of an address."""
        return self.where.partition("?")[0] if self.way == "url" else self.where


@dataclass(frozen=True, slots=True)
class Rule:
    """Exceedances of these quantities, of any source, belong together within so far and so long of one another."""

    name: str
    zh: str
    en: str
    needs: tuple[str, ...]
    within_m: float
    within_ms: int
    colour: str


@dataclass(frozen=True, slots=True)
class Mappings:
    """All of one file."""

    sources: tuple[Source, ...] = ()
    rules: tuple[Rule, ...] = ()


def load(path: Path) -> Mappings:
    """The mappings of a file; none without it."""
    try:
        return read(path.name, path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Mappings()
    except (OSError, UnicodeDecodeError) as err:
        raise SettingsError(f"{path.name}: {err}") from None


def read(name: str, text: str) -> Mappings:
    """The mappings of a file's text."""
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as err:
        raise SettingsError(f"{name}: {err}") from None
    top = Table(name, values, ("source", "rule"))
    sources = tuple(_source(table) for table in top.tables("source", _SOURCE, SOURCES_MAX))
    names = [source.name for source in sources]
    if len(set(names)) != len(names):
        raise SettingsError(f"{name}: two sources have the same name")
    measured = {quantity.name for source in sources for quantity in source.quantities}
    rules = tuple(_rule(table, measured) for table in top.tables("rule", _RULE, RULES_MAX))
    return Mappings(sources, rules)


_STATION = ("id", "name", "lat", "lon", "crs")
_TIME = ("column", "format", "zone")
_SITE = ("id", "name", "lat", "lon")
_SOURCE = (
    "name", "kind", *WAYS, "format", "every_s", "timeout_s", "stale_s", "encoding", "delimiter", "rows", "missing",
    "headers_file", "broker", "tls", "login_file", "station", "time", "quantity", "site",
)  # fmt: skip
_QUANTITY = (
    "name", "zh", "en", "column", "unit", "factor", "offset", "least", "most", "direction", "threshold", "thresholds",
    "threshold_column", "deadband", "on_s", "off_s",
)  # fmt: skip
_RULE = ("name", "zh", "en", "needs", "within_km", "within_min", "colour")


class Table:
    """A TOML table whose every key is asked for by its type and bounds. `where`: for errors."""

    def __init__(self, where: str, values: Any, known: Sequence[str]) -> None:
        if not isinstance(values, dict):
            raise SettingsError(f"{where}: a table is needed")
        for key in values:
            if key not in known:
                near = difflib.get_close_matches(key, known, 1, 0)[0]
                raise SettingsError(f"{where}: unknown key {key!r}, did you mean {near!r}?")
        self.where = where
        self.values = values

    def has(self, key: str) -> bool:
        return key in self.values

    def wrong(self, key: str, allowed: str) -> SettingsError:
        return SettingsError(f"{self.where}: {key} = {str(self.values.get(key))[:60]!r}, {allowed}")

    def tables(self, key: str, known: Sequence[str], most: int) -> list["Table"]:
        found = self.values.get(key, [])
        if not isinstance(found, list) or len(found) > most:
            raise SettingsError(f"{self.where}: {key}: at most {most} tables [[{key}]] are allowed")
        return [Table(f"{self.where}, {key} {i}", one, known) for i, one in enumerate(found, 1)]

    def table(self, key: str, known: Sequence[str]) -> "Table":
        return Table(f"{self.where}, {key}", self.values.get(key, {}), known)

    def text(self, key: str, default: str | None = None, most: int = 200) -> str:
        """None as default: it is needed."""
        value = self.values.get(key, default)
        if not isinstance(value, str) or len(value) > most or (default is None and not value):
            raise self.wrong(key, f"1–{most} characters are needed")
        return value

    def one_of(self, key: str, allowed: Sequence[str], default: str | None = None) -> str:
        value = self.values.get(key, default)
        if value not in allowed:
            raise self.wrong(key, f"{', '.join(allowed)} allowed")
        return str(value)

    def number(self, key: str, default: float | None, least: float, most: float) -> float:
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise self.wrong(key, f"a number of {least:g}–{most:g} is needed")
        return float(value)

    def flag(self, key: str) -> bool:
        value = self.values.get(key, False)
        if not isinstance(value, bool):
            raise self.wrong(key, "true or false is needed")
        return value

    def texts(self, key: str, default: Sequence[str], most: int) -> tuple[str, ...]:
        value = self.values.get(key, list(default))
        if not isinstance(value, list) or len(value) > most or not all(isinstance(v, str) for v in value):
            raise self.wrong(key, f"a list of at most {most} texts is needed")
        return tuple(value)


def _source(table: Table) -> Source:
    ways = [way for way in WAYS if table.has(way)]
    if len(ways) != 1:
        raise SettingsError(
            f"{table.where}: exactly one of {', '.join(WAYS)} is needed, {len(ways)} stand there"
        )
    way, where = ways[0], table.text(ways[0], most=1_000)
    if way == "url" and not _is_web(where):
        raise table.wrong("url", "http://… or https://… is needed")
    if way == "mqtt" and not is_filter(where):
        raise table.wrong("mqtt", "a topic, with + for one level and # at the end for the rest, is needed")
    station, time = table.table("station", _STATION), table.table("time", _TIME)
    crs = station.one_of("crs", SYSTEMS, "wgs84")
    sites = [_site(one, crs) for one in table.tables("site", _SITE, SITES_MAX)]
    quantities = tuple(_quantity(one) for one in table.tables("quantity", _QUANTITY, QUANTITIES_MAX))
    if not quantities:
        raise SettingsError(f"{table.where}: at least one [[source.quantity]] is needed")
    names = [quantity.name for quantity in quantities]
    if len(set(names)) != len(names):
        raise SettingsError(f"{table.where}: two quantities have the same name")
    return Source(
        name=table.text("name", most=40), kind=table.one_of("kind", KINDS, "other"), way=way, where=where,
        format=way if way in ("csv", "json") else table.one_of("format", ("csv", "json"), "json"),
        every_ms=round(1_000 * table.number("every_s", 60, 1, 86_400)),
        timeout_s=table.number("timeout_s", 10, 0.1, 60),
        stale_ms=round(1_000 * table.number("stale_s", 900, 1, 604_800)),
        encoding=_encoding(table), delimiter=_delimiter(table), rows=table.text("rows", ""),
        missing=frozenset(table.texts("missing", ("", "-", "--", "null", "NULL"), 20)),
        headers_file=table.text("headers_file", "", 1_000), broker=_broker(table), tls=table.flag("tls"),
        login_file=table.text("login_file", "", 1_000), id_column=station.text("id"),
        name_column=station.text("name", ""), lat_column=station.text("lat", ""), lon_column=station.text("lon", ""),
        crs=crs, time_column=time.text("column"), time_format=time.text("format", "iso"), zone=_zone(time),
        quantities=quantities, sites={site.id: site for site in sites},
    )  # fmt: skip


def _site(table: Table, crs: str) -> Site:
    lat, lon = table.number("lat", None, -90, 90), table.number("lon", None, -180, 180)
    return Site(table.text("id", most=64), table.text("name", "", 80), *wgs84(crs, lat, lon))


def wgs84(crs: str, lat_deg: float, lon_deg: float) -> tuple[float, float]:
    """Latitude and longitude of any of SYSTEMS."""
    if crs == "gcj02":
        return gcj.wgs84_of_gcj02(lat_deg, lon_deg)
    return gcj.wgs84_of_bd09(lat_deg, lon_deg) if crs == "bd09" else (lat_deg, lon_deg)


def _quantity(table: Table) -> Quantity:
    name = table.text("name", most=40)
    least, most = table.number("least", -1e12, -1e12, 1e12), table.number("most", 1e12, -1e12, 1e12)
    if least >= most:
        raise table.wrong("least", f"less than most = {most:g} is needed")
    return Quantity(
        name=name, zh=table.text("zh", name, 40), en=table.text("en", name, 40), column=table.text("column"),
        unit=table.text("unit", "", 16), factor=table.number("factor", 1.0, -1e9, 1e9),
        offset=table.number("offset", 0.0, -1e9, 1e9), least=least, most=most,
        is_rising=table.one_of("direction", ("above", "below"), "above") == "above",
        thresholds=_thresholds(table), threshold_column=table.text("threshold_column", ""),
        deadband=table.number("deadband", 0.0, 0, 1e9), on_ms=round(1_000 * table.number("on_s", 0, 0, 604_800)),
        off_ms=round(1_000 * table.number("off_s", 0, 0, 604_800)),
    )  # fmt: skip


def _thresholds(table: Table) -> tuple[tuple[str, float], ...]:
    if sum(table.has(key) for key in ("threshold", "thresholds", "threshold_column")) > 1:
        raise SettingsError(f"{table.where}: only one of threshold, thresholds, threshold_column is allowed")
    if table.has("threshold"):
        return ((PLAIN, table.number("threshold", None, -1e12, 1e12)),)
    by_colour = table.table("thresholds", GRAVE)
    found = tuple((c, by_colour.number(c, None, -1e12, 1e12)) for c in GRAVE if by_colour.has(c))
    limits = [limit for _, limit in found]
    falling = table.values.get("direction") == "below"
    if limits != sorted(set(limits), reverse=not falling):
        raise table.wrong("thresholds", f"from red to blue they must {'rise' if falling else 'fall'}")
    return found


def _rule(table: Table, measured: set[str]) -> Rule:
    name = table.text("name", most=60)
    needs = table.texts("needs", (), QUANTITIES_MAX)
    if len(set(needs)) < 2 or not set(needs) <= measured:
        raise table.wrong(
            "needs", f"two or more quantities of {', '.join(sorted(measured)) or 'none'} are needed"
        )
    return Rule(
        name, table.text("zh", name, 100), table.text("en", name, 100), tuple(dict.fromkeys(needs)),
        1_000 * table.number("within_km", None, 0.01, 1_000),
        round(60_000 * table.number("within_min", None, 1, 10_080)),
        table.one_of("colour", ("", *GRAVE), ""),
    )  # fmt: skip


def _encoding(table: Table) -> str:
    name = table.text("encoding", "utf-8-sig", 20)
    try:
        codecs.lookup(name)
        "".encode(name)  # refuses what is no text encoding, such as base64
    except (LookupError, TypeError, ValueError):
        raise table.wrong("encoding", "such as utf-8 or gb18030 is needed") from None
    return "utf-8-sig" if name.lower() in ("utf-8", "utf8") else name


def _delimiter(table: Table) -> str:
    found = table.text("delimiter", ",", 1)
    if found in ("", '"', "\r", "\n", " "):
        raise table.wrong("delimiter", "one character such as , ; or \\t is needed")
    return found


def _broker(table: Table) -> str:
    found = table.text("broker", "")
    host, _, port = found.rpartition(":")
    if found and (not host or not port.isdecimal() or not 1 <= int(port) <= 65_535):
        raise table.wrong("broker", "host:port is needed")
    return found


def _zone(table: Table) -> tzinfo:
    """An offset such as +08:00, or a name such as Asia/Shanghai. Beijing time when nothing is said."""
    said = table.text("zone", "+08:00", 40)
    if said == "UTC":
        return UTC
    digits = said[1:].replace(":", "")
    if (
        said[0] in "+-"
        and len(digits) == 4
        and digits.isdecimal()
        and int(digits[:2]) < 15
        and int(digits[2:]) < 60
    ):
        minutes = int(digits[:2]) * 60 + int(digits[2:])
        return timezone(timedelta(minutes=-minutes if said[0] == "-" else minutes))
    try:
        return ZoneInfo(said)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise table.wrong("zone", "such as +08:00, UTC or Asia/Shanghai is needed") from None


def _is_web(url: str) -> bool:
    try:
        return urlsplit(url).scheme in ("http", "https") and bool(urlsplit(url).hostname)
    except ValueError:
        return False


def is_filter(topic: str) -> bool:
    """Whether it is a topic filter of MQTT. **Source:** OASIS MQTT 5.0, 4.7.1."""
    levels = topic.split("/")
    whole = all(level in ("+", "#") or not set(level) & set("+#\0") for level in levels)
    return bool(topic) and whole and "#" not in levels[:-1]

"""Base maps as the settings declare them: `[[basemap]]` of hub.toml, and `run --basemap FILE`.

Enters: tables of TOML. Leaves: `BaseMap`, or SettingsError. Pure but for reading a key's file. Callers: `hub.settings`,
`hub.commands.opening`.
"""

import difflib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hub.errors import SettingsError

MAPS_MAX = 32
ZOOM_MAX = 24
WORLD = (-180.0, -85.051129, 180.0, 85.051129)
"""West, south, east, north of Web Mercator, degrees."""
KINDS = ("raster", "vector", "dem")
CRS = ("wgs84", "gcj02", "bd09")
ENCODINGS = ("terrarium", "mapbox")
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_TEXTS = ("name", "name_en", "attribution", "approval", "source", "date")
_TEXT_MAX = 300
KEYS = (
    "id", "file", "url", "key", "key_file", "subdomains", *_TEXTS, "kind", "crs", "encoding", "tms", "tile_px",
    "min_zoom", "max_zoom", "bounds", "fresh_days", "timeout_s",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class BaseMap:
    """One base map. What is None is as its file says.

    file, url   one of the two: a .pmtiles, .mbtiles or folder of z/x/y; or an address with {z}, {x}, {y} (or {-y}),
                and {s}, {key} where it has them
    kind        raster, vector, or dem: heights as colours, by `encoding`
    crs         of its tiles' grid: Web Mercator over WGS-84, GCJ-02 or BD-09 degrees
    approval    the map's approval number (审图号), "" when it has none
    date        of what it shows, as its maker says it
    bounds      west, south, east, north, degrees of `crs`
    tms         rows are counted from the south; MBTiles always are
    fresh_days  a kept tile of an address is asked for again after so long
    """

    id: str
    name: str
    name_en: str
    file: str = ""
    url: str = ""
    key: str = field(default="", repr=False)
    subdomains: tuple[str, ...] = ()
    attribution: str = ""
    approval: str = ""
    source: str = ""
    date: str = ""
    kind: str | None = None
    crs: str = "wgs84"
    encoding: str = "terrarium"
    tms: bool = False
    tile_px: int = 256
    min_zoom: int | None = None
    max_zoom: int | None = None
    bounds: tuple[float, float, float, float] | None = None
    fresh_days: int = 30
    timeout_s: int = 8

    @property
    def form(self) -> str:
        """`web`, `pmtiles`, `mbtiles` or `folder`."""
        if self.url:
            return "web"
        suffix = Path(self.file).suffix.lower()
        return suffix[1:] if suffix in (".pmtiles", ".mbtiles") else "folder"


def read(tables: Any, where: str, folder: Path) -> tuple[BaseMap, ...]:
    """All of a file. `folder`: what relative names of files start from."""
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise SettingsError(f"{where}: basemap: tables [[basemap]] are needed")
    if len(tables) > MAPS_MAX:
        raise SettingsError(f"{where}: {len(tables)} base maps, at most {MAPS_MAX} are allowed")
    return with_own_ids(one(table, f"{where}, basemap {i + 1}", folder) for i, table in enumerate(tables))


def with_own_ids(maps: Any) -> tuple[BaseMap, ...]:
    """The same; SettingsError when two have one id."""
    found: dict[str, BaseMap] = {}
    for made in maps:
        if made.id in found:
            raise SettingsError(f"basemap: two are called {made.id!r}; give one another id")
        found[made.id] = made
    return tuple(found.values())


def of_file(path: str) -> BaseMap:
    """`run --basemap FILE`: everything else is as the file says. SettingsError when there is none."""
    whole = Path(path).resolve()
    if not whole.exists():
        raise SettingsError(f"--basemap {path}: there is no such file or folder")
    return BaseMap(id=_slug(whole.stem), name=whole.stem, name_en=whole.stem, file=str(whole))


def one(table: dict[str, Any], where: str, folder: Path) -> BaseMap:
    """One table, checked key by key."""
    for key in table:
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, 1, 0)[0]
            raise SettingsError(f"{where}: unknown key {key!r}, did you mean {near!r}?")
    file, url = _text(table, "file", where), _text(table, "url", where, 2_000)
    if bool(file) == bool(url):
        raise SettingsError(f"{where}: file or url is needed, and not both")
    if file:
        file = str((folder / Path(file).expanduser()).resolve())
    texts = {name: _text(table, name, where) for name in _TEXTS}
    id = _text(table, "id", where) or _slug(texts["name_en"] or texts["name"] or Path(file).stem)
    if not _ID.fullmatch(id):
        raise SettingsError(f"{where}: id = {id!r}, a–z, 0–9 and -, at most 40, allowed")
    texts["name"] = texts["name"] or texts["name_en"] or id
    texts["name_en"] = texts["name_en"] or texts["name"]
    made = BaseMap(
        id=id, file=file, url=url, key=_key(table, where, folder), subdomains=_subdomains(table, where), **texts,
        kind=_word(table, "kind", where, KINDS), crs=_word(table, "crs", where, CRS) or "wgs84",
        encoding=_word(table, "encoding", where, ENCODINGS) or "terrarium", tms=_flag(table, "tms", where),
        tile_px=_number(table, "tile_px", where, 256, 512) or 256,
        min_zoom=_number(table, "min_zoom", where, 0, ZOOM_MAX),
        max_zoom=_number(table, "max_zoom", where, 0, ZOOM_MAX), bounds=_bounds(table, where),
        fresh_days=_number(table, "fresh_days", where, 0, 3_650) or 30,
        timeout_s=_number(table, "timeout_s", where, 1, 60) or 8,
    )  # fmt: skip
    return _whole(made, where)


def _whole(made: BaseMap, where: str) -> BaseMap:
    """What goes together."""
    if made.url:
        _check_url(made, where)
    if made.crs != "wgs84" and made.kind in ("vector", "dem"):
        raise SettingsError(
            f"{where}: crs = {made.crs!r} is understood for kind raster only, not {made.kind!r}"
        )
    if made.min_zoom is not None and made.max_zoom is not None and made.min_zoom > made.max_zoom:
        raise SettingsError(f"{where}: min_zoom = {made.min_zoom} is above max_zoom = {made.max_zoom}")
    return made


def _check_url(made: BaseMap, where: str) -> None:
    """The host must be fixed by the settings: a tile's numbers may not choose whom the hub asks."""
    try:
        parts = urlsplit(made.url.replace("{s}", made.subdomains[0] if made.subdomains else "{s}"))
        host = parts.hostname or ""
    except ValueError:
        raise SettingsError(f"{where}: url cannot be read") from None
    if parts.scheme not in ("http", "https") or not host or "{" in parts.netloc or "@" in parts.netloc:
        raise SettingsError(f"{where}: url: http(s)://HOST/… is needed, {{s}} with subdomains")
    for wanted in ("{z}", "{x}"):
        if wanted not in made.url:
            raise SettingsError(f"{where}: url: {wanted} is missing")
    if ("{y}" in made.url) == ("{-y}" in made.url):
        raise SettingsError(f"{where}: url: {{y}} or {{-y}} is needed")
    if "{key}" in made.url and not made.key:
        raise SettingsError(f"{where}: url wants a {{key}}: key or key_file is needed")


def _key(table: dict[str, Any], where: str, folder: Path) -> str:
    """The key of an address: never shown again by anything."""
    said, file = _text(table, "key", where), _text(table, "key_file", where)
    if said and file:
        raise SettingsError(f"{where}: key or key_file, not both")
    if file:
        try:
            said = (folder / Path(file).expanduser()).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as err:
            why = getattr(err, "strerror", None) or "it is no text"
            raise SettingsError(f"{where}: key_file {file}: {why}") from None
    if said and not re.fullmatch(r"[A-Za-z0-9._~-]{1,200}", said):
        raise SettingsError(f"{where}: key: letters, digits and ._~- are allowed, at most 200")
    return said


def _text(table: dict[str, Any], key: str, where: str, most: int = _TEXT_MAX) -> str:
    value = table.get(key, "")
    if not isinstance(value, str) or len(value) > most:
        raise SettingsError(f"{where}: {key}: a text of at most {most} characters is needed")
    return value.strip()


def _word(table: dict[str, Any], key: str, where: str, allowed: tuple[str, ...]) -> str | None:
    value = table.get(key)
    if value is not None and value not in allowed:
        raise SettingsError(f"{where}: {key} = {value!r}, allowed are {', '.join(allowed)}")
    return value


def _flag(table: dict[str, Any], key: str, where: str) -> bool:
    value = table.get(key, False)
    if type(value) is not bool:
        raise SettingsError(f"{where}: {key} = {value!r}, true or false needed")
    return value


def _number(table: dict[str, Any], key: str, where: str, lo: int, hi: int) -> int | None:
    value = table.get(key)
    if value is not None and (type(value) is not int or not lo <= value <= hi):
        raise SettingsError(f"{where}: {key} = {value!r}, {lo}–{hi} allowed")
    return value


def _subdomains(table: dict[str, Any], where: str) -> tuple[str, ...]:
    value = table.get("subdomains", [])
    if not isinstance(value, list) or not all(re.fullmatch(r"[a-z0-9-]{1,40}", str(one)) for one in value):
        raise SettingsError(f"{where}: subdomains: a list such as ['t0', 't1'] is needed")
    return tuple(value)


def _bounds(table: dict[str, Any], where: str) -> tuple[float, float, float, float] | None:
    value = table.get("bounds")
    if value is None:
        return None
    numbers = isinstance(value, list) and len(value) == 4 and all(type(v) in (int, float) for v in value)
    if not numbers or not (-180 <= value[0] < value[2] <= 180 and -90 <= value[1] < value[3] <= 90):
        raise SettingsError(f"{where}: bounds = {value!r}, [west, south, east, north] in degrees needed")
    return (float(value[0]), float(value[1]), float(value[2]), float(value[3]))


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40] or "map"

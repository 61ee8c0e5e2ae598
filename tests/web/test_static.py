"""The committed page is whole: what it names is there, and it names nothing outside the hub."""

import gzip
import hashlib
import json
import re
import struct
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "hub" / "static"
WEB = ROOT / "hub" / "web"
CODE = sorted(path for path in STATIC.rglob("*") if path.suffix in {".js", ".css", ".html", ".svg"})

# Names of XML vocabularies, a base that MapLibre resolves relative paths against and never asks, licence comments.
HARMLESS = re.compile(
    r"https?://(www\.w3\.org/(1999/xhtml|2000/svg|1999/xlink|1998/Math/MathML)|maplibre\.invalid/|aomedia\.org/emsg/ID3"
    r"|www\.opengis\.net/kml/2\.2|www\.topografix\.com/GPX/1/1"
    r"|github\.com/maplibre/maplibre-gl-js/blob/v[\d.]+/LICENSE\.txt)"
)
FIRST_LOAD_KIB_MAX = 500
AT_ONCE = re.compile(r"""(?:\bfrom|\bimport)\s*["'`]\./([\w.-]+)["'`]""")
KNOWN = re.compile(r"maplibre-gl-worker\.js$")


def test_index_names_only_files_that_exist() -> None:
    page = (STATIC / "index.html").read_text("utf-8")
    names = re.findall(r'(?:src|href)="\./([^"]+)"', page)
    assert {"assets/screen.js", "icon.svg"} <= set(names)
    assert [name for name in names if not (STATIC / name).is_file()] == []
    assert re.findall(r'(?:src|href)="(?!\./)', page) == []


def test_index_runs_no_inline_script() -> None:
    page = (STATIC / "index.html").read_text("utf-8")
    assert re.findall(r"<script(?![^>]*\bsrc=)", page) == []
    assert re.findall(r"\son\w+=", page) == []


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.name)
def test_no_address_outside_the_hub(path: Path) -> None:
    text = HARMLESS.sub("", path.read_text("utf-8"))
    assert re.findall(r"https?://[\w.-]+[^\"'`\s)]*", text) == []


def test_no_source_maps_and_stable_names() -> None:
    """A hash in a name would be a new file with each build, and a growing history."""
    names = [path.name for path in STATIC.rglob("*") if path.is_file()]
    assert [name for name in names if name.endswith((".map", ".mjs"))] == []
    assert [
        name for name in names if re.search(r"-[A-Za-z0-9_-]{8}\.(js|css)$", name) and not KNOWN.match(name)
    ] == []


def first_load() -> set[Path]:
    """What the page needs before it shows anything: its script and styles, and what the script imports at once."""
    page = (STATIC / "index.html").read_text("utf-8")
    wanted = [STATIC / name for name in re.findall(r'(?:src|href)="\./([^"]+)"', page)]
    found: set[Path] = set()
    while wanted:
        path = wanted.pop()
        if path not in found:
            found.add(path)
            if path.suffix == ".js":
                wanted += [path.parent / name for name in AT_ONCE.findall(path.read_text("utf-8"))]
    return found


def test_the_service_worker_knows_every_file_by_its_bytes() -> None:
    listed = json.loads(
        re.search(r"__FILES__ = (\{.*?\})", (STATIC / "sw.js").read_text("utf-8"), re.DOTALL)[1]
    )  # type: ignore[index]
    there = {
        path.relative_to(STATIC).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in STATIC.rglob("*")
        if path.is_file() and path.name != "sw.js"
    }
    assert listed == there


def test_what_is_installed_is_there() -> None:
    manifest = json.loads((STATIC / "manifest.webmanifest").read_text("utf-8"))
    assert {manifest["start_url"], manifest["scope"]} == {"./"}
    for icon in manifest["icons"]:
        data = (STATIC / icon["src"]).read_bytes()
        if icon["type"] == "image/png":
            assert icon["sizes"] == "{}x{}".format(*struct.unpack(">II", data[16:24])), icon["src"]


def test_first_load_is_small() -> None:
    first = first_load()
    assert {"screen.js", "maplibre.js", "index.css"} <= {path.name for path in first}
    assert "Admin.js" not in {path.name for path in first}, "an import() is no part of it"
    kib = sum(len(gzip.compress(path.read_bytes(), mtime=0)) for path in first) / 1024
    print(f"first load: {kib:.0f} KiB gzip")
    assert kib <= FIRST_LOAD_KIB_MAX


def test_the_outline_has_sixteen_cities() -> None:
    outline = json.loads((STATIC / "map" / "shandong.geojson").read_text("utf-8"))
    shapes = [f["properties"]["name"] for f in outline["features"] if f["geometry"]["type"] == "MultiPolygon"]
    assert len(set(shapes)) == 16


def test_lock_file_names_no_host() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text("utf-8"))
    assert [name for name, package in lock["packages"].items() if "resolved" in package] == []
    wanted = json.loads((WEB / "package.json").read_text("utf-8"))
    versions = {**wanted["dependencies"], **wanted["devDependencies"]}.values()
    assert [version for version in versions if not re.fullmatch(r"\d+\.\d+\.\d+", version)] == []

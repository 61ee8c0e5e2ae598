"""What lies under the units, as a commander uses it: base maps, drawing, measuring, files, a plan, a sheet.

Tiles are made here, with a mark at a known place; pictures are looked into by the browser itself. Leaves screenshots.
"""

import base64
import json
import math
import sqlite3
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from playwright.sync_api import Browser, Page, expect

from hub.identity.keys import KeyRing, load_master
from protocols import frame, topics
from protocols.catalog import FIELDS_BY_NAME, ClockSource, Kind, Lane, Stream

pytestmark = [pytest.mark.browser, pytest.mark.slow]
REALM = "sd-drill"
SCREEN: dict[str, Any] = {
    "viewport": {"width": 1366, "height": 768},
    "locale": "zh-CN",
    "color_scheme": "dark",
    "accept_downloads": True,
}
PHONE: Any = {"width": 390, "height": 844}
LON, LAT = 117.0, 36.65
MARK = (117.004, 36.652)
"""Where each map has its mark, WGS-84."""
Z = 16
PX = 256
SLOW_MS = 20_000
"""What the hub answers may take this long on a busy machine."""
WORDS = "某图街道 · 来源 测试 · 时间 2026-11 · 坐标 GCJ-02（已转换） · 审图号 GS(2026)0000号"


def png(pixels: Any) -> bytes:
    """(h, w, 3) uint8."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width, _ = pixels.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packed = zlib.compress(rows.tobytes(), 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def world_px(lon: float, lat: float, z: int = Z) -> tuple[float, float]:
    side = PX * 2**z
    y = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2
    return (lon + 180) / 360 * side, y * side


def gcj02(lon: float, lat: float) -> tuple[float, float]:
    """The published formula, written again here: the screen uses a library's."""
    x, y, pi = lon - 105, lat - 35, math.pi

    def waves(v: float) -> float:
        return (20 * math.sin(6 * v * pi) + 20 * math.sin(2 * v * pi)) * 2 / 3

    dy = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * math.sqrt(abs(x)) + waves(x)
    dy += (20 * math.sin(y * pi) + 40 * math.sin(y / 3 * pi)) * 2 / 3
    dy += (160 * math.sin(y / 12 * pi) + 320 * math.sin(y * pi / 30)) * 2 / 3
    dx = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * math.sqrt(abs(x)) + waves(x)
    dx += (20 * math.sin(x * pi) + 40 * math.sin(x / 3 * pi)) * 2 / 3
    dx += (150 * math.sin(x / 12 * pi) + 300 * math.sin(x / 30 * pi)) * 2 / 3
    a, ee = 6378245.0, 0.00669342162296594323
    magic = 1 - ee * math.sin(math.radians(lat)) ** 2
    dlat = dy * 180 / (a * (1 - ee) / (magic * math.sqrt(magic)) * pi)
    dlon = dx * 180 / (a / math.sqrt(magic) * math.cos(math.radians(lat)) * pi)
    return lon + dlon, lat + dlat


def tiles(mark: tuple[float, float], reach: int = 7) -> dict[tuple[int, int], bytes]:
    """Grey tiles around the middle with their edges, and a magenta square where the mark is."""
    mx, my = world_px(*mark)
    cx, cy = (int(v // PX) for v in world_px(LON, LAT))
    plain = np.full((PX, PX, 3), 190, np.uint8)
    plain[0, :] = plain[:, 0] = 150
    bare, made = png(plain), {}
    for x in range(cx - reach, cx + reach + 1):
        for y in range(cy - reach, cy + reach + 1):
            rows, columns = np.mgrid[0:PX, 0:PX]
            hit = (abs(columns + 0.5 + x * PX - mx) <= 8) & (abs(rows + 0.5 + y * PX - my) <= 8)
            if hit.any():
                marked = plain.copy()
                marked[hit] = (255, 0, 255)
                made[x, y] = png(marked)
            else:
                made[x, y] = bare
    return made


def as_folder(root: Path, made: dict[tuple[int, int], bytes]) -> None:
    for (x, y), body in made.items():
        (root / str(Z) / str(x)).mkdir(parents=True, exist_ok=True)
        (root / str(Z) / str(x) / f"{y}.png").write_bytes(body)


def hilbert(z: int, x: int, y: int) -> int:
    """A tile's number in PMTiles. **Source:** PMTiles 3, 4.2."""
    number, n = (4**z - 1) // 3, 2**z
    s = n // 2
    while s:
        rx, ry = int((x & s) > 0), int((y & s) > 0)
        number += s * s * ((3 * rx) ^ ry)
        if ry == 0:
            if rx:
                x, y = s - 1 - (x & (s - 1)), s - 1 - (y & (s - 1))
            x, y = y, x
        x, y, s = x & (s - 1) if s > 1 else 0, y & (s - 1) if s > 1 else 0, s // 2
    return number


def varints(values: list[int]) -> bytes:
    out = bytearray()
    for value in values:
        while value > 127:
            out.append(value & 127 | 128)
            value >>= 7
        out.append(value)
    return bytes(out)


def as_pmtiles(path: Path, made: dict[tuple[int, int], bytes]) -> None:
    """One root directory, nothing compressed."""
    rows = sorted((hilbert(Z, x, y), body) for (x, y), body in made.items())
    ids, bodies = [number for number, _ in rows], [body for _, body in rows]
    starts = np.cumsum([0, *map(len, bodies)]).tolist()
    root = varints([len(ids)]) + varints([b - a for a, b in zip([0, *ids], ids, strict=False)])
    root += varints([1] * len(ids)) + varints([len(body) for body in bodies])
    root += varints([start + 1 for start in starts[: len(ids)]])
    said = b"{}"
    at = 127 + len(root)
    head = b"PMTiles\x03" + struct.pack(
        "<11Q", 127, len(root), at, len(said), at + 2, 0, at + 2, starts[-1], len(ids), len(ids), len(ids)
    )
    bounds = [int(v * 1e7) for v in (116.9, 36.5, 117.1, 36.8)]
    head += bytes([1, 1, 1, 2, Z, Z]) + struct.pack("<4iB2i", *bounds, Z, int(LON * 1e7), int(LAT * 1e7))
    assert len(head) == 127
    path.write_bytes(head + root + said + b"".join(bodies))


def as_heights(path: Path, z: int = 12) -> None:
    """An MBTiles of a hill of 300 m, in Terrarium's colours."""
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE metadata (name text, value text)")
    db.execute("CREATE TABLE tiles (zoom_level int, tile_column int, tile_row int, tile_data blob)")
    hx, hy = world_px(LON, LAT, z)
    for x in range(int(hx // PX) - 1, int(hx // PX) + 2):
        for y in range(int(hy // PX) - 1, int(hy // PX) + 2):
            rows, columns = np.mgrid[0:PX, 0:PX]
            far = np.hypot(columns + x * PX - hx, rows + y * PX - hy)
            height = 32768 + 300 * np.exp(-((far / 60) ** 2)) + 8 * np.sin(columns / 6) * np.cos(rows / 5)
            colours = np.stack([height // 256, height % 256, (height * 256) % 256], -1).astype(np.uint8)
            db.execute("INSERT INTO tiles VALUES (?, ?, ?, ?)", (z, x, 2**z - 1 - y, png(colours)))
    db.commit()
    db.close()


@pytest.fixture
def hub(new_hub: Callable[..., Any], tmp_path: Path, patiently: Callable[..., Any]) -> Any:
    """A hub of a drill with three base maps and heights; one unit stands at the middle."""
    as_folder(tmp_path / "amap", tiles(gcj02(*MARK)))
    as_pmtiles(tmp_path / "plain.pmtiles", tiles(MARK))
    as_heights(tmp_path / "heights.mbtiles")
    made = new_hub("--realm", REALM, "--basemap", str(tmp_path / "plain.pmtiles"))
    made.data.mkdir()
    (made.data / "hub.toml").write_text(
        f'[[basemap]]\nid = "amap"\nfile = "{tmp_path}/amap"\nname = "某图街道"\nname_en = "Streets"\ncrs = "gcj02"\n'
        'source = "测试"\ndate = "2026-11"\napproval = "GS(2026)0000号"\n'
        f'[[basemap]]\nid = "heights"\nfile = "{tmp_path}/heights.mbtiles"\nkind = "dem"\nname = "高程"\n'
        f'[[basemap]]\nid = "gone"\nfile = "{tmp_path}/gone.mbtiles"\nname = "丢失的图"\n'
    )
    made.start()
    made.add(1001, "济南消防-01")
    place_unit(made, patiently)
    return made


def place_unit(hub: Any, patiently: Callable[..., Any]) -> None:
    """Its position, said until the hub shows it: the roster is read again within half a second."""
    ring = KeyRing(load_master(hub.data / "master.key"), REALM)
    ring.epochs = {1001: 0}
    key = ring.get(1001)
    assert key is not None
    zero_ms = int(time.time() * 1000) - 900_000
    values = {"lat_deg_e7": int(LAT * 1e7), "lon_deg_e7": int(LON * 1e7), "fix_mode": 3, "hacc_dm": 30}
    row = frame.Row(900_000, {FIELDS_BY_NAME[name].bit: value for name, value in values.items()})
    data = frame.pack(
        key, kind=Kind.STATE, lane=Lane.LIVE, device=1001, boot=4, stream=Stream.ROWS, row=0, rows=[row],
        utc_zero_ms=zero_ms, clock_source=ClockSource.GNSS,
    )  # fmt: skip
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.connect("127.0.0.1", hub.mqtt_port)
    client.loop_start()
    with hub.client() as http:
        hub.sign_in(http, "member")

        def is_placed() -> bool:
            client.publish(topics.up(REALM, 1001, Lane.LIVE), data, qos=1).wait_for_publish(10)
            return any(unit["values"] for unit in http.get("/api/v1/units").json()["units"])

        patiently(is_placed, "the unit's position does not come")
    client.disconnect()
    client.loop_stop()


LOOK = """async ([data, left, top, width, height]) => {
  const image = new Image()
  image.src = 'data:image/png;base64,' + data
  await image.decode()
  const canvas = new OffscreenCanvas(image.width, image.height)
  const g = canvas.getContext('2d')
  g.drawImage(image, 0, 0)
  const w = width || image.width, h = height || image.height
  const p = g.getImageData(left, top, w, h).data
  let n = 0, x = 0, y = 0, yellow = 0
  for (let i = 0; i < p.length; i += 4) {
    const [r, gr, b] = [p[i], p[i + 1], p[i + 2]]
    if (r > 180 && gr > 140 && b < 110) yellow++
    if (r - gr > 45 && b - gr > 45) { n++; x += (i / 4) % w; y += Math.floor(i / 4 / w) }
  }
  return { n, x: left + x / n + 0.5, y: top + y / n + 0.5, yellow, width: image.width, height: image.height }
}"""
"""Where a picture is magenta, and how much of it is yellow."""


def look(page: Page, picture: bytes, *box: float) -> dict[str, float]:
    found: dict[str, float] = page.evaluate(
        LOOK, [base64.b64encode(picture).decode(), *(box or (0, 0, 0, 0))]
    )
    return found


def metres(a: tuple[float, float], b: tuple[float, float]) -> float:
    return math.hypot((a[0] - b[0]) * 111_320 * math.cos(math.radians(LAT)), (a[1] - b[1]) * 110_950)


def seen_mark(page: Page, patiently: Callable[..., Any]) -> dict[str, float]:
    """The mark's middle on the screen, once it is drawn whole and stands still."""
    box = page.locator("section.map").bounding_box()
    assert box is not None
    last: list[float] = [0, 0]

    def settled() -> dict[str, float] | None:
        found = look(page, page.screenshot(), box["x"], box["y"], box["width"], box["height"])
        if found["n"] < 150:
            return None
        still = math.dist(last, (found["x"], found["y"])) < 0.3
        last[:] = [found["x"], found["y"]]
        return found if still else None

    found: dict[str, float] = patiently(settled, "the map's mark is not seen", 60)
    return found


def under_pointer(page: Page, x: float, y: float) -> tuple[float, float]:
    page.mouse.move(x, y)
    at = page.get_by_test_id("map-at")
    expect(at).to_be_visible()
    return float(at.get_attribute("data-lon") or "nan"), float(at.get_attribute("data-lat") or "nan")


WALK = "".join(
    f'<trkpt lat="{LAT + 0.0015 * math.sin(i / 3)}" lon="{LON - 0.005 + i * 0.0004}"/>' for i in range(20)
)
GPX = (
    f'<gpx><wpt lat="{LAT + 0.002}" lon="{LON - 0.004}"><name>会合点</name></wpt>'
    f"<trk><name>搜索路线</name><trkseg>{WALK}</trkseg></trk></gpx>"
)
DROP = """([name, text]) => {
  const files = new DataTransfer()
  files.items.add(new File([text], name))
  const drop = new DragEvent('drop', { dataTransfer: files, bubbles: true, cancelable: true })
  document.querySelector('section.map').dispatchEvent(drop)
}"""


def test_what_lies_under_the_units(
    hub: Any, browser: Browser, opened: Any, artifacts: Path, patiently: Any, tmp_path: Path
) -> None:
    with opened(browser, hub.link("commander"), **SCREEN) as page:
        expect(page.get_by_test_id("unit-row")).to_have_count(1, timeout=SLOW_MS)
        base_maps(page, patiently, artifacts)
        mark = seen_mark(page, patiently)
        draw(page, mark, artifacts)
        measure(page, artifacts)
        files(page, artifacts)
        plan(page, tmp_path, artifacts)
        sheet(page, artifacts)
        looks(page, artifacts)


def base_maps(page: Page, patiently: Callable[..., Any], artifacts: Path) -> None:
    """The shifted map and the plain one have their marks at the same place, and that place is the true one."""
    page.get_by_test_id("map-window-open").click()
    expect(page.get_by_test_id("map-note")).to_contain_text("示意，非标准地图")
    expect(page.get_by_test_id("map-window")).to_contain_text(
        "无法读取：gone.mbtiles: there is no such file", timeout=SLOW_MS
    )
    page.get_by_test_id("base-amap").check()
    expect(page.get_by_test_id("map-note")).to_contain_text(WORDS)
    shifted = seen_mark(page, patiently)
    place = under_pointer(page, shifted["x"], shifted["y"])
    assert metres(place, MARK) < 3, f"{place} on the screen is {MARK} on the ground (a pixel is 1.9 m)"
    page.screenshot(path=artifacts / "night-zh-ground-gcj02.png")
    page.get_by_test_id("base-none").check()
    expect(page.get_by_test_id("map-note")).to_contain_text("示意，非标准地图")
    page.screenshot(path=artifacts / "night-zh-ground-contours.png")
    page.get_by_test_id("base-plain").check()
    expect(page.get_by_test_id("map-note")).to_contain_text("坐标 WGS-84 · 无审图号")
    plain = seen_mark(page, patiently)
    assert math.dist((shifted["x"], shifted["y"]), (plain["x"], plain["y"])) < 1.2
    page.get_by_test_id("base-amap").check()


def draw(page: Page, mark: dict[str, float], artifacts: Path) -> None:
    """A click on the shifted map is kept in WGS-84; undo and redo; range rings."""
    page.get_by_test_id("map-tab-draw").click()
    page.get_by_test_id("draw-point").click()
    page.mouse.click(mark["x"], mark["y"])
    page.get_by_test_id("draw-words").fill("集结点 A")
    page.get_by_test_id("draw-sign").select_option("flag")
    page.get_by_test_id("draw-save").click()
    row = page.get_by_test_id("drawing-row")
    expect(row).to_have_attribute("data-rev", "1", timeout=SLOW_MS)
    kept = kept_drawings(page)
    assert metres(tuple(kept[0]["geometry"]["coordinates"]), MARK) < 3
    page.get_by_test_id("draw-undo-act").click()
    expect(row).to_have_count(0, timeout=SLOW_MS)
    page.get_by_test_id("draw-redo-act").click()
    expect(row).to_have_count(1, timeout=SLOW_MS)
    page.get_by_test_id("draw-rings").click()
    page.get_by_test_id("draw-radii").fill("200，400")
    page.mouse.click(mark["x"] + 60, mark["y"] + 140)
    page.keyboard.press("Enter")
    expect(row).to_have_count(2, timeout=SLOW_MS)
    page.get_by_test_id("draw-arrow").click()
    page.mouse.click(mark["x"] - 120, mark["y"] + 200)
    page.mouse.click(mark["x"] + 30, mark["y"] + 60)
    page.keyboard.press("Enter")
    expect(row).to_have_count(3, timeout=SLOW_MS)
    kinds = [one["properties"]["kind"] for one in kept_drawings(page)]
    assert sorted(kinds) == ["arrow", "point", "rings"]
    page.screenshot(path=artifacts / "night-zh-ground-draw.png")


def kept_drawings(page: Page) -> list[dict[str, Any]]:
    """As the hub has them."""
    found: list[dict[str, Any]] = page.evaluate("fetch('/api/v1/drawings').then((a) => a.json())")["features"]
    return found


def measure(page: Page, artifacts: Path) -> None:
    """200 pixels to the east at zoom 15 are 384 m on 090°."""
    page.get_by_test_id("map-tab-measure").click()
    page.get_by_test_id("measure-distance").click()
    page.mouse.click(850, 600)
    page.mouse.click(1050, 600)
    said = page.get_by_test_id("measured")
    expect(said).to_contain_text("384 m · 090.0°")
    page.get_by_test_id("map-tab-layers").click()
    page.get_by_test_id("angle-style").select_option("mil6000")
    page.get_by_test_id("place-style").select_option("mgrs")
    page.get_by_test_id("grid").check()
    page.get_by_test_id("map-tab-measure").click()
    expect(said).to_contain_text("15-00")
    page.mouse.move(1000, 500)
    expect(page.get_by_test_id("map-at")).to_contain_text("50S NF")
    page.screenshot(path=artifacts / "night-zh-ground-measure.png")
    page.keyboard.press("Escape")
    expect(said).to_have_count(0)


def files(page: Page, artifacts: Path) -> None:
    page.evaluate(DROP, ["路线.gpx", GPX])
    expect(page.get_by_test_id("map-window")).to_contain_text("路线.gpx")
    page.evaluate(DROP, ["坏.gpx", GPX.replace("<trkseg>", '<trkseg>\n<trkpt lat="99" lon="1"/>')])
    expect(page.get_by_test_id("file-trouble")).to_have_text('坏.gpx：第 2 行：坐标无效：lat="99" lon="1"')
    page.screenshot(path=artifacts / "night-zh-ground-files.png")


def plan(page: Page, tmp_path: Path, artifacts: Path) -> None:
    """A floor plan, two pairs of points, and it lies there."""
    pixels = np.full((300, 400, 3), 250, np.uint8)
    pixels[::50, :] = pixels[:, ::50] = 60
    pixels[100:200, 100:160] = (120, 170, 120)
    (tmp_path / "二层.png").write_bytes(png(pixels))
    page.get_by_test_id("map-tab-plans").click()
    page.get_by_test_id("plan-file").set_input_files(tmp_path / "二层.png")
    page.get_by_test_id("plan-name").fill("综合楼")
    page.get_by_test_id("plan-upload").click()
    picture = page.get_by_test_id("plan-picture")
    expect(picture).to_be_visible(timeout=SLOW_MS)
    box = picture.bounding_box()
    assert box is not None
    for x, y, to_x, to_y in ((0.01, 0.01, 790, 520), (0.99, 0.99, 960, 640)):
        picture.click(position={"x": box["width"] * x, "y": box["height"] * y})
        page.mouse.click(to_x, to_y)
    expect(page.get_by_test_id("plan-row")).to_have_attribute("data-placed", "true", timeout=SLOW_MS)
    expect(page.get_by_test_id("plan-fit")).to_contain_text("两点定位")
    page.screenshot(path=artifacts / "night-zh-ground-plan.png")


def sheet(page: Page, artifacts: Path) -> None:
    """The picture for paper: not empty, the mark in it, and the drill's frame around it."""
    page.get_by_test_id("map-tab-export").click()
    page.get_by_test_id("export-title").fill("罐区处置态势")
    with page.expect_download() as got:
        page.get_by_test_id("export-png").click()
    assert "DRILL" in got.value.suggested_filename
    made = artifacts / "sheet-drill.png"
    got.value.save_as(made)
    whole = look(page, made.read_bytes())
    assert whole["n"] > 150, "the map is on it"
    frame_px = look(page, made.read_bytes(), 0, 0, whole["width"], 12)
    assert 0.3 < frame_px["yellow"] / (whole["width"] * 12) < 0.8, "hatched"
    with page.expect_download() as got:
        page.get_by_test_id("export-geojson").click()
    given = json.loads(Path(got.value.path()).read_text(encoding="utf-8"))
    names = {feature["properties"]["name"] for feature in given["features"]}
    assert {"济南消防-01", "集结点 A"} <= names
    assert "DRILL" in given["name"]
    page.evaluate("window.print = () => undefined")
    page.get_by_test_id("export-print").click()
    expect(page.locator(".print-sheet")).to_have_count(1)
    page.emulate_media(media="print")
    expect(page.locator(".print-sheet")).to_be_visible()
    expect(page.locator("#app")).to_be_hidden()
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(page.locator(".print-sheet")).to_have_count(0)


def looks(page: Page, artifacts: Path) -> None:
    """Day and English, and the phone's bottom sheet."""
    page.get_by_test_id("map-tab-layers").click()
    page.get_by_test_id("theme-switch").click()
    page.get_by_test_id("lang-switch").click()
    expect(page.get_by_test_id("map-window")).to_contain_text("Relief shading")
    page.screenshot(path=artifacts / "day-en-ground-layers.png")
    page.set_viewport_size(PHONE)
    page.screenshot(path=artifacts / "phone-day-en-ground-layers.png")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("map-window")).to_have_count(0)
    page.screenshot(path=artifacts / "phone-day-en-ground.png")

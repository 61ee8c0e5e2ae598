"""Plans: how they are fitted, what a GeoTIFF says, uploads, and who may. Drawings: kept, told, bounded."""

import asyncio
import io
import json
import math
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.identity.permissions import ALLOWED, Permission, Principal, Role
from hub.live.feed import Viewer
from hub.maps import drawings, geotiff, images
from hub.maps.errors import PlanRefused
from hub.maps.placing import Control, degrees, mercator, metres_of_unit, place
from hub.maps.plans import Plans
from hub.maps.projections import degrees_of
from hub.state import HubState

LON, LAT = 117.0, 36.65


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = (b"\0" + bytes(width)) * height
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


# --- the law -------------------------------------------------------------------------------------------------------


def ground(x_m: float, y_m: float) -> tuple[float, float]:
    """Metres east and south of a corner of the site."""
    unit = metres_of_unit(LAT)
    x, y = mercator(LON, LAT)
    return degrees(x + x_m / unit[0], y + y_m / unit[1])


def turned(m_per_px: float, turn_deg: float, x: float, y: float) -> Control:
    a = math.radians(turn_deg)
    east = m_per_px * (x * math.cos(a) - y * math.sin(a))
    south = m_per_px * (x * math.sin(a) + y * math.cos(a))
    return Control(x, y, *ground(east, south))


@given(
    m_per_px=st.floats(0.02, 5), turn_deg=st.floats(0, 359),
    extra=st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 800)), max_size=4, unique=True),
)  # fmt: skip
def test_a_plan_lies_where_its_points_say(
    m_per_px: float, turn_deg: float, extra: list[tuple[int, int]]
) -> None:
    pixels = [(100.0, 100.0), (900.0, 700.0), *(p for p in extra if math.dist(p, (100, 100)) > 60)]
    pixels = [p for i, p in enumerate(pixels) if all(math.dist(p, q) > 60 for q in pixels[:i])]
    controls = [turned(m_per_px, turn_deg, x, y) for x, y in pixels]
    try:
        placed = place(1000, 800, controls)
    except PlanRefused as err:
        assert "one line" in str(err)
        return
    wanted = [ground(*_turn(m_per_px, turn_deg, x, y)) for x, y in ((0, 0), (1000, 0), (1000, 800), (0, 800))]
    for got, corner in zip(placed.corners, wanted, strict=True):
        assert math.dist(got, corner) * 111_000 < 0.05, "metres"
    assert placed.m_per_px == pytest.approx((m_per_px, m_per_px), rel=1e-3)
    assert (placed.turn_deg - turn_deg + 180) % 360 - 180 == pytest.approx(0, abs=0.05)
    assert max(placed.residuals_m) < 0.01
    assert (placed.rms_m is None) == (len(pixels) == 2)


def _turn(m_per_px: float, turn_deg: float, x: float, y: float) -> tuple[float, float]:
    a = math.radians(turn_deg)
    return (
        m_per_px * (x * math.cos(a) - y * math.sin(a)),
        m_per_px * (x * math.sin(a) + y * math.cos(a)),
    )


def test_what_is_wrong_is_told_in_metres() -> None:
    exact = [turned(0.1, 30, x, y) for x, y in ((0, 0), (1000, 0), (1000, 800), (0, 800))]
    off = Control(500, 400, *ground(*(one + 3.0 for one in _turn(0.1, 30, 500, 400))))
    placed = place(1000, 800, [*exact, off])
    assert placed.rms_m == pytest.approx(math.sqrt(18 * 0.8 / 5), rel=0.01), (
        "4/5 of the error stays on that point"
    )
    assert max(placed.residuals_m) == placed.residuals_m[4]
    three = place(1000, 800, [*exact[:2], off])
    assert three.rms_m == 0.0, "three points always fit an affine map"
    assert three.undistorted_rms_m is not None
    assert three.undistorted_rms_m > 1, "but not an undistorted plan"


@pytest.mark.parametrize(
    ("controls", "words"),
    [
        ([turned(1, 0, 0, 0)], "1 control points, 2–50"),
        ([turned(1, 0, 0, 0), turned(1, 0, 1, 1)], "1.4 pixels apart, 4 are needed"),
        ([Control(0, 0, LON, LAT), Control(99, 0, LON, LAT)], "0 m apart, 0.5 are needed"),
        ([turned(1, 0, x, x) for x in (0, 100, 200)], "lie in one line"),
        ([Control(x, y, *ground(-x, y)) for x, y in ((0, 0), (99, 0), (0, 99))], "turn the plan over"),
        ([Control(0, 0, 100, 30), Control(10, 10, 120, 20)], "longer than 2000 km"),
    ],
)
def test_points_that_cannot_tell(controls: list[Control], words: str) -> None:
    with pytest.raises(PlanRefused) as err:
        place(1000, 800, controls)
    assert words in str(err.value)


@pytest.mark.parametrize(
    ("epsg", "x", "y", "lon", "lat"),
    [
        (4326, 117.0, 36.65, 117.0, 36.65),
        (3857, 13024380.42, 4390432.94, 117.0, 36.65),
        # The quarter arc to 45° is 4,984,944.378 m on WGS-84 (Karney 2011 and elsewhere).
        (32631, 500000.0, 0.0, 3.0, 0.0),
        (32650, 500000.0, 0.9996 * 4984944.378, 117.0, 45.0),
        (4548, 500000.0, 4984944.378, 117.0, 45.0),
        (32760, 500000.0, 10000000.0, 177.0, 0.0),
        (4528, 40500000.0, 0.0, 120.0, 0.0),
        (2154, 1.0, 1.0, None, None),
        (3857, 1e12, 1.0, None, None),
        (32650, 1e12, 1e12, None, None),
    ],
)
def test_projections(epsg: int, x: float, y: float, lon: float | None, lat: float | None) -> None:
    got = degrees_of(epsg, x, y)
    if lon is None or lat is None:
        assert got is None
    else:
        assert got == pytest.approx((lon, lat), abs=2e-7)


def test_transverse_mercator_agrees_with_a_published_point() -> None:
    """**Source:** Karney 2011 / GeographicLib `GeoConvert -u`: 38n 444500 3688500 is 33.33424 N 44.40363 E."""
    assert degrees_of(32638, 444_500, 3_688_500) == pytest.approx((44.40363, 33.33424), abs=1e-5)


# --- GeoTIFF -------------------------------------------------------------------------------------------------------


def tiff(width: int, height: int, *more: tuple[int, int, list[float]], order: str = "<") -> bytes:
    """A grey TIFF without compression. `more`: tag, type, values."""
    strip = bytes(width * height)
    entries: list[tuple[int, int, list[float]]] = [
        (256, 4, [width]), (257, 4, [height]), (258, 3, [8]), (259, 3, [1]), (262, 3, [1]), (273, 4, [8]),
        (277, 3, [1]), (278, 4, [height]), (279, 4, [len(strip)]), *more,
    ]  # fmt: skip
    at = 8 + len(strip)
    extra, rows = b"", b""
    after = at + 2 + 12 * len(entries) + 4
    for tag, kind, values in sorted(entries):
        letter = {3: "H", 4: "I", 12: "d"}[kind]
        packed = struct.pack(
            f"{order}{len(values)}{letter}", *(v if letter == "d" else int(v) for v in values)
        )
        if len(packed) > 4:
            place_at, extra = after + len(extra), extra + packed
            packed = struct.pack(order + "I", place_at)
        rows += struct.pack(order + "HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, at)
    return head + strip + struct.pack(order + "H", len(entries)) + rows + struct.pack(order + "I", 0) + extra


def geokeys(epsg: int, projected: bool, point: bool = False) -> tuple[int, int, list[float]]:
    rows: list[float] = [1, 1, 0, 2, 1025, 0, 1, 2 if point else 1, 3072 if projected else 2048, 0, 1, epsg]
    return (34735, 3, rows)


@pytest.mark.parametrize("order", "<>")
def test_a_geotiff_lies_where_it_says(order: str) -> None:
    scale, tie = (33550, 12, [0.5, 0.5, 0.0]), (33922, 12, [0, 0, 0, 444_500.0, 3_688_500.0, 0])
    said = geotiff.read(tiff(20, 10, scale, tie, geokeys(32638, True), order=order))
    assert (said.width_px, said.height_px, said.epsg, said.why) == (20, 10, 32638, "")
    first, last = said.controls[0], said.controls[2]
    assert (first.lon_deg, first.lat_deg) == pytest.approx((44.40363, 33.33424), abs=1e-5)
    assert place(20, 10, said.controls).m_per_px == pytest.approx((0.5, 0.5), rel=2e-3)
    assert last.lat_deg < first.lat_deg
    points = geotiff.read(tiff(20, 10, scale, tie, geokeys(32638, True, point=True), order=order))
    assert points.controls[0].lon_deg < first.lon_deg, "half a pixel to the west"


def test_a_tiff_that_does_not_say_where_asks_for_points() -> None:
    assert "control points" in geotiff.read(tiff(4, 3)).why
    unknown = geotiff.read(
        tiff(4, 3, (33550, 12, [1, 1, 0]), (33922, 12, [0, 0, 0, 1, 1, 0]), geokeys(2154, True))
    )
    assert "EPSG 2154 is not understood" in unknown.why
    assert unknown.controls == ()


@given(st.binary(max_size=200), st.integers(0, 200))
def test_bytes_of_others_never_raise_anything_else(noise: bytes, cut: int) -> None:
    whole = tiff(4, 3, (33550, 12, [1, 1, 0]))
    for data in (noise, b"II*\0" + noise, whole[:cut], whole[:cut] + noise):
        for what in (geotiff.read, images.form_of, lambda d: images.size_of(d, "jpeg")):
            try:
                what(data)
            except PlanRefused:
                pass


def test_a_jpeg_that_lies_on_its_side() -> None:
    exif = b"Exif\0\0" + tiff(1, 1, (274, 3, [6]))
    app1 = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    frame = b"\xff\xc2" + struct.pack(">HBHH", 17, 8, 30, 40) + bytes(12)
    assert images.size_of(b"\xff\xd8" + frame, "jpeg") == (40, 30)
    assert images.size_of(b"\xff\xd8" + app1 + frame, "jpeg") == (30, 40)


# --- over HTTP -----------------------------------------------------------------------------------------------------


def enter(ask: Any, state: HubState, role: Role = Role.COMMANDER, agency: str = "", *sees: str) -> None:
    name = f"{role.value}-{agency}"
    token = state.sign_in.new_token(name, role)
    if agency:
        state.sign_in.people.set(name, role, agency, list(sees), "")
    assert ask("POST", "/api/v1/session", json={"token": token}).status_code == 200


@pytest.fixture
def commander(ask: Any, state: HubState) -> Any:
    enter(ask, state)
    return ask


def upload(ask: Any, data: bytes, **query: Any) -> Any:
    return ask("POST", "/api/v1/plans", params={"name": "二层", **query}, content=data)


def test_a_plan_is_put_in_placed_seen_and_deleted(commander: Any, state: HubState) -> None:
    made = upload(commander, png(400, 300), level=2, site="医院", source="基建科").json()
    assert (made["level"], made["width_px"], made["height_px"], made["placed"]) == (2, 400, 300, None)
    place_at = f"/api/v1/plans/{made['id']}"
    points = [turned(0.1, 20, x, y) for x, y in ((0, 0), (400, 0), (400, 300))]
    controls = [{k: getattr(p, k) for k in ("x_px", "y_px", "lon_deg", "lat_deg")} for p in points]
    answer = commander(
        "PUT", place_at, json={"name": "二层", "site": "医院", "level": 2, "controls": controls}
    )
    assert answer.json()["placed"]["method"] == "affine"
    assert answer.json()["placed"]["turn_deg"] == pytest.approx(20, abs=0.05)
    picture = commander("GET", f"{place_at}/image")
    assert (picture.content, picture.headers["content-type"]) == (png(400, 300), "image/png")
    message = next(iter(state.safety.plans.changes()))(None)  # type: ignore[arg-type]
    assert (message["k"], message["plans"][0]["id"]) == ("plan", made["id"])

    again = Plans(state.safety.plans._ground)
    again.load()
    assert again.plans == state.safety.plans.plans, "as after a restart"

    assert commander("DELETE", place_at).status_code == 204
    assert commander("GET", f"{place_at}/image").status_code == 404
    assert list((again._folder).iterdir()) == []
    assert next(iter(state.safety.plans.changes()))(None)["gone"] == [made["id"]]  # type: ignore[index, arg-type]
    said = [str(row[3]) for row in state.registry.records()]
    assert [what for what in said if what.startswith("plan")] == ["plan added", "plan placed", "plan deleted"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<svg onload=alert(1)>", "21 bytes that are no PNG, JPEG, PDF or TIFF"),
        (b"", "0 bytes"),
        (b"II+\0" + bytes(30), "BigTIFF"),
        (png(8_193, 1), "8193 × 1 pixels, at most 8192"),
        (b"\xff\xd8\xff\xe0", "JPEG without its size"),
    ],
)
def test_what_is_no_plan(commander: Any, data: bytes, words: str) -> None:
    refused = upload(commander, data)
    assert refused.status_code == 422
    assert words in refused.json()["detail"]


def test_only_who_draws_zones_places_plans(ask: Any, state: HubState) -> None:
    enter(ask, state, Role.MEMBER)
    assert upload(ask, png(4, 4)).status_code == 403
    assert ask("GET", "/api/v1/plans").json() == {"plans": []}
    assert ask("PUT", "/api/v1/drawings/abcdefgh", json=point()).status_code == 403


def test_a_pdf_without_the_extra_is_refused_in_words(commander: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "missing", lambda form: ["pypdfium2"] if form == "pdf" else [])
    refused = upload(commander, b"%PDF-1.7 and more")
    assert refused.status_code == 422
    assert "needs pypdfium2" in refused.json()["detail"]
    assert "zhantu[plans]" in refused.json()["detail"]


def pdf(width: int, height: int) -> bytes:
    """One page with a black square in its upper left corner."""
    drawn = f"0 0 0 rg 0 {height - 10} 10 10 re f".encode()
    parts = [
        b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 {width} {height}]/Contents 4 0 R>>".encode(),
        b"<</Length %d>>stream\n%s\nendstream" % (len(drawn), drawn),
    ]  # fmt: skip
    out, places = b"%PDF-1.4\n", []
    for i, part in enumerate(parts, 1):
        places.append(len(out))
        out += b"%d 0 obj%s endobj\n" % (i, part)
    table = b"".join(b"%010d 00000 n \n" % at for at in places)
    return (
        out
        + b"xref\n0 5\n0000000000 65535 f \n"
        + table
        + b"trailer<</Size 5/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % len(out)
    )


def test_a_pdf_and_a_geotiff_become_pictures(commander: Any) -> None:
    pytest.importorskip("pypdfium2", reason="the extra `plans` is not installed")
    image = pytest.importorskip("PIL.Image")
    made = upload(commander, pdf(180, 90)).json()
    assert (made["from_form"], made["form"]) == ("pdf", "png")
    assert (made["width_px"], made["height_px"]) == (500, 250), "200 dots an inch"
    drawn = image.open(io.BytesIO(commander("GET", f"/api/v1/plans/{made['id']}/image").content)).convert("L")
    assert [drawn.getpixel(at) for at in ((5, 5), (250, 125))] == [0, 255]
    assert "page 2 of 1" in upload(commander, pdf(180, 90), page=2).json()["detail"]
    assert "cannot be drawn" in upload(commander, b"%PDF-1.4 nothing").json()["detail"]
    scale, tie = (33550, 12, [0.5, 0.5, 0.0]), (33922, 12, [0, 0, 0, 444_500.0, 3_688_500.0, 0])
    lies = upload(commander, tiff(20, 10, scale, tie, geokeys(32638, True))).json()
    assert lies["placed"]["corners"][0] == pytest.approx([44.40363, 33.33424], abs=1e-5)
    assert lies["note"] == ""
    assert "control points" in upload(commander, tiff(20, 10)).json()["note"]


# --- drawings ------------------------------------------------------------------------------------------------------


def point(words: str = "集结点", **over: Any) -> dict[str, Any]:
    said = {"kind": "point", "words": words, **over.pop("properties", {})}
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [LON, LAT]},
        "properties": said,
        **over,
    }


def test_a_drawing_is_made_once_changed_and_put_back(commander: Any, state: HubState) -> None:
    at = "/api/v1/drawings/abcdefgh-1"
    made = commander("PUT", at, json=point(rev=0)).json()
    assert (made["properties"]["rev"], made["properties"]["by"]) == (1, "commander-")
    assert commander("PUT", at, json=point(rev=0)).json() == made, "asked again: nothing new"
    assert commander("PUT", at, json=point("改", rev=1)).json()["properties"]["rev"] == 2
    late = commander("PUT", at, json=point("迟", rev=1))
    assert late.status_code == 409
    assert "changed by commander- meanwhile (now 2)" in late.json()["detail"]
    assert commander("DELETE", f"{at}?rev=1").status_code == 409
    gone = commander("DELETE", f"{at}?rev=2").json()
    assert gone["properties"]["words"] == "改"
    assert commander("DELETE", at).status_code == 404
    assert "deleted meanwhile" in commander("PUT", at, json=point("迟", rev=2)).json()["detail"]
    assert commander("PUT", at, json=point(rev=0)).status_code == 200
    again = drawings.Drawings(state.safety.drawings._ground)
    again.load()
    assert again.drawings == state.safety.drawings.drawings, "as after a restart"
    said = [str(row[3]) for row in state.registry.records() if "drawing" in str(row[3])]
    assert said == ["drawing kept", "drawing kept", "drawing deleted", "drawing kept"]


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"properties": {"kind": "line"}}, "line with Point: LineString is needed"),
        ({"properties": {"kind": "rings"}}, "rings need radii_m"),
        ({"properties": {"kind": "sector", "radii_m": [5]}}, "one radius, from_deg and to_deg"),
        (
            {
                "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1]]]},
                "properties": {"kind": "area"},
            },
            "begins and ends at the same place",
        ),
        (
            {
                "geometry": {"type": "LineString", "coordinates": [[0, 0]] * 2_001},
                "properties": {"kind": "line"},
            },
            "at most 2000",
        ),
        ({"geometry": {"type": "Point", "coordinates": [0, 95]}}, "less than or equal to 85"),
        ({"properties": {"words": "x" * 201}}, "at most 200"),
        ({"properties": {"colour": "red"}}, "Extra inputs"),
    ],
)
def test_wrong_drawings(commander: Any, over: dict[str, Any], words: str) -> None:
    refused = commander("PUT", "/api/v1/drawings/abcdefgh", json=point(**over))
    assert refused.status_code == 422
    assert words in refused.json()["detail"]


def test_there_is_a_bound(commander: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawings, "DRAWINGS_MAX", 1)
    assert commander("PUT", "/api/v1/drawings/abcdefgh", json=point()).status_code == 200
    refused = commander("PUT", "/api/v1/drawings/abcdefgi", json=point())
    assert (refused.status_code, refused.json()["detail"]) == (409, "1 drawings stand; delete one")
    assert commander("PUT", "/api/v1/drawings/abcdefgh", json=point("改")).status_code == 200
    monkeypatch.setattr(drawings, "POINTS_TOTAL_MAX", 1)
    line = {"type": "LineString", "coordinates": [[0, 0], [1, 1]]}
    more = commander(
        "PUT", "/api/v1/drawings/abcdefgh", json=point(geometry=line, properties={"kind": "line"})
    )
    assert "1 points stand" in more.json()["detail"]


@pytest.fixture
def loop() -> Iterator[None]:
    with asyncio.Runner() as runner:
        runner.get_loop()
        yield


def heard(state: HubState, viewer: Viewer) -> list[dict[str, Any]]:
    out = []
    while (data := state.feed.next_message(viewer)) is not None:
        message = msgpack.unpackb(data)
        if message["k"] in ("drawing", "plan"):
            out.append(message)
    return out


def told(state: HubState) -> None:
    for make in state.safety.drawings.changes():
        state.feed.say_seen(make)


def test_the_feed_tells_each_agency_its_own(bench: Any, state: HubState, loop: None) -> None:
    def viewer(agency: str, *sees: str) -> Viewer:
        made = Viewer(Principal("李", Role.COMMANDER, agency, sees, "", "s", ALLOWED[Role.COMMANDER], 2**50))
        state.feed.join(made)
        heard(state, made)
        return made

    fire, mine, everyone = viewer("消防"), viewer("矿山"), viewer("", "*")
    part = state.safety.drawings

    def draw(id: str, agency: str, words: str = "") -> None:
        wanted = drawings.Drawing(
            id, "point", {"type": "Point", "coordinates": [LON, LAT]}, words, "dot", "plain", (), None, None,
            agency, "李", 1, 0,
        )  # fmt: skip
        part.told(id, part.next_of(wanted, None, everyone.principal)[0])

    draw("all-1", "")
    draw("fire-1", "消防")
    told(state)
    ids = [[d["id"] for m in heard(state, v) for d in m["drawings"]] for v in (fire, mine, everyone)]
    assert ids == [["all-1", "fire-1"], ["all-1"], ["all-1", "fire-1"]]
    draw("all-1", "消防", "now ours")
    told(state)
    assert [[m["gone"] for m in heard(state, v)] for v in (fire, mine, everyone)] == [[[]], [["all-1"]], [[]]]
    part.told("fire-1", None)
    told(state)
    assert [[m["gone"] for m in heard(state, v)] for v in (fire, mine, everyone)] == [
        [["fire-1"]], [], [["fire-1"]],
    ]  # fmt: skip
    late = Viewer(fire.principal)
    state.feed.join(late)
    assert [d["id"] for m in heard(state, late) for d in m["drawings"]] == ["all-1"]


def test_many_drawings_are_told_in_few_messages(state: HubState) -> None:
    part = state.safety.drawings
    for i in range(drawings.TOLD * 2 + 1):
        geometry = {"type": "Point", "coordinates": [LON, LAT]}
        part.drawings[str(i)] = drawings.Drawing(
            str(i), "point", geometry, "", "dot", "plain", (), None, None, "", "李", 1, 1
        )
    me = Principal("李", Role.MEMBER, "", ("*",), "", "s", frozenset({Permission.PICTURE}), 2**50)
    sizes = [len(m["drawings"]) for m in part.greeting(me)]
    assert sizes == [200, 200, 1]
    assert json.dumps(list(part.greeting(me)))


def test_a_plan_may_be_large_and_nothing_else_may(commander: Any) -> None:
    large = png(400, 300) + bytes(2_000_000)
    assert upload(commander, large).status_code == 200
    assert commander("PUT", "/api/v1/drawings/abcdefgh", content=large).status_code == 413
    assert commander("POST", "/api/v1/plans", headers={"Content-Length": "20971521"}).status_code == 413


def test_of_two_at_once_one_was_faster(commander: Any) -> None:
    async def both() -> list[int]:
        transport = httpx.ASGITransport(commander.app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1:8600", cookies=commander.jar
        ) as http:
            asked = [http.put("/api/v1/drawings/abcdefgh", json=point(word, rev=0)) for word in ("一", "二")]
            return sorted(answer.status_code for answer in await asyncio.gather(*asked))

    assert asyncio.run(both()) == [200, 409]

"""Base maps: files, folders, another server's tiles with and without that server, and what is declared of them."""

import json
import sqlite3
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from hub import settings
from hub.cli import main
from hub.errors import SettingsError
from hub.identity.permissions import Role
from hub.maps.cache import Kept, TileCache
from hub.maps.declared import BaseMap, of_file, one
from hub.maps.grid import tile_at
from hub.maps.proxy import RETRY_MS
from hub.state import HubState
from protocols.units import MS_PER_DAY

KEY = "s3cret-of-tianditu"


def png(grey: int, side: int = 1) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = (b"\0" + bytes([grey]) * side) * side
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def mbtiles(path: Path, form: str = "png", **tiles: bytes) -> Path:
    """An MBTiles file; a tile is named `t_z_x_row`, its row counted from the south as the format has it."""
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE metadata (name text, value text)")
    db.execute("CREATE TABLE tiles (zoom_level int, tile_column int, tile_row int, tile_data blob)")
    told = {"format": form, "bounds": "116.5,36,118,37.5", "attribution": "© 测绘"}
    db.executemany("INSERT INTO metadata VALUES (?, ?)", list(told.items()))
    for name, body in tiles.items():
        db.execute("INSERT INTO tiles VALUES (?, ?, ?, ?)", [*map(int, name.split("_")[1:]), body])
    db.commit()
    db.close()
    return path


def pmtiles(path: Path, version: int = 3, kind: int = 1, body: bytes = bytes(500)) -> Path:
    head = bytearray(127)
    head[:8] = b"PMTiles" + bytes([version])
    head[99:102] = bytes([kind, 3, 14])
    struct.pack_into("<4i", head, 102, 1_165_000_000, 360_000_000, 1_180_000_000, 375_000_000)
    path.write_bytes(bytes(head) + body)
    return path


class TileServer:
    """A tile server on loopback. `say(path)` gives status, headers, body; `asked` is what came."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.conditions: list[str] = []
        self.say: Callable[[str], tuple[int, dict[str, str], bytes]] = lambda _: (
            200,
            {"ETag": '"1"'},
            png(9),
        )
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                outer.conditions.append(self.headers.get("If-None-Match", ""))
                status, headers, body = outer.say(self.path)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                return None

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(5)


@pytest.fixture
def server() -> Iterator[TileServer]:
    made = TileServer()
    yield made
    made.stop()


@pytest.fixture
def viewer(ask: Any, state: HubState) -> Iterator[Any]:
    """Somebody who sees the picture."""
    ask("POST", "/api/v1/session", json={"token": state.sign_in.new_token("李", Role.MEMBER)})
    yield ask
    state.safety.maps.close()


def web(server: TileServer, **over: Any) -> BaseMap:
    table = {
        "id": "web",
        "url": f"http://127.0.0.1:{server.port}/t/{{z}}/{{x}}/{{y}}.png?tk={{key}}",
        "key": KEY,
    }
    return one({**table, **over}, "hub.toml, basemap 1", Path("/"))


def open_web(state: HubState, server: TileServer, **over: Any) -> None:
    maps = state.safety.maps
    maps.cache = TileCache(maps.cache._root, 1_000_000)
    maps.open([web(server, **over)])


# --- files ---------------------------------------------------------------------------------------------------------


def test_mbtiles_rows_are_turned_and_facts_are_the_file_s(
    viewer: Any, state: HubState, tmp_path: Path
) -> None:
    file = mbtiles(tmp_path / "泰山 a.mbtiles", t_2_1_0=png(1), t_3_6_4=png(2))
    state.safety.maps.open([of_file(str(file))])
    told = viewer("GET", "/api/v1/maps").json()["maps"][0]
    assert (told["id"], told["name"], told["form"], told["kind"]) == ("a", "泰山 a", "mbtiles", "raster")
    assert (told["min_zoom"], told["max_zoom"], told["bounds"]) == (2, 3, [116.5, 36, 118, 37.5])
    assert (told["reachable"], told["failing"], told["attribution"]) == (True, "", "© 测绘")
    got = viewer("GET", "/maps/a/3/6/3")
    assert (got.status_code, got.content, got.headers["content-type"]) == (200, png(2), "image/png")
    assert viewer("GET", "/maps/a/2/1/3").content == png(1)
    again = viewer("GET", "/maps/a/3/6/3", headers={"If-None-Match": got.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    for nothing in ("/maps/a/3/6/4", "/maps/a/9/0/0"):
        assert viewer("GET", nothing).status_code == 204


def test_vector_tiles_keep_their_gzip(viewer: Any, state: HubState, tmp_path: Path) -> None:
    packed = zlib.compressobj(wbits=31)
    body = packed.compress(b"\x1a\x02layer") + packed.flush()
    state.safety.maps.open([of_file(str(mbtiles(tmp_path / "v.mbtiles", "pbf", t_1_0_0=body)))])
    got = viewer("GET", "/maps/v/1/0/1")
    assert got.headers["content-encoding"] == "gzip"
    assert got.headers["content-type"] == "application/x-protobuf"
    assert got.content == b"\x1a\x02layer"
    assert viewer("GET", "/api/v1/maps").json()["maps"][0]["kind"] == "vector"


@pytest.mark.parametrize(("tms", "row"), [(False, 3), (True, 4)])
def test_a_folder_of_tiles(viewer: Any, state: HubState, tmp_path: Path, tms: bool, row: int) -> None:
    (tmp_path / "plan" / "3" / "6").mkdir(parents=True)
    (tmp_path / "plan" / "3" / "6" / f"{row}.png").write_bytes(png(7))
    (tmp_path / "secret.png").write_bytes(png(8))
    state.safety.maps.open([replace(of_file(str(tmp_path / "plan")), tms=tms)])
    assert viewer("GET", "/maps/plan/3/6/3").content == png(7)
    for path in (
        "/maps/plan/3/6/..%2f..%2f..%2fsecret",
        "/maps/plan/3/..%2f..%2fsecret/1",
        "/maps/plan/3/6/-1",
        "/maps/plan/3/6/9",
        "/maps/plan/99999999999999999999/1/1",
        "/maps/plan/3/6/16777216",
        "/maps/plan/25/1/1",
        "/maps/..%2fplan/3/6/3",
        "/maps/PLAN/3/6/3",
        "/maps/none/3/6/3",
    ):
        assert viewer("GET", path).status_code in (404, 422), path


def test_a_pmtiles_archive_is_read_by_ranges(viewer: Any, state: HubState, tmp_path: Path) -> None:
    file = pmtiles(tmp_path / "sd.pmtiles")
    state.safety.maps.open([of_file(str(file))])
    whole = file.read_bytes()
    part = viewer("GET", "/maps/sd.pmtiles", headers={"Range": "bytes=0-126"})
    assert (part.status_code, part.content) == (206, whole[:127])
    assert part.headers["content-range"] == f"bytes 0-126/{len(whole)}"
    tail = viewer(
        "GET", "/maps/sd.pmtiles", headers={"Range": "bytes=600-", "If-Range": part.headers["etag"]}
    )
    assert (tail.status_code, tail.content) == (206, whole[600:])
    assert viewer("GET", "/maps/sd.pmtiles", headers={"Range": "bytes=9999-"}).status_code == 416
    assert viewer("GET", "/maps/sd.pmtiles").content == whole
    told = viewer("GET", "/api/v1/maps").json()["maps"][0]
    assert (told["kind"], told["min_zoom"], told["max_zoom"], told["bounds"]) == (
        "vector", 3, 14, [116.5, 36.0, 118.0, 37.5],
    )  # fmt: skip
    assert viewer("GET", "/maps/none.pmtiles").status_code == 404


def test_maps_need_the_picture(ask: Any) -> None:
    for path in ("/maps/a/1/0/0", "/maps/a.pmtiles", "/api/v1/maps"):
        assert ask("GET", path).status_code == 401


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: pmtiles(p / "a.pmtiles", version=2), "PMTiles version 2, 3 is understood"),
        (lambda p: pmtiles(p / "a.pmtiles", kind=9), "tile type 9"),
        (lambda p: _written(p / "a.pmtiles", b"hello"), "does not begin as a PMTiles archive"),
        (lambda p: _written(p / "a.mbtiles", b"hello" * 400), "a.mbtiles: file is not a database"),
        (lambda p: mbtiles(p / "a.mbtiles"), "there is no tile in it"),
        (
            lambda p: mbtiles(p / "a.mbtiles", t_1_0_0=b"<html>no key"),
            "its tiles are no raster tiles",
        ),
        (lambda p: _folder(p / "a"), "no tile z/x/y"),
        (lambda p: _written(p / "a.tif", b"II"), "a .pmtiles or .mbtiles file or a folder of z/x/y"),
    ],
)
def test_what_cannot_be_read_is_told_and_the_others_go_on(
    viewer: Any, state: HubState, tmp_path: Path, make: Callable[[Path], Path], words: str
) -> None:
    good = mbtiles(tmp_path / "good.mbtiles", t_1_0_0=png(3))
    state.safety.maps.open([of_file(str(make(tmp_path))), of_file(str(good))])
    bad, fine = viewer("GET", "/api/v1/maps").json()["maps"]
    assert words in bad["failing"]
    assert (bad["reachable"], fine["reachable"]) == (False, True)
    refused = viewer("GET", "/maps/a/1/0/1")
    assert refused.status_code == 503
    assert words in refused.json()["detail"]
    assert viewer("GET", "/maps/good/1/0/1").content == png(3)
    assert any(words in note for note in state.safety.maps.notes())


def _written(path: Path, body: bytes) -> Path:
    path.write_bytes(body)
    return path


def _folder(path: Path) -> Path:
    (path / "3").mkdir(parents=True)
    return path


# --- another server ------------------------------------------------------------------------------------------------


def test_tiles_are_asked_for_once_with_the_key_and_kept(
    viewer: Any, state: HubState, server: TileServer, caplog: pytest.LogCaptureFixture
) -> None:
    open_web(state, server)
    for _ in range(3):
        got = viewer("GET", "/maps/web/5/26/12")
        assert (got.status_code, got.content) == (200, png(9))
        assert "max-age=86400" in got.headers["cache-control"]
    assert server.asked == [f"/t/5/26/12.png?tk={KEY}"]
    everything = viewer("GET", "/api/v1/maps").text + caplog.text + repr(state.safety.maps.shelved)
    everything += str(state.safety.maps.notes()) + repr(dict(got.headers))
    assert KEY not in everything


def test_without_the_server_what_is_kept_is_given_and_called_old(
    viewer: Any, state: HubState, server: TileServer, clock: Any
) -> None:
    open_web(state, server)
    viewer("GET", "/maps/web/5/26/12")
    fetched_ms = clock.now
    clock.now += 31 * MS_PER_DAY
    server.stop()
    viewer("POST", "/api/v1/session", json={"token": state.sign_in.new_token("李", Role.MEMBER)})
    old = viewer("GET", "/maps/web/5/26/12")
    assert (old.status_code, old.content) == (200, png(9))
    assert old.headers["x-zhantu-old-since"] == str(fetched_ms)
    assert "max-age=0" in old.headers["cache-control"]
    never = viewer("GET", "/maps/web/5/26/13")
    assert never.status_code == 503
    assert "this tile was never kept" in never.json()["detail"]
    told = viewer("GET", "/api/v1/maps").json()["maps"][0]
    assert (told["reachable"], told["failing_since_ms"], told["t_ok_ms"]) == (False, clock.now, fetched_ms)
    assert "refused" in told["failing"].lower()
    assert KEY not in never.text + str(told)


def test_an_outage_ends(viewer: Any, state: HubState, server: TileServer, clock: Any) -> None:
    open_web(state, server, fresh_days=0)
    well, server.say = server.say, lambda _: (503, {}, b"down")
    assert viewer("GET", "/maps/web/5/26/12").status_code == 503
    server.say = well
    assert viewer("GET", "/maps/web/5/26/12").status_code == 503, "left alone for a while"
    assert len(server.asked) == 1
    clock.now += RETRY_MS
    assert viewer("GET", "/maps/web/5/26/12").content == png(9)
    assert viewer("GET", "/api/v1/maps").json()["maps"][0]["reachable"]


def test_a_kept_tile_is_asked_for_again_by_its_etag(
    viewer: Any, state: HubState, server: TileServer, clock: Any
) -> None:
    open_web(state, server)
    viewer("GET", "/maps/web/5/26/12")
    clock.now += 31 * MS_PER_DAY
    server.say = lambda _: (304, {}, b"")
    viewer("POST", "/api/v1/session", json={"token": state.sign_in.new_token("李", Role.MEMBER)})
    assert viewer("GET", "/maps/web/5/26/12").content == png(9)
    assert server.conditions == ["", '"1"']
    viewer("GET", "/maps/web/5/26/12")
    assert len(server.asked) == 2, "it is fresh again"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ((403, {}, b""), "HTTP 403"),
        ((200, {}, b"<html>wrong key"), "no raster tile"),
        ((200, {}, png(1) + bytes(5_000_000)), "more than 4194304 bytes"),
        ((302, {"Location": f"http://198.51.100.7/x?tk={KEY}"}, b""), "198.51.100.7, which is not asked"),
        ((302, {"Location": "file:///etc/passwd"}, b""), "HTTP 302"),
    ],
)
def test_what_a_server_may_not_do(
    viewer: Any, state: HubState, server: TileServer, said: tuple[int, dict[str, str], bytes], words: str
) -> None:
    open_web(state, server)
    server.say = lambda _: said
    refused = viewer("GET", "/maps/web/5/26/12")
    assert refused.status_code == 503
    assert words in refused.json()["detail"]
    assert KEY not in refused.text


def test_a_redirect_on_the_same_host_is_followed(viewer: Any, state: HubState, server: TileServer) -> None:
    open_web(state, server)
    server.say = lambda path: (
        (302, {"Location": "/there.png"}, b"") if path.startswith("/t/") else (200, {}, png(5))
    )
    assert viewer("GET", "/maps/web/5/26/12").content == png(5)


def test_that_there_is_no_tile_is_remembered(viewer: Any, state: HubState, server: TileServer) -> None:
    open_web(state, server)
    server.say = lambda _: (404, {}, b"")
    for _ in range(2):
        assert viewer("GET", "/maps/web/5/26/12").status_code == 204
    assert len(server.asked) == 1


def test_a_slow_server_is_given_up(viewer: Any, state: HubState, server: TileServer) -> None:
    gate = threading.Event()

    def wait(_: str) -> tuple[int, dict[str, str], bytes]:
        gate.wait(10)
        return 200, {}, png(1)

    open_web(state, server, timeout_s=1)
    server.say = wait
    try:
        assert "no answer in time" in viewer("GET", "/maps/web/5/26/12").json()["detail"]
    finally:
        gate.set()


def test_rows_and_names_of_servers(server: TileServer) -> None:
    from hub.maps.proxy import Proxy

    url = "http://{s}.example/{z}/{x}/{-y}"
    made = one({"url": url, "subdomains": ["t0", "t1"]}, "x", Path("/"))
    proxy = Proxy(made, "raster", TileCache(Path("/none"), 1), lambda: 0)
    assert proxy._address(3, 2, 1) == "http://t1.example/3/2/6"
    assert proxy._address(3, 2, 2) == "http://t0.example/3/2/5"


def test_the_cache_keeps_what_was_used_last_within_its_bytes(tmp_path: Path) -> None:
    body = png(1) + bytes(900)
    cache = TileCache(tmp_path / "cache", 4_500)
    for x in range(4):
        cache.put(("m-1", 9, x, 0), Kept(body, "", x), 1_000_000 * x)
    assert cache.get(("m-1", 9, 0, 0), 9_000_000_000) == Kept(body, "", 0)
    cache.put(("m-1", 9, 4, 0), Kept(body, "", 4), 9_000_000_000)
    left = [x for x in range(5) if cache.get(("m-1", 9, x, 0), 9_000_000_000)]
    assert left == [0, 2, 3, 4]
    assert cache.bytes <= 4_500
    again = TileCache(tmp_path / "cache", 2_500)
    again.load()
    kept = [x for x in range(5) if again.get(("m-1", 9, x, 0), 9_000_000_000)]
    assert len(kept) == 2
    assert len(list((tmp_path / "cache").glob("*/*/*/*"))) == 2
    (tmp_path / "cache" / "m-1" / "9" / str(kept[0]) / "0").write_bytes(b"not json")
    assert again.get(("m-1", 9, kept[0], 0), 0) is None


# --- declared ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"fil": "a"}, "unknown key 'fil', did you mean 'file'?"),
        ({}, "file or url is needed, and not both"),
        ({"url": "ftp://h/{z}/{x}/{y}"}, "http(s)://HOST/…"),
        ({"url": "http://{x}.evil/{z}/{x}/{y}"}, "http(s)://HOST/…"),
        ({"url": "http://u:p@h/{z}/{x}/{y}"}, "http(s)://HOST/…"),
        ({"url": "http://{s}.h/{z}/{x}/{y}"}, "http(s)://HOST/…"),
        ({"url": "http://h/{z}/{x}"}, "{y} or {-y} is needed"),
        ({"url": "http://h/{z}/{y}"}, "{x} is missing"),
        ({"url": "http://h/{z}/{x}/{y}?tk={key}"}, "key or key_file is needed"),
        ({"url": "http://h/{z}/{x}/{y}?tk={key}", "key": "a b"}, "letters, digits"),
        ({"url": "http://h/{z}/{x}/{y}", "key_file": "none.key"}, "key_file none.key: No such file"),
        ({"file": "a", "crs": "gcj-02"}, "allowed are wgs84, gcj02, bd09"),
        ({"file": "a", "crs": "gcj02", "kind": "vector"}, "raster only"),
        ({"file": "a", "min_zoom": 9, "max_zoom": 3}, "min_zoom = 9 is above max_zoom = 3"),
        ({"file": "a", "max_zoom": 40}, "0–24 allowed"),
        ({"file": "a", "bounds": [1, 2, 3]}, "[west, south, east, north]"),
        ({"file": "a", "id": "../x"}, "a–z, 0–9 and -"),
        ({"file": "a", "name": "长" * 301}, "at most 300"),
    ],
)
def test_wrong_declarations(table: dict[str, Any], words: str, tmp_path: Path) -> None:
    (tmp_path / "hub.toml").write_text(
        "[[basemap]]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in table.items())
    )
    with pytest.raises(SettingsError) as err:
        settings.load(tmp_path / "hub.toml", {})
    assert words in str(err.value)
    assert "hub.toml, basemap 1" in str(err.value)


def test_a_declaration_is_read_with_its_key_file(tmp_path: Path) -> None:
    (tmp_path / "t.key").write_text(f"{KEY}\n")
    (tmp_path / "hub.toml").write_text(
        '[[basemap]]\nname = "影像"\nid = "img"\nurl = "http://h/{z}/{x}/{y}?tk={key}"\nkey_file = "t.key"\n'
        'approval = "GS(2024)0650号"\n[[basemap]]\nfile = "a.pmtiles"\n'
    )
    pmtiles(tmp_path / "b.pmtiles")
    made = settings.load(tmp_path / "hub.toml", {"basemap": [str(tmp_path / "b.pmtiles")]}).basemap
    assert [one.id for one in made] == ["b", "img", "a"]
    assert made[1].key == KEY
    assert KEY not in repr(made)
    assert made[2].file == str(tmp_path / "a.pmtiles")
    with pytest.raises(SettingsError, match="two are called 'b'"):
        settings.load(None, {"basemap": [str(tmp_path / "b.pmtiles")] * 2})
    with pytest.raises(SettingsError, match="no such file or folder"):
        settings.load(None, {"basemap": ["none.pmtiles"]})


def test_the_command_checks_each(
    tmp_path: Path, server: TileServer, capsys: pytest.CaptureFixture[str]
) -> None:
    mbtiles(tmp_path / "a.mbtiles", t_1_0_0=png(3))
    base = ["maps", "check", "--data", str(tmp_path), "--json"]
    (tmp_path / "hub.toml").write_text('[[basemap]]\nfile = "a.mbtiles"\n')
    assert main(base) == 0
    assert json.loads(capsys.readouterr().out)["maps"][0]["max_zoom"] == 1
    url = f'[[basemap]]\nid = "w"\nurl = "http://127.0.0.1:{server.port}/{{z}}/{{x}}/{{y}}?{{key}}"\nkey = "{KEY}"\n'
    (tmp_path / "hub.toml").write_text('[[basemap]]\nfile = "gone.mbtiles"\n' + url)
    assert main(base) == 1
    gone, there = json.loads(capsys.readouterr().out)["maps"]
    assert (gone["why"], there["why"]) == ("gone.mbtiles: there is no such file", "")
    server.stop()
    assert main(base[:-1]) == 1
    said = capsys.readouterr()
    assert "bad w" in said.out
    assert KEY not in said.out + said.err


def test_the_grid() -> None:
    assert tile_at(117.0, 36.65, 10) == (844, 399)
    assert tile_at(-180, 89.9, 3) == (0, 0)
    assert tile_at(180, -89.9, 3) == (7, 7)

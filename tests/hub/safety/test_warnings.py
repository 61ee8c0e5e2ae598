"""Warnings of others: what the files say, what stands, by what ways they come."""

from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.identity.people import ACTIVE, Person
from hub.identity.permissions import Role
from hub.safety import cap, gbt35965, warnings_door
from hub.safety.bulletin import BYTES_MAX, Bulletin, BulletinError, bulletin_of
from hub.safety.warnings import Warnings
from hub.safety.warnings_book import WarningBook
from hub.safety.warnings_places import load
from hub.safety.warnings_shapes import shapes
from hub.state import HubState

NOW = 1_795_000_000_000
CAP = """<?xml version="1.0" encoding="UTF-8"?>
<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>{id}</identifier><sender>w@example.cn</sender>
<sent>{sent}</sent><status>Actual</status><msgType>{kind}</msgType><scope>Public</scope>{refs}
<info><language>en-US</language><category>Met</category><event>Rain</event><urgency>Expected</urgency>
<severity>Minor</severity><certainty>Likely</certainty><headline>Rain</headline></info>
<info><language>zh-CN</language><category>Met</category><event>暴雨</event><urgency>Expected</urgency>
<severity>Severe</severity><certainty>Likely</certainty><expires>2036-11-24T20:00:00+08:00</expires>
<headline>暴雨橙色预警</headline><area><areaDesc>城区</areaDesc>
<polygon>36.6,117.0 36.7,117.0 36.7,117.1 36.6,117.0</polygon><circle>36.5,117.0 2.5</circle></area></info></alert>"""
SENT = "2026-11-18T08:00:00+08:00"
NATIONAL = """<?xml version="1.0" encoding="{encoding}"?><alert><identifier>37010041600000_20261118083000_0</identifier>
<sender>济南市气象台</sender><senderCode>37010041600000</senderCode><sendTime>2026-11-18 08:30:00+08:00</sendTime>
<status>Actual</status><msgType>Alert</msgType><scope>Public</scope><secClassification>None</secClassification>
<references/><info><language>zh-CN</language><eventType>11B03</eventType><severity>{severity}</severity>
<senderName>张三</senderName><headline>济南市气象台发布暴雨红色预警</headline><expires/>
<area><areaDesc>济南市</areaDesc><polygon/><circle/><geocode>370100000000,370102</geocode></area></info></alert>"""


def text(id: str = "A", kind: str = "Alert", refs: str = "", sent: str = SENT) -> bytes:
    return CAP.format(
        id=id, kind=kind, sent=sent, refs=f"<references>{refs}</references>" if refs else ""
    ).encode()


def test_cap_in_chinese_with_its_areas() -> None:
    made = cap.read(text())
    assert (made.zh, made.en, made.colour, made.event) == ("暴雨橙色预警", "Rain", "orange", "暴雨")
    assert made.sent_utc_ms == 1_794_960_000_000
    assert made.areas[0].polygons[0][0] == (117.0, 36.6)
    assert made.areas[0].circles == ((117.0, 36.5, 2_500.0),)
    assert made.not_understood == ()


@pytest.mark.parametrize("encoding", ["utf-8", "gb2312", "GB18030"])
@pytest.mark.parametrize(
    ("severity", "colour"), [("Red", "red"), ("Blue", "blue"), ("黄色", "yellow"), ("", "red")]
)
def test_the_national_form(encoding: str, severity: str, colour: str) -> None:
    made = cap.read(NATIONAL.format(encoding=encoding, severity=severity).encode(encoding))
    assert (made.form, made.sender, made.sender_name, made.colour) == (
        "gbt35965", "37010041600000", "济南市气象台", colour,
    )  # fmt: skip
    assert made.sent_utc_ms == 1_794_961_800_000
    assert made.areas[0].codes == ("370100000000", "370102")
    found, words = shapes(made, load())
    assert found
    assert words == ["area code '370102': shown as the whole city 370100"]


def test_the_national_form_in_json_is_the_same() -> None:
    said = (
        '{"alert":{"identifier":"37010041600000_20261118083000_0","sender":"台","senderCode":"37010041600000",'
        '"status":"Actual","msgType":"Cancel","references":"37010041600000_20261118080000_0"}}'
    )
    made = cap.read(said.encode())
    assert made.sent_utc_ms == 1_794_961_800_000, "of the identifier, Beijing time"
    assert made.references[0].identifier == "37010041600000_20261118080000_0"


@pytest.mark.parametrize(
    ("id", "number"),
    [("37010041600000_20261118083000_0", 0), ("37010041600000_20261118083000", None), ("x", -1),
     ("37010041600000_20260230083000_0", -1), ("3701004160000_20261118083000_0", -1)],
)  # fmt: skip
def test_identifiers(id: str, number: int | None) -> None:
    found = gbt35965.parse_id(id)
    assert (found.number if found else -1) == number


LAUGHS = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (f'<!DOCTYPE alert [<!ENTITY l0 "lol">{LAUGHS}]><alert>&l9;</alert>'.encode(), "DTD"),
        (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><alert>&x;</alert>', "DTD"),
        (b'<!DOCTYPE a SYSTEM "http://127.0.0.1/x.dtd"><alert/>', "DTD"),
        (b"<alert>" + b"<a>" * 40, "within one another"),
        (b"<alert>" + b"<a/>" * 30_000 + b"</alert>", "elements"),
        (b" " * (BYTES_MAX + 1), "at most"),
        (b"", "xml"),
        (b"<rss/>", "alert"),
        (b"[1]", "a map is needed"),
        (b"[" * 100_000, "json"),
        (text().replace(b"08:00:00+08:00</sent>", b"08:00:00</sent>"), "sent"),
        (text(kind="Ack"), "msgType"),
    ],
)
def test_what_is_refused_says_why(data: bytes, words: str) -> None:
    with pytest.raises(BulletinError, match=words):
        cap.read(data)


@given(
    st.one_of(st.binary(max_size=300), st.text(max_size=300).map(lambda s: f"<alert>{s}</alert>".encode()))
)
def test_any_bytes_are_a_bulletin_or_a_clear_refusal(data: bytes) -> None:
    try:
        cap.read(data)
    except BulletinError as err:
        assert str(err)


@given(st.integers(0, len(text())), st.integers(0, 255))
def test_a_file_with_one_wrong_byte_too(at: int, byte: int) -> None:
    data = text()
    try:
        assert isinstance(cap.read(data[:at] + bytes([byte]) + data[at + 1 :]), Bulletin)
    except BulletinError as err:
        assert str(err)


@pytest.mark.parametrize("data", [text(), text("B", "Update", f"w@example.cn,A,{SENT}")])
def test_what_is_written_reads_back_equal(data: bytes) -> None:
    made = cap.read(data)
    assert cap.read(cap.write(made)) == made
    assert bulletin_of(made.as_dict()) == made


ALERT = cap.read(text())
UPDATE = cap.read(text("B", "Update", f"w@example.cn,A,{SENT}"))
CANCEL = cap.read(text("C", "Cancel", f"w@example.cn,B,{SENT}"))


@given(st.permutations([ALERT, UPDATE, CANCEL, ALERT]))
def test_the_order_of_coming_does_not_matter(order: list[Bulletin]) -> None:
    book = WarningBook()
    for bulletin in order:
        book.take(bulletin, "test", "", NOW)
    assert {w.bulletin.identifier: w.state(NOW) for w in book} == {
        "A": "replaced",
        "B": "cancelled",
        "C": "told",
    }


def test_only_its_own_sender_ends_a_warning_and_time_does() -> None:
    book = WarningBook()
    book.take(ALERT, "test", "", NOW)
    book.take(
        cap.read(text("C", "Cancel", f"w@example.cn,A,{SENT}").replace(b"<sender>w", b"<sender>x")),
        "t",
        "",
        NOW,
    )
    (alert,) = [w for w in book if w.bulletin.identifier == "A"]
    assert alert.state(NOW) == "standing"
    assert ALERT.expires_utc_ms is not None
    assert alert.state(ALERT.expires_utc_ms) == "over"


class Zones:
    """As the part sees them."""

    def __init__(self) -> None:
        self.drawn: dict[str, int] = {}

    def put_warning(self, warned: Any, shapes: Any, now_ms: int) -> None:
        self.drawn[warned.id] = len(shapes)

    def end_warning(self, warned_id: str) -> None:
        del self.drawn[warned_id]

    def units_in_warning(self, warned_id: str) -> list[int]:
        return [0]


@pytest.fixture
def part(state: HubState) -> Warnings:
    zones = Zones()
    made = Warnings(state.safety.warnings._ground, zones)
    made.load()
    return made


def test_a_warning_is_drawn_calls_and_ends(part: Warnings, bench: Any) -> None:
    part.take(ALERT, "test", "", bench.clock())
    part._draw(bench.clock())
    assert list(part._zones.drawn.values()) == [2]  # type: ignore[union-attr]
    (condition,) = part.conditions(bench.clock())
    assert condition.units == (bench.units.rows[0].id,)
    assert "暴雨橙色预警" in condition.zh
    (make,) = part.changes()
    assert make(None)["state"] == "standing"  # type: ignore[arg-type, index]
    part.take(cap.read(text("C", "Cancel", f"w@example.cn,A,{SENT}")), "test", "", bench.clock())
    part._draw(bench.clock())
    assert part._zones.drawn == {}  # type: ignore[union-attr]
    assert part.conditions(bench.clock()) == []
    part.keep()
    again = Warnings(part._ground)
    again.load()
    assert {w.id: w.state(bench.clock()) for w in again.book} == {
        w.id: w.state(bench.clock()) for w in part.book
    }


def test_files_of_the_folder(part: Warnings, bench: Any, tmp_path: Path) -> None:
    inside = tmp_path / "warnings" / "in"
    inside.mkdir(parents=True)
    (inside / "a.xml").write_bytes(text())
    (inside / "b.xml").write_bytes(b"<no")
    (inside / "c.xml.part").write_bytes(text("P"))
    part.ask(bench.clock())
    part.ask(bench.clock())
    part._take_came(bench.clock())
    part.keep()
    assert [p.name for p in (tmp_path / "warnings" / "done").iterdir()] == ["a.xml"]
    reason = (tmp_path / "warnings" / "refused" / "b.xml.reason.txt").read_text()
    assert "xml" in reason
    assert [p.name for p in inside.iterdir()] == ["c.xml.part"]
    assert len(part.book) == 1


def test_feeds_of_the_settings_and_one_that_fails(tmp_path: Path) -> None:
    path = tmp_path / "warnings.toml"
    path.write_text('[[feed]]\nname = "n"\nurl = "http://127.0.0.1:9/x"\n')
    (source,) = warnings_door.sources(path)
    assert warnings_door.poll(source, NOW) == []
    assert (source.failing_since_ms, source.due_ms) == (NOW, NOW + 60_000)
    warnings_door.poll(source, NOW + 60_000)
    assert source.failing_since_ms == NOW, "since when, not since the last try"
    for wrong, words in (
        ("urll = 1", "did you mean 'url'"),
        ('url = "file:///etc"', "http"),
        ("url = 5", "http"),
    ):
        path.write_text(f"[[feed]]\n{wrong}\n")
        with pytest.raises(Exception, match=words):
            warnings_door.sources(path)


class Page(BaseHTTPRequestHandler):
    """An index of two documents, one of them broken; then a server that speaks no HTTP."""

    asked: list[tuple[str, str | None]] = []  # noqa: RUF012 -- of one test

    def do_GET(self) -> None:
        Page.asked.append((self.path, self.headers["If-None-Match"]))
        if self.path == "/odd":
            self.wfile.write(b"no http at all\r\n\r\n")
            return
        pages = {
            "/a": text(),
            "/b": b"<no",
            "/index": b"""<feed xmlns="http://www.w3.org/2005/Atom">
            <entry><link href="a"/></entry><entry><link href="/b"/></entry>
            <entry><link href="http://localhost.invalid/c"/></entry></feed>""",
        }
        same = self.headers["If-None-Match"] == "e1"
        self.send_response(304 if same else 200)
        self.send_header("ETag", "e1")
        self.end_headers()
        if not same:
            self.wfile.write(pages[self.path])

    def log_message(self, *_: object) -> None:
        return


def test_an_index_is_asked_once_for_each_document() -> None:
    Page.asked.clear()
    server = HTTPServer(("127.0.0.1", 0), Page)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        at = f"http://127.0.0.1:{server.server_port}"
        source = warnings_door.Source("n", f"{at}/index")
        assert [came.bulletin for came in warnings_door.poll(source, NOW)] == [ALERT]
        assert "/b" in source.why, "what is broken is named, and the rest goes on"
        assert warnings_door.poll(source, NOW) == []
        assert Page.asked == [("/index", None), ("/a", None), ("/b", None), ("/index", "e1")]
        odd = warnings_door.Source("o", f"{at}/odd")
        assert warnings_door.poll(odd, NOW) == []
        assert odd.failing_since_ms == NOW
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_routes(state: HubState, ask: Any, bench: Any) -> None:
    state.sign_in.accounts.put(Person("Li", Role.COMMANDER, "", ("*",), "A", ACTIVE), "test", 1)
    began = state.sign_in.sign_in(state.sign_in.new_token("Li"))
    assert began is not None
    cookie = {"Cookie": f"zhantu={began.cookie}"}
    answer = ask("POST", "/api/v1/warnings", content=text(), headers=cookie)
    assert answer.status_code == 200, answer.text
    id = answer.json()["warning"]["id"]
    assert answer.json()["new"] is True
    assert ask("POST", "/api/v1/warnings", content=text(), headers=cookie).json()["new"] is False
    listed = ask("GET", "/api/v1/warnings", headers=cookie).json()
    assert [f["geometry"]["type"] for f in listed["features"]] == ["MultiPolygon"]
    assert cap.read(ask("GET", f"/api/v1/warnings/{id}.cap", headers=cookie).content) == ALERT
    assert ask("GET", f"/api/v1/warnings/{id}", headers=cookie).json()["text"] == text().decode()
    assert ask("POST", "/api/v1/warnings", content=b"\x00", headers=cookie).status_code == 422
    body = {
        "colour": "red",
        "event": "山洪",
        "zh": "山洪",
        "until_utc_ms": bench.clock() + 1,
        "codes": ["370100"],
    }
    assert ask("POST", "/api/v1/warnings/issue", json=body, headers=cookie).json()["warning"]["geometry"]
    body["until_utc_ms"] = bench.clock()
    assert ask("POST", "/api/v1/warnings/issue", json=body, headers=cookie).status_code == 422
    assert ask("POST", f"/api/v1/warnings/{id}/end", json={"why": "雨停"}, headers=cookie).status_code == 200
    assert ask("POST", f"/api/v1/warnings/{id}/end", json={"why": "雨停"}, headers=cookie).status_code == 409
    whats = [record[3] for record in state.registry.records()]
    assert {"warning taken in", "warning issued", "warning ended"} <= {str(what) for what in whats}

"""Stations: mappings, rows that can and cannot be read, thresholds, drafts, and the ways they come by."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import cli
from hub.errors import SettingsError
from hub.identity.people import ACTIVE, Person
from hub.identity.permissions import Role
from hub.safety import stations_map, stations_read, stations_rules, stations_ways
from hub.safety.stations import READINGS_A_LOOK, Stations
from hub.safety.stations_book import SILENT_MS, Book
from hub.safety.stations_map import Source
from hub.safety.stations_read import FUTURE_MS, Reading
from hub.safety.warnings_drafts import DAY_MS, Exceeded
from hub.state import HubState

NOW = 1_795_000_000_000
SAMPLE = Path(stations_map.__file__).parent / "sample_stations.toml"
MAPPING = """
[[source]]
name = "hydro"
kind = "hydrology"
{way}
stale_s = 900
{more}
[source.station]
id = "STCD"
name = "STNM"
lat = "LAT"
lon = "LON"
[source.time]
column = "TM"
format = "%Y-%m-%d %H:%M:%S"
[[source.quantity]]
name = "level"
zh = "水位"
en = "Level"
column = "Z"
unit = "m"
least = -100
most = 9000
{limits}
"""
CSV = "STCD,STNM,TM,Z,LAT,LON\n41800100,黄台桥,2026-11-18 19:{minute:02d}:00,{z},36.71,117.06\n"
"""NOW is 19:06:40 in Beijing."""


def source(way: str = 'csv = "hydro.csv"', limits: str = "threshold = 23.0", more: str = "") -> Source:
    return stations_map.read("t", MAPPING.format(way=way, limits=limits, more=more)).sources[0]


def take(text: str | bytes, made: Source | None = None, topic: str = "") -> stations_read.Taken:
    data = text.encode() if isinstance(text, str) else text
    return stations_read.take(made or source(), data, NOW, topic)


# --- mappings ----------------------------------------------------------------------------------------------


def test_the_sample_is_current_and_whole() -> None:
    made = stations_map.load(SAMPLE)
    assert [s.way for s in made.sources] == ["csv", "url", "mqtt"]
    assert made.rules[0].needs == ("rain_1h", "level")
    text = SAMPLE.read_text() + "json = "
    for key in (*stations_map._SOURCE, *stations_map._QUANTITY, *stations_map._RULE, *stations_map._TIME):
        assert f"{key} = " in text or f"source.{key}]" in text, key


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("kind =", "kindd =", "unknown key 'kindd', did you mean 'kind'"),
        ('csv = "hydro.csv"', "", "exactly one of csv, json, url, mqtt"),
        ('csv = "hydro.csv"', 'url = "file:///etc/passwd"', "http"),
        ('csv = "hydro.csv"', 'mqtt = "a/#/b"', "a topic"),
        ('csv = "hydro.csv"', 'mqtt = "a"\nbroker = "here"', "host:port"),
        ('kind = "hydrology"', 'kind = "fish"', "weather, hydrology"),
        ("least = -100", "least = 1e6", "1000000"),
        ("threshold = 23.0", "thresholds = { red = 1.0, blue = 2.0 }", "from red to blue they must fall"),
        ("threshold = 23.0", 'threshold = "high"', "a number of"),
        ("threshold = 23.0", 'threshold = 1.0\nthreshold_column = "W"', "only one of"),
        ('format = "%Y-%m-%d %H:%M:%S"', 'format = "iso"\nzone = "Moon/Base"', "such as \\+08:00"),
        ("stale_s = 900", 'encoding = "base64"', "such as utf-8"),
        ('id = "STCD"', "", "id = 'None'"),
        ("[[source]]", "[[source", "t: "),
    ],
)  # fmt: skip
def test_a_wrong_mapping_says_where(before: str, after: str, words: str) -> None:
    text = MAPPING.format(way='csv = "hydro.csv"', limits="threshold = 23.0", more="")
    assert before in text
    with pytest.raises(SettingsError, match=words):
        stations_map.read("t", text.replace(before, after, 1))


def test_a_rule_names_what_is_measured() -> None:
    text = MAPPING.format(way='csv = "h.csv"', limits="", more="")
    rule = '[[rule]]\nname = "r"\nneeds = ["level", "rain"]\nwithin_km = 20\nwithin_min = 60\n'
    with pytest.raises(SettingsError, match="quantities of level are needed"):
        stations_map.read("t", text + rule)


# --- rows --------------------------------------------------------------------------------------------------


def test_a_row_becomes_a_reading() -> None:
    (one,) = take(CSV.format(minute=5, z="23.41")).readings
    assert one == Reading("41800100", "黄台桥", 36.71, 117.06, "level", 23.41, None, NOW - 100_000)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_encodings_delimiters_and_factors(encoding: str) -> None:
    made = source(more=f'encoding = "{encoding}"\ndelimiter = ";"', limits="factor = 0.01\noffset = 1.0")
    (one,) = take(CSV.format(minute=5, z="2341").replace(",", ";").encode(encoding), made).readings
    assert (one.name, one.value) == ("黄台桥", pytest.approx(24.41))


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [
        ("1,a,2026-11-18 19:05:00,high,,", "Z", "'high' is no number"),
        ("1,a,2026-11-18 19:05:00,nan,,", "Z", "'nan' is no number"),
        ("1,a,2026-11-18 19:05:00,1e400,,", "Z", "is no number"),
        ("1,a,2026-11-18 19:05:00,1_0,,", "Z", "is no number"),
        ("1,a,2026-11-18 19:05:00,99999,,", "Z", "99999 is absurd, -100–9000 m allowed"),
        ("1,a,2026-11-18 19:30:00,1,,", "TM", "23 min ahead of the hub: not believed"),
        ("1,a,yesterday,1,,", "TM", "'yesterday' is no time"),
        ("1,a,1900-11-18 19:30:00,1,,", "TM", "before 1970"),
        (",a,2026-11-18 19:05:00,1,,", "STCD", "names no station"),
        ("1,a,2026-11-18 19:05:00,1,361,117", "LAT", "361 is no place"),
    ],
)
def test_what_cannot_be_read_says_row_and_column(row: str, column: str, words: str) -> None:
    made = take("STCD,STNM,TM,Z,LAT,LON\n2,b,2026-11-18 19:05:00,5,,\n" + row + "\n")
    (bad,) = made.bad
    assert (bad.row, bad.column) == (3, column)
    assert words in bad.words
    assert "2" in {r.station for r in made.readings}, "the others go on"


def test_missing_is_not_wrong_and_a_site_gives_the_place() -> None:
    made = source(
        more='missing = ["", "-9999"]\n[[source.site]]\nid = "1"\nname = "桥"\nlat = 36.5\nlon = 117.0'
    )
    taken = take("STCD,STNM,TM,Z\n1,,2026-11-18 19:05:00,-9999\n1,,2026-11-18 19:06:00,5\n", made)
    assert (taken.absent, taken.bad) == (1, [])
    (one,) = taken.readings
    assert (one.name, one.lat_deg) == ("桥", 36.5)


def test_gcj02_is_moved() -> None:
    made = stations_map.read("t", MAPPING.format(way='csv = "h.csv"', limits="", more="").replace(
        'lat = "LAT"', 'lat = "LAT"\ncrs = "gcj02"')).sources[0]  # fmt: skip
    (one,) = take("STCD,STNM,TM,Z,LAT,LON\n1,a,2026-11-18 19:05:00,5,36.6685847,117.0030503\n", made).readings
    assert (one.lat_deg, one.lon_deg) == (
        pytest.approx(36.66833, abs=1e-6),
        pytest.approx(116.99722, abs=1e-6),
    )


def test_json_by_paths() -> None:
    text = """
[[source]]
name = "rain"
json = "r.json"
rows = "data.list"
[source.station]
id = "s.code"
[source.time]
column = "at"
format = "unix_s"
[[source.quantity]]
name = "rain"
column = "v.0"
"""
    made = stations_map.read("t", text).sources[0]
    rows = [
        {"s": {"code": 7}, "at": NOW // 1000, "v": [3.5]},
        "x",
        {"s": {"code": "8"}, "at": True, "v": [1]},
    ]
    taken = take(json.dumps({"data": {"list": rows}}), made)
    assert [(r.station, r.value) for r in taken.readings] == [("7", 3.5)]
    assert [(b.row, b.column) for b in taken.bad] == [(2, ""), (3, "at")]
    for bad, words in (("[" * 5_000, "json"), ('{"data": 1}', "nothing at 'data.list'"), ("\udcff", "utf-8")):
        with pytest.raises(stations_read.ReadError, match=words):
            take(bad.encode(errors="surrogateescape"), made)


def test_the_columns_must_be_there() -> None:
    with pytest.raises(stations_read.ReadError, match="no column 'Z'; there are STCD, TM"):
        take("STCD,TM\n1,2\n")


CSV_SOURCE = source()
JSON_SOURCE = source('json = "x.json"')
VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["STCD", "TM", "Z", "LAT"]), inner),
    max_leaves=12,
)  # fmt: skip


HEAD = b"STCD,STNM,TM,Z,LAT,LON\n"


@given(st.one_of(st.binary(max_size=400), st.text(max_size=300).map(lambda s: HEAD + s.encode())))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for made in (CSV_SOURCE, JSON_SOURCE):
        try:
            taken = stations_read.take(made, data, NOW)
        except stations_read.ReadError as err:
            assert str(err)
        else:
            assert all(-100 <= r.value <= 9000 and r.t_utc_ms <= NOW + FUTURE_MS for r in taken.readings)


@given(st.lists(VALUES, max_size=6))
def test_any_json_is_read_or_refused(rows: list[Any]) -> None:
    taken = stations_read.take(JSON_SOURCE, json.dumps(rows).encode(), NOW)
    assert taken.rows == len(rows)


# --- what it means -----------------------------------------------------------------------------------------


def reading(value: float, t_ms: int = NOW, station: str = "1", limit: float | None = None) -> Reading:
    return Reading(station, "黄台桥", 36.71, 117.06, "level", value, limit, t_ms)


def test_a_threshold_begins_and_ends_by_the_times_of_the_readings() -> None:
    made = source(
        limits="thresholds = { blue = 20.0, orange = 23.0 }\ndeadband = 0.5\non_s = 600\noff_s = 600"
    )
    book = Book()
    seen = []
    for i, value in enumerate([23.1, 23.2, 23.2, 22.7, 22.7, 22.4, 22.4, 19.0, 19.0]):
        book.take(made, reading(value, NOW + i * 600_000), NOW)
        (station,) = book
        seen.append(station.values["level"].over)
    assert seen == ["", "orange", "orange", "orange", "orange", "blue", "blue", "", ""], (
        "an orange one leaves below 22.5 after ten minutes"
    )


def test_an_older_value_changes_nothing_and_a_silent_one_is_told_for_a_day() -> None:
    book = Book()
    book.take(source(), reading(24.0), NOW)
    book.take(source(), reading(1.0, NOW - 1), NOW)
    (condition,) = book.conditions(NOW)
    assert (condition.key, condition.kind, condition.priority) == ("stations:hydro:1:level", "station", 3)
    assert condition.zh == "黄台桥：水位 24 m ≥ 23（黄色）"
    assert book.older == 1
    assert len(book.conditions(NOW + SILENT_MS)) == 1
    assert book.conditions(NOW + SILENT_MS + 1) == []


def test_the_rows_own_threshold_and_falling_ones() -> None:
    book, made = Book(), source(limits='threshold_column = "WRZ"\ndirection = "below"')
    book.take(made, reading(5.0, limit=6.0), NOW)
    book.take(made, reading(5.5, NOW + 1), NOW)  # this row brings none: the last one holds
    (station,) = book
    value = station.values["level"]
    assert (value.over, value.limit) == ("yellow", 6.0)
    book.take(made, reading(7.0, NOW + 2, limit=6.0), NOW)
    assert value.over == ""


def test_a_restart_forgets_no_exceedance() -> None:
    made = source(limits="threshold = 23.0\ndeadband = 2.0")
    book = Book()
    for t, value in ((NOW, 24.0), (NOW + 1, 22.0)):
        book.take(made, reading(value, t), NOW)
    kept = json.loads(json.dumps(book.kept("hydro:1")))
    again = Book()
    assert again.restore("hydro:1", kept, {"hydro": made})
    (station,) = again
    assert (station.values["level"].over, station.message()) == ("yellow", next(iter(book)).message())
    assert not again.restore("hydro:1", kept, {}), "its source is in the mapping no more"


# --- drafts ------------------------------------------------------------------------------------------------

RULE = stations_map.Rule("flood", "雨量与水位", "Rain and level", ("rain", "level"), 20_000, 3_600_000, "")


def exceeded(
    station: str, quantity: str, lat: float = 36.7, t_ms: int = NOW, colour: str = "yellow"
) -> Exceeded:
    return Exceeded(station, "hydrology", quantity, 9.0, 5.0, "m", colour, "s", t_ms, lat, 117.0)


def test_what_coincides_is_one_draft_and_what_does_not_is_none() -> None:
    near = [
        exceeded("a", "rain"),
        exceeded("b", "level", 36.75, NOW - 1_000, "orange"),
        exceeded("c", "rain", 36.8),
    ]
    (draft,) = stations_rules.drafts([RULE], near, [], NOW)
    assert (draft.colour, {e.station for e in draft.inputs}, draft.rule) == (
        "orange",
        {"a", "b", "c"},
        "flood",
    )
    assert 5_500 < draft.radius_m < 6_500
    for far in (
        [exceeded("a", "rain"), exceeded("b", "level", 36.95)],
        [exceeded("a", "rain"), exceeded("b", "level", t_ms=NOW - 3_600_001)],
        [exceeded("a", "rain"), exceeded("b", "rain")],
    ):
        assert stations_rules.drafts([RULE], far, [], NOW) == []


def test_what_a_person_decided_is_not_asked_again() -> None:
    both = [exceeded("a", "rain"), exceeded("b", "level")]
    (draft,) = stations_rules.drafts([RULE], both, [], NOW)
    (same,) = stations_rules.drafts([RULE], [*both, exceeded("c", "level")], [draft], NOW + 1)
    assert same.id == draft.id, "an open one grows"
    decided = replace(draft, state="dismissed", t_by_ms=NOW)
    assert stations_rules.drafts([RULE], both, [decided], NOW + 60_000) == []
    graver = [exceeded("a", "rain", colour="red"), both[1]]
    for news in (graver, [*both, exceeded("c", "level")]):
        (other,) = stations_rules.drafts([RULE], news, [decided], NOW + 60_000)
        assert other.id != draft.id
    later = [replace(e, t_utc_ms=NOW + DAY_MS) for e in both]
    assert len(stations_rules.drafts([RULE], later, [decided], NOW + DAY_MS)) == 1


# --- ways --------------------------------------------------------------------------------------------------


def test_a_file_counts_once_it_is_whole_and_again_when_it_changes(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.csv").write_text("1")
    (folder / "b.txt").write_text("no")
    files = stations_ways.Files(folder, ".csv")
    assert files.ask() == ([], True)
    assert files.ask() == ([(b"1", "a.csv")], False)
    assert files.ask() == ([], False)
    (folder / "a.csv").write_text("12")
    assert files.ask() == ([], True)
    assert files.ask() == ([(b"12", "a.csv")], False)
    growing = stations_ways.Files(folder, ".csv")
    told = []
    for i in range(stations_ways.UNSETTLED_MAX + 1):
        (folder / "a.csv").write_text("1" * (10 + i))
        told += growing.ask()[0]
    assert len(told) == 1, "one that never rests is read all the same"
    with pytest.raises(stations_ways.WayError, match="No such file"):
        stations_ways.Files(tmp_path / "none.csv", ".csv").ask()


class Service(BaseHTTPRequestHandler):
    """Answers, leads elsewhere, and is too large."""

    asked: list[dict[str, str]] = []  # noqa: RUF012 -- of one test

    def do_GET(self) -> None:
        Service.asked.append(dict(self.headers))
        if self.headers["If-None-Match"] == "e1":
            self.send_response(304)
            self.end_headers()
            return
        to = {"/away": "http://127.0.0.2:1/x", "/here": "/data", "/file": "file:///etc/passwd"}.get(self.path)
        self.send_response(302 if to else 200)
        for name, value in (("Location", to), ("ETag", "e1")):
            if value and (to is None or name == "Location"):
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"x" * (stations_read.BYTES_MAX + 1) if self.path == "/large" else b'{"a": 1}')

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def service() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Service)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    Service.asked.clear()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_page_is_asked_with_its_key_and_leads_nowhere_else(service: str, tmp_path: Path) -> None:
    key = tmp_path / "keys"
    key.write_text("X-Key: secret\n")
    made = source(f'url = "{service}/here?area=1"', more='headers_file = "keys"')
    page = stations_ways.Page(made, tmp_path)
    with pytest.raises(stations_ways.WayError, match="others may read it"):
        page.ask()
    key.chmod(0o600)
    assert page.ask() == ([(b'{"a": 1}', f"{service}/here")], False)
    assert page.ask() == ([], False), "as it was"
    assert {headers["X-Key"] for headers in Service.asked} == {"secret"}
    n = len(Service.asked)
    for path, words in (
        ("/away", "another host"),
        ("/file", "another host|HTTP 302"),
        ("/large", "more than"),
    ):
        with pytest.raises(stations_ways.WayError, match=words):
            stations_ways.Page(source(f'url = "{service}{path}"'), tmp_path).ask()
    assert len(Service.asked) == n + 3
    with pytest.raises(stations_ways.WayError, match=r"refused|Connection"):
        stations_ways.Page(source('url = "http://127.0.0.1:9/x"'), tmp_path).ask()


# --- the part ----------------------------------------------------------------------------------------------


@pytest.fixture
def part(state: HubState, tmp_path: Path) -> Iterator[Callable[..., Stations]]:
    made: list[Stations] = []

    def make(text: str) -> Stations:
        (tmp_path / "stations.toml").write_text(text)
        one = Stations(state.safety.alarms._ground, state.safety.warnings.drafts, state.safety.alarms.tell)
        one.load()
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()


def until_read(part: Stations, now_ms: int, looks: int = 3) -> None:
    """Looks, with the threads done between them."""
    for i in range(looks):
        part.look(now_ms + i * 1_000)
        for supply in part.supplies:
            if supply.asking is not None:
                supply.asking.result(5)


TWO = (
    MAPPING.format(way='csv = "hydro.csv"', limits="threshold = 23.0", more="")
    + MAPPING.format(way='csv = "rain.csv"', limits="threshold = 20.0", more="").replace('"hydro"', '"rain"').replace(
        '"level"', '"rain_1h"')
    + '[[rule]]\nname = "flood"\nneeds = ["level", "rain_1h"]\nwithin_km = 20\nwithin_min = 60\n'
)  # fmt: skip


def test_from_a_file_to_an_alarm_a_draft_and_the_screen(
    part: Callable[..., Stations], state: HubState, bench: Any, tmp_path: Path
) -> None:
    made = part(TWO)
    (tmp_path / "hydro.csv").write_text(CSV.format(minute=5, z="23.41") + "9,x,2026-11-18 19:05:00,?,,\n")
    (tmp_path / "rain.csv").write_text(CSV.format(minute=6, z="31"))
    until_read(made, bench.clock())
    made.look(bench.clock() + 3_000)
    state.safety.alarms.book.look(bench.clock() + 3_000)
    assert {a.kind for a in state.safety.alarms.open()} >= {"station"}
    (draft,) = state.safety.warnings.drafts.all()
    assert (draft.rule, draft.state, len(draft.inputs)) == ("flood", "open", 2)
    messages = [make(None) for make in made.changes()]  # type: ignore[arg-type]
    (level,) = [m for m in messages if m and m["source"] == "hydro"]
    assert level["values"] == [{
        "name": "level", "zh": "水位", "en": "Level", "value": 23.41, "unit": "m", "threshold": 23.0, "over": True,
        "colour": "yellow", "t": NOW - 100_000,
    }]  # fmt: skip
    assert (level["lat"], level["lon"], level["stale_s"], level["kind"]) == (36.71, 117.06, 900, "hydrology")
    hydro = made.supplies[0]
    assert (hydro.refused, hydro.bad[0][1].row, hydro.bad[0][1].column) == (1, 3, "Z")
    made.keep()
    again = part(TWO)
    assert {s.id for s in again.book} == {"hydro:41800100", "rain:41800100"}
    assert again.greeting(None) == made.greeting(None)  # type: ignore[arg-type]


def test_a_source_that_fails_is_told_and_the_others_go_on(
    part: Callable[..., Stations], bench: Any, tmp_path: Path
) -> None:
    made = part(TWO)
    (tmp_path / "rain.csv").write_bytes(b"\xff\xfe\x00garbage")
    until_read(made, bench.clock())
    made.look(bench.clock() + 3_000)
    assert [s.failing_since_ms is not None for s in made.supplies] == [True, True]
    assert "No such file" in made.supplies[0].why
    assert "utf-8" in made.supplies[1].why
    assert len(made.notes()) == 2
    (tmp_path / "rain.csv").write_text(CSV.format(minute=6, z="31"))
    until_read(made, bench.clock() + 100_000)
    made.look(bench.clock() + 104_000)
    assert made.supplies[1].failing_since_ms is None


def test_a_whole_day_at_once_is_taken_in_steps(
    part: Callable[..., Stations], bench: Any, tmp_path: Path
) -> None:
    made = part(TWO)
    lines = "".join(f"{i},n,2026-11-18 19:05:00,1,,\n" for i in range(READINGS_A_LOOK + 10))
    (tmp_path / "hydro.csv").write_text("STCD,STNM,TM,Z,LAT,LON\n" + lines)
    until_read(made, bench.clock())
    made.look(bench.clock() + 3_000)
    assert len(made.supplies[0].waiting) == 10
    made.look(bench.clock() + 4_000)
    assert len(made.supplies[0].waiting) == 0
    assert made.book.left_out > 0, "more stations than are kept are counted"


def test_a_broken_mapping_stops_nothing(part: Callable[..., Stations], bench: Any) -> None:
    made = part("[[source")
    made.look(bench.clock())
    assert "stations.toml" in made.notes()[0]


def test_the_routes(
    part: Callable[..., Stations],
    state: HubState,
    bench: Any,
    tmp_path: Path,
    as_observer: Callable[..., Any],
) -> None:
    (tmp_path / "stations.toml").write_text(TWO)
    (tmp_path / "hydro.csv").write_text(CSV.format(minute=5, z="23.41") + "1,a,2026-11-18 19:05:00,x,,\n")
    real = state.safety.stations
    real.load()
    until_read(real, bench.clock())
    real.look(bench.clock() + 3_000)
    said = as_observer("GET", "/api/v1/stations").json()
    assert said["features"][0]["geometry"]["coordinates"] == [117.06, 36.71]
    assert len(as_observer("GET", "/api/v1/stations?over=true").json()["features"]) == 1
    hydro, rain = as_observer("GET", "/api/v1/stations/sources").json()["sources"]
    assert (hydro["refused"], hydro["bad"][0]["words"]) == (1, "'x' is no number")
    assert "No such file" in rain["why"]
    real.close()


@pytest.fixture
def as_observer(state: HubState, ask: Any) -> Callable[..., Any]:
    state.sign_in.accounts.put(Person("o", Role.OBSERVER, "", ("*",), "", ACTIVE), "test", 1)
    began = state.sign_in.sign_in(state.sign_in.new_token("o"))
    assert began is not None
    return lambda method, path: ask(method, path, headers={"Cookie": f"zhantu={began.cookie}"})


def test_the_command_tries_a_mapping(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mapping = tmp_path / "stations.toml"
    mapping.write_text(TWO)
    (tmp_path / "hydro.csv").write_text(
        "STCD,STNM,TM,Z,LAT,LON\n1,桥,2026-11-18 19:05:00,24,36.7,117\n2,b,x,1,,\n"
    )
    assert cli.main(["stations", "check", str(mapping)]) == 1
    said = capsys.readouterr().out
    assert "1 桥 (36.70000 117.00000): 水位 24 m, limit yellow 23, 2026-11-18T11:05:00Z" in said
    assert "✗ row 3, column TM: 'x' is no time" in said
    assert "✗ rain.csv: No such file" in said
    sample = tmp_path / "one.csv"
    sample.write_text("STCD,STNM,TM,Z,LAT,LON\n1,桥,2026-11-18 19:05:00,24,36.7,117\n")
    assert cli.main(["stations", "check", str(mapping), "--source", "rain", "--sample", str(sample)]) == 0
    mapping.write_text("[[source]]\nnamee = 1\n")
    assert cli.main(["stations", "check", str(mapping)]) == 1
    assert "did you mean 'name'" in capsys.readouterr().err

"""Tracks: what is read, and what an error says."""

import gzip
from pathlib import Path

import pytest

from protocols.samples import FixMode
from sim.tracks import TrackError, TrackPoint, as_fix, course_cdeg, read_track

TRACKS = Path(__file__).resolve().parents[2] / "../shared/captures/tracks"
HEADER = "t_utc_s,lat_deg_e7,lon_deg_e7,alt_dm,speed_mmps,hr_bpm\n"
GPX = """<?xml version="1.0"?>
<gpx xmlns="http://www.topografix.com/GPX/1/1"><metadata><time>2020-01-01T00:00:00Z</time></metadata><trk><trkseg>
<trkpt lat="31.247950123456789" lon="-121.5"><ele>12.5</ele><time>2026-01-01T12:00:00.250Z</time>
<extensions><g:hr>120</g:hr></extensions></trkpt>
<trkpt lat="31.248" lon="-121.5"><time>2026-01-01T20:00:01+08:00</time></trkpt>
</trkseg></trk></gpx>
"""


@pytest.mark.parametrize(("name", "count"), [("cycle-shanghai-13348s", 13_348), ("run-2809s", 2_809)])
def test_real_tracks(name: str, count: int) -> None:
    if not TRACKS.is_dir():
        pytest.skip("recorded tracks are not on this machine")
    points = read_track(TRACKS / f"{name}.csv.gz")
    assert len(points) == count
    assert all(point.lat_deg_e9 is None or 0 < point.lat_deg_e9 < 60 * 10**9 for point in points)


def test_csv_with_missing_cells(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress((HEADER + "100,312534180,-1214245758,140,0,89\n101,,,,,\n").encode()))
    assert read_track(path) == [
        TrackPoint(100_000, 31_253_418_000, -121_424_575_800, 14_000, 0, 89),
        TrackPoint(101_000, None, None),
    ]


def test_gpx(tmp_path: Path) -> None:
    path = tmp_path / "t.GPX"
    path.write_text(GPX)
    first, second = read_track(path)
    assert first == TrackPoint(1_767_268_800_250, 31_247_950_123, -121_500_000_000, 12_500, None, 120)
    assert (second.t_utc_ms, second.alt_mm) == (1_767_268_801_000, None)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.csv", "a,b\n", r"t.csv:1: header 'a,b'; needed is 't_utc_s,"),
        ("t.csv", HEADER, "no points"),
        ("t.csv", HEADER + "1,2,3\n", "t.csv:2: 3 cells; needed are 6"),
        (
            "t.csv",
            HEADER + "1,2,3,4,5,6\n1,2,3,4,5,6\n",
            "t.csv:3: time 1000 ms follows 1000; times must rise",
        ),
        (
            "t.csv",
            HEADER + "1,900000001,3,4,5,6\n",
            "t.csv:2: lat_deg_e7 '900000001'; allowed are integers -9",
        ),
        ("t.csv", HEADER + "1,2.5,3,4,5,6\n", "t.csv:2: lat_deg_e7 '2.5'; allowed are integers"),
        ("t.csv", HEADER + "1,2,,4,5,6\n", "t.csv:2: only one of"),
        ("t.csv", HEADER + ",1,2,,,\n", "t.csv:2: t_utc_s is empty"),
        ("t.csv.gz", HEADER, "t.csv.gz: Not a gzipped file"),
        ("t.kml", "", r"unknown; allowed are .gpx, .csv, .csv.gz"),
        ("t.gpx", "<gpx>\n<trkpt", "t.gpx:2: "),
        ("t.gpx", GPX.replace("31.248", "91"), "t.gpx:5: lat '91'; allowed are decimal numbers within ±90"),
        ("t.gpx", GPX.replace('lat="31.248" ', ""), "t.gpx:5: a point without lat or lon"),
        (
            "t.gpx",
            GPX.replace("2026-01-01T12:00:00.250Z", "noon"),
            "t.gpx:3: time 'noon'; needed is ISO 8601",
        ),
        ("t.gpx", "<!DOCTYPE gpx [<!ENTITY a 'b'>]><gpx/>", "t.gpx:1: a DOCTYPE"),
    ],
)
def test_errors_say_where_and_what(name: str, text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(TrackError, match=message.replace("(", r"\(")):
        read_track(path)


def test_fix_of_a_point() -> None:
    here, there = TrackPoint(0, 0, 0, 0, 1_000), TrackPoint(1_000, 0, 10_000, 0, 1_000)
    assert course_cdeg(here, there) == 9_000
    assert course_cdeg(there, here) == 27_000
    assert course_cdeg(here, here) is None
    assert as_fix(there, here, 7).course_cdeg == 9_000
    assert as_fix(TrackPoint(0, 0, 0), None, 7).mode is FixMode.FIX_2D
    assert as_fix(TrackPoint(0, None, None), here, 7).mode is FixMode.NONE

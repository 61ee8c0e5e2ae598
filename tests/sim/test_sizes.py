"""Bytes a fix: every format carries the thirteen fields, and the aims hold on real tracks."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import msgpack
import pytest

from protocols import frame
from protocols.keys import MacKey
from sim import cli, sizes
from sim.sizes import RawPoint

AIM_TEN = 15.0
AIM_ONE = 75


@pytest.fixture
def synthetic():
    """A walk round a corner at 1 Hz, with holes in heart rate and altitude."""
    return [
        RawPoint(
            t_utc_ms=1_795_000_000_000 + 1_000 * i,
            lat_deg_e7=366_500_000 + 120 * min(i, 150) + i % 3,
            lon_deg_e7=1_170_000_000 + 140 * max(0, i - 150) + i % 5,
            alt_dm=300 + i // 7 if i % 50 else None,
            speed_dmps=13 + i % 2,
            heart_bpm=None if i % 90 == 7 else 90 + i // 20,
        )
        for i in range(305)
    ]


@pytest.fixture
def track_file(synthetic, tmp_path):
    path = tmp_path / "walk.csv"
    lines = ["t_utc_s,lat_deg_e7,lon_deg_e7,alt_dm,speed_mmps,hr_bpm"]
    for p in synthetic:
        cells = (p.t_utc_ms // 1_000, p.lat_deg_e7, p.lon_deg_e7, p.alt_dm, 100 * p.speed_dmps, p.heart_bpm)
        lines.append(",".join("" if cell is None else str(cell) for cell in cells))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("fixes", [1, 7, 10, 60])
def test_frames_give_every_field_of_every_fix_back(synthetic, fixes):
    points = sizes.complete(synthetic, sizes.cloudy_gas())
    packed = sizes.frames_of(points, fixes)
    assert len(packed) == len(points) // fixes
    at = 0
    for data in packed:
        decoded = frame.decode(frame.open_envelope(data, MacKey(bytes(32), "live")))
        assert decoded.envelope.device == sizes.DEVICE
        for i in range(fixes):
            point = points[at]
            assert decoded.utc_zero_ms + decoded.t_mono_ms[i] == point.t_utc_ms
            for name, bit in sizes._BIT.items():
                column = decoded.columns.get(bit, [None] * fixes)
                assert column[i] == getattr(point, name)
            at += 1


def test_the_others_carry_the_same_thirteen_fields(synthetic):
    point = sizes.complete(synthetic, sizes.restless_gas())[10]
    plain = json.loads(sizes.as_json(point))
    assert len(plain) == 13
    assert msgpack.unpackb(sizes.as_msgpack(point)) == plain
    for xml in (sizes.as_cot_minimal(point), sizes.as_cot_full(point)):
        event = ET.fromstring(xml)
        values = " ".join(value for element in event.iter() for value in element.attrib.values())
        for text in (f"{point.lat_deg_e7 / 1e7:.7f}", f"{point.lon_deg_e7 / 1e7:.7f}", str(sizes.DEVICE)):
            assert text in values
        assert event.find("detail/sensors").attrib.keys() == {"hr", "lel", "o2", "co", "h2s"}
        assert event.find("detail/track").attrib.keys() == {"course", "speed"}
        assert event.find("detail/status").get("battery") == str(point.battery_pct)


def test_the_course_is_the_tracks_own(synthetic):
    points = sizes.complete(synthetic)
    assert {point.course_deg for point in points[10:140]} <= set(range(15)) | set(range(345, 360))
    assert {point.course_deg for point in points[160:290]} <= set(range(75, 106))
    assert all(point.course_deg == points[0].course_deg for point in sizes.complete([synthetic[0]] * 5))


def test_a_small_walk_meets_the_aims(synthetic):
    result = sizes.measure("walk", synthetic, 10)
    assert result["ours"] <= AIM_TEN
    assert result["ours"] < result["ours_cloudy"] < result["ours_restless"]
    assert result["ours_one_max"] <= AIM_ONE
    assert result["ours_one_mean"] < result["msgpack"] < result["cot_minimal"] < result["cot_full"]


@pytest.mark.parametrize("name", ["run-2809s.csv.gz", "cycle-shanghai-13348s.csv.gz"])
def test_real_tracks_meet_the_aims_in_clean_air(tracks_dir, name):
    raw = sizes.read(tracks_dir / name)
    assert len(raw) > 2_000
    result = sizes.measure(name, raw, 10)
    assert result["ours"] <= AIM_TEN
    assert result["ours_one_max"] <= AIM_ONE


def test_json_has_the_documented_keys(track_file, capsys):
    assert cli.main(["sizes", str(track_file), "--json", "--speed-test"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["profile"], told["fixes"]) == ("ip", 10)
    [track] = told["tracks"]
    assert track["points"] == 305
    for key in track:
        assert f'"{key}"' in sizes.EPILOG, f"{key} is not documented in --help"
    assert track["pack_fixes_per_s"] > 0


def test_the_table_names_every_format(track_file, capsys):
    assert cli.main(["sizes", str(track_file)]) == 0
    table = capsys.readouterr().out
    for words in ("ours, 10 fixes a frame", "restless", "msgpack", "JSON", "CoT XML, full", "synthetic"):
        assert words in table


REFUSED = [
    (["--profile", "narrow"], None),
    (["--profile", "narrow", "--budget", "51,x"], "'51,x', allowed are whole numbers 24–2048"),
    (["--profile", "narrow", "--budget", "23"], "'23', allowed"),
    (["--profile", "x"], "'x', allowed: ip, narrow"),
    (["--fixes", "0"], "0, 1–240 allowed"),
    (["--fixes", "240"], None),
    (["--fixes", "306"], "306, 1–240 allowed"),
]


@pytest.mark.parametrize(("words", "told"), REFUSED)
def test_what_is_not_allowed_is_one_line(track_file, capsys, words, told):
    code = cli.main(["sizes", str(track_file), *words])
    err = capsys.readouterr().err
    assert code == (1 if told else 0)
    assert (told or "") in err
    assert err.count("\n") <= 1


def test_a_short_track_is_refused(tmp_path, capsys):
    path = tmp_path / "one.csv"
    path.write_text(
        "t_utc_s,lat_deg_e7,lon_deg_e7,alt_dm,speed_mmps,hr_bpm\n1795000000,1,1,,,\n1795000001,,,,,\n"
    )
    assert cli.main(["sizes", str(path)]) == 1
    assert "1 fixes, at least --fixes (10)" in capsys.readouterr().err
    assert cli.main(["sizes", str(path), "--fixes", "1"]) == 0


TRACKS = sorted((Path(__file__).resolve().parents[2] / "../shared/captures/tracks").glob("*.csv.gz"))


@pytest.mark.slow
@pytest.mark.skipif(not TRACKS, reason="the shared tracks are not beside this checkout")
def test_real_tracks_reach_what_the_design_promises(capsys):
    assert cli.main(["sizes", "--profile", "narrow", "--json", *map(str, TRACKS)]) == 0
    report = json.loads(capsys.readouterr().out)
    for track in report["tracks"]:
        fixes = {row["budget"]: row["fixes_median"] for row in track["budgets"]}
        assert fixes[51] >= 22
        assert fixes[78] >= 53
        assert fixes[233] >= 210
        assert track["ten_exact"] <= 10.5
        told = track["reports"]
        assert 98 <= told["messages_per_h"] <= 222
        assert told["bytes_max"] <= 63
        assert told["error_max_m"] <= told["bound_m"] == 25

"""The main job on real input: `zhantu-sim play` plays it, the unmodified agent reads it, the unit moves."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

CAPTURES = Path(__file__).resolve().parents[2] / "../shared/captures"
GPX = """<?xml version="1.0"?><gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1"><trk><trkseg>{points}
</trkseg></trk></gpx>"""


@pytest.fixture
def track(tmp_path: Path) -> Path:
    """A walk of ten minutes at one point a second, as a person's watch would have kept it."""
    points = "".join(
        f'<trkpt lat="{36.65 + i * 1e-5:.6f}" lon="117.000000"><ele>40.0</ele>'
        f"<time>2024-05-01T08:{i // 60:02d}:{i % 60:02d}Z</time></trkpt>"
        for i in range(600)
    )
    path = tmp_path / "walk.gpx"
    path.write_text(GPX.format(points=points))
    return path


@pytest.fixture
def play(start_program: Callable[..., Any], tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Starts `zhantu-sim play`; the path of its port."""

    def start(file: Path, *options: str) -> Path:
        link = tmp_path / "ports" / "r01"
        start_program("play", "sim", "play", str(file), "--as", "r01", "--link", str(link), *options)
        return link

    return start


def latitudes(hub: Any) -> list[int]:
    return [row["lat_deg_e7"] for row in hub.rows() if "lat_deg_e7" in row]


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["nmea", "ubx"])
def test_a_track_moves_the_unit(
    hub: Any, play: Callable[..., Path], track: Path, new_gateway: Callable[..., Any],
    patiently: Callable[..., Any], profile: str,
) -> None:  # fmt: skip
    port = play(track, "--profile", profile, "--speed", "5")
    new_gateway(hub, 1001, path=port).program.start()
    with hub.client() as client:
        hub.sign_in(client)
        unit = client.get("/api/v1/units").json()["units"][0]["id"]
        trail = lambda: client.get(  # noqa: E731
            f"/api/v1/units/{unit}/trail", headers={"Accept": "application/json"}
        ).json()["c"]["lat"]  # fmt: skip
        patiently(lambda: len(trail()) >= 4, "no trail on the map")
        found = trail()
    assert found == sorted(found)
    assert found[0] < found[-1]
    assert all(366_499_000 < lat < 366_570_000 for lat in found)


@pytest.mark.slow
@pytest.mark.skipif(not CAPTURES.is_dir(), reason="no recordings of real receivers at ../shared/captures")
@pytest.mark.parametrize(
    ("log", "lat_deg"), [("ublox-neo-m9n-nmea.log", None), ("ublox-zed-f9p-rtk.log", 47.129)]
)
def test_a_real_receivers_bytes_move_the_unit(
    hub: Any, play: Callable[..., Path], new_gateway: Callable[..., Any], patiently: Callable[..., Any],
    log: str, lat_deg: float | None,
) -> None:  # fmt: skip
    port = play(CAPTURES / "gpsd" / log, "--speed", "2", "--loop")
    new_gateway(hub, 1001, path=port).program.start()
    found = patiently(lambda: len(rows := latitudes(hub)) >= 3 and rows, "no position at the hub")
    if lat_deg is not None:
        assert all(abs(lat / 1e7 - lat_deg) < 0.001 for lat in found)

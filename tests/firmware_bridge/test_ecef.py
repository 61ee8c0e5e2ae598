"""Earth-centred metres to places on the globe."""

from math import cos, degrees, hypot, pi, radians, sin, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.ecef import FLATTENING, SEMI_MAJOR_M, SEMI_MINOR_M, geodetic, over_ground


def ecef(lat: float, lon: float, height_m: float) -> tuple[float, float, float]:
    """Radians and height above the ellipsoid -> metres; the closed form of the way back."""
    e2 = FLATTENING * (2 - FLATTENING)
    normal_m = SEMI_MAJOR_M / sqrt(1 - e2 * sin(lat) ** 2)
    axis_m = (normal_m + height_m) * cos(lat)
    return axis_m * cos(lon), axis_m * sin(lon), (normal_m * (1 - e2) + height_m) * sin(lat)


@pytest.mark.parametrize(
    ("x_m", "y_m", "z_m", "lat_deg", "lon_deg"),
    [
        (SEMI_MAJOR_M, 0, 0, 0, 0),
        (0, SEMI_MAJOR_M, 0, 0, 90),
        (-SEMI_MAJOR_M, 0, 0, 0, 180),
        (0, -SEMI_MAJOR_M, 0, 0, -90),
        (0, 0, SEMI_MINOR_M, 90, 0),
        (0, 0, -SEMI_MINOR_M, -90, 0),
        (4_360_950, 579_349, 4_604_562, 46.498333062, 7.567390997),  # gpsd's, of bu303-moving
    ],
)
def test_known_places(x_m: float, y_m: float, z_m: float, lat_deg: float, lon_deg: float) -> None:
    lat, lon = geodetic(x_m, y_m, z_m)
    assert (round(degrees(lat), 9), round(degrees(lon), 9)) == (lat_deg, lon_deg)


@given(st.floats(-pi / 2, pi / 2), st.floats(-pi, pi), st.floats(-16_000, 20_000_000))
def test_there_and_back_to_a_nanodegree(lat: float, lon: float, height_m: float) -> None:
    back_lat, back_lon = geodetic(*ecef(lat, lon, height_m))
    assert abs(degrees(back_lat - lat)) < 1e-9
    assert abs(degrees(back_lon - lon)) * cos(lat) < 1e-9 or abs(abs(back_lon - lon) - 2 * pi) < 1e-9


@given(st.floats(-1.5, 1.5), st.floats(-pi, pi), st.floats(-300, 300), st.floats(-300, 300))
def test_a_step_over_ground_points_where_it_went(
    lat: float, lon: float, east_m: float, north_m: float
) -> None:
    here = ecef(lat, lon, 0)
    there = ecef(lat + north_m * 1e-6, lon + east_m * 1e-6 / cos(lat), 0)
    east, north = over_ground(lat, lon, *(b - a for a, b in zip(here, there, strict=True)))
    away_m = hypot(east_m, north_m) * SEMI_MAJOR_M * 1e-6
    assert east == pytest.approx(east_m * 1e-6 * SEMI_MAJOR_M, abs=0.02 * away_m + 1e-3)
    assert north == pytest.approx(north_m * 1e-6 * SEMI_MAJOR_M, abs=0.02 * away_m + 1e-3)


def test_rising_is_no_speed_over_ground() -> None:
    lat, lon = radians(31), radians(121)
    up = ecef(lat, lon, 1000), ecef(lat, lon, 1100)
    rise = [b - a for a, b in zip(*up, strict=True)]
    assert over_ground(lat, lon, *rise) == pytest.approx((0, 0), abs=1e-6)

"""Streams that are cut, damaged, drowned or mad."""

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.drivers import DRIVERS, make_driver
from firmware_bridge.framing import UBX_PAYLOAD_SIZE_MAX
from firmware_bridge.nmea_build import build_gga, build_gst, build_rmc, build_zda
from firmware_bridge.ubx_build import build_mon_ver, build_nav_hpposllh, build_nav_pvt
from protocols.samples import Fix, FixMode, Sample

PENDING_SIZE_MAX = UBX_PAYLOAD_SIZE_MAX + 8
SIRF_FRAME = bytes.fromhex(
    "a0a20029 02 00428af9 0008d717 0046428e ffff00000000 040c02 012e025f74b4 05 08 0a04021b00000000000000 07d3b0b3"
)
NOISY_LOGS = ("neo-m8n", "ublox-neo-m9n-nmea", "unicore-um621", "st-teseo-liv4f")


def places(samples: list[Sample]) -> set[tuple[int | None, int | None, int | None]]:
    return {(s.t_utc_ms, s.lat_deg_e9, s.lon_deg_e9) for s in samples if isinstance(s, Fix) and s.mode}


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("tcp-torture", 451),
        ("beidou-gb", 3796),
        ("ublox-zed-f9p-rtk", 2000),
        ("gp-320fw-2019-04-07-coldboot", 3000),
    ],
)
def test_every_split_point(name: str, size: int, capture: Callable[[str], bytes], run: Callable) -> None:
    data = capture(name)[:size]
    whole, stats = run(data)
    for cut in range(len(data) + 1):
        parts, part_stats = run([data[:cut], data[cut:]])
        assert parts == whole, cut
        assert (part_stats.good, part_stats.bad, part_stats.skipped) == (
            stats.good,
            stats.bad,
            stats.skipped,
        ), cut


@pytest.mark.parametrize("name", ["unicore-um621", "ublox-zed-f9p-rtk", "bu303-moving", "ublox-neo-m9n-nmea"])
def test_one_byte_dribble_and_burst(name: str, capture: Callable[[str], bytes], run: Callable) -> None:
    data = capture(name)
    whole, _ = run(data)
    dribble, _ = run(data[i : i + 1] for i in range(len(data)))
    burst, _ = run(data[i : i + (1 << 16)] for i in range(0, len(data), 1 << 16))
    assert dribble == burst == whole


@pytest.mark.parametrize("name", NOISY_LOGS)
def test_flipped_bits_lose_only_their_epoch(
    name: str, capture: Callable[[str], bytes], run: Callable
) -> None:
    """A flip in GGA or RMC: counted, no other place or time appears, and at most its own epoch goes."""
    data = capture(name)
    whole, stats = run(data)
    rng = random.Random(7)
    tags = [
        i for i in range(len(data)) if data[i : i + 1] == b"$" and data[i + 3 : i + 6] in (b"GGA", b"RMC")
    ]
    for _ in range(40):
        start = rng.choice(tags)
        twin = bytearray(data)
        twin[start + rng.randrange(6, 50)] ^= 1 << rng.randrange(8)
        samples, twin_stats = run(bytes(twin))
        undated = {(None, *place[1:]) for place in places(whole)}
        assert places(samples) <= places(whole) | undated
        assert len(places(whole)) - len(places(samples)) <= 1
        assert twin_stats.bad + twin_stats.noise > stats.bad + stats.noise


def test_flipped_bits_in_ubx(capture: Callable[[str], bytes], run: Callable) -> None:
    data = capture("ublox-zed-f9p-rtk")
    whole, _ = run(data)
    rng = random.Random(8)
    for _ in range(60):
        twin = bytearray(data)
        twin[rng.randrange(len(twin))] ^= 1 << rng.randrange(8)
        samples, stats = run(bytes(twin))
        assert places(samples) <= places(whole)
        assert len(samples) >= len(whole) - 1
        assert stats.bad + stats.noise > 0


@pytest.mark.parametrize("name", NOISY_LOGS)
def test_truncated_stream_keeps_what_came_before(
    name: str, capture: Callable[[str], bytes], run: Callable
) -> None:
    data = capture(name)
    whole, _ = run(data)
    rng = random.Random(9)
    for _ in range(20):
        samples, _ = run(data[: rng.randrange(len(data))])
        assert samples[:-1] == whole[: max(0, len(samples) - 1)]


@pytest.mark.parametrize("name", NOISY_LOGS)
def test_lost_bytes_merge_lines(name: str, capture: Callable[[str], bytes], run: Callable) -> None:
    """A hole in the stream, as from an overrun: at most the epochs that it touches are gone, none is invented."""
    data = capture(name)
    whole, stats = run(data)
    rng = random.Random(10)
    for _ in range(20):
        start = rng.randrange(len(data) - 400)
        samples, twin_stats = run(data[:start] + data[start + rng.randrange(20, 400) :])
        undated = {(None, *place[1:]) for place in places(whole)}
        assert places(samples) <= places(whole) | undated
        assert len(places(whole)) - len(places(samples)) <= 2
        assert twin_stats.bad + twin_stats.noise >= stats.bad + stats.noise


def test_noise_of_64_kib_in_the_middle(capture: Callable[[str], bytes], run: Callable) -> None:
    data = capture("ublox-neo-m9n-nmea")
    whole, _ = run(data)
    middle = data.index(b"$GNRMC", len(data) // 2)
    noise = random.Random(11).randbytes(1 << 16)
    samples, stats = run(data[:middle] + noise + data[middle:])
    assert places(samples) <= places(whole)
    assert len(samples) >= len(whole) - 2
    assert stats.noise > 60_000


def test_line_ends_do_not_matter(capture: Callable[[str], bytes], run: Callable) -> None:
    data = capture("neo-m8n")
    assert run(data.replace(b"\r\n", b""))[0] == run(data)[0]


def test_false_frame_delays_and_loses_nothing(run: Callable) -> None:
    """Noise that looks like the head of a long UBX frame swallows sentences only until it is found out."""
    fixes = [
        Fix(1_767_225_600_000 + i * 1000, FixMode.FIX_3D, 10**9, 2 * 10**9, 5000, sats_used=9)
        for i in range(4)
    ]
    lines = [build_gga(fix) + build_rmc(fix) for fix in fixes]
    head = b"\xb5b\x01\x07\xff\x0f"
    samples, stats = run(lines[0] + head + b"".join(lines[1:]))
    assert len(samples) == 4
    assert stats.bad == 1


fragments = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [
            build_gga(Fix(1_767_225_600_000, FixMode.FIX_3D, 10**9, 2 * 10**9, 5000)),
            build_rmc(Fix(1_767_225_601_500, FixMode.FIX_3D, -(10**9), -2 * 10**9, 5000)),
            build_rmc(Fix(1_767_225_602_000, FixMode.NONE)),
            build_zda(Fix(1_767_225_602_000, FixMode.NONE)),
            build_gst(Fix(1_767_225_602_000, FixMode.FIX_3D, hacc_mm=900)),
            build_nav_pvt(Fix(1_767_225_602_000, FixMode.RTK_FIXED, 1, 1, 1)),
            build_nav_hpposllh(Fix(1_767_225_602_000, FixMode.RTK_FIXED, 1, 1, 1)),
            build_mon_ver("a", "b", ["MOD=c"]),
            b"$GPGGA,",
            b"$GPZDA,999999,99,99,9999*",
            b"\xb5b",
            b"\xb5b\x01\x07\x5c\x00",
            b"$$",
            b"*47\r\n",
            b"\xd3\x00\x13>",
            SIRF_FRAME,
            SIRF_FRAME[:40],
            b"\xa0\xa2\x03\xff",
            b"\xa0",
        ]
    ),
)


@settings(max_examples=150)
@given(st.lists(fragments, max_size=12), st.sampled_from(sorted(DRIVERS)), st.integers(1, 30))
def test_never_raises_bounded_and_split_free(parts: list[bytes], name: str, size: int) -> None:
    data = b"".join(parts)
    whole = make_driver(name)
    expected = [*whole.feed(data, 0), *whole.idle(10**10), *whole.idle(10**11)]
    cut = make_driver(name)
    samples: list[Sample] = []
    for start in range(0, len(data), size):
        samples += cut.feed(data[start : start + size], 0)
        assert cut.pending_size <= PENDING_SIZE_MAX
    samples += [*cut.idle(10**10), *cut.idle(10**11)]
    assert samples == expected
    assert cut.stats.bytes == len(data)


@settings(max_examples=100)
@given(st.binary(max_size=2000))
def test_random_bytes(data: bytes) -> None:
    for name in DRIVERS:
        driver = make_driver(name)
        driver.feed(data, 0)
        driver.idle(10**10)


def test_pending_is_bounded_under_a_flood() -> None:
    driver = make_driver("gnss")
    for pattern in (
        b"$" + b"A" * 100,
        b"\xb5b\x01\x07\x00\x10",
        b"\xb5b\x01\x07\xff\xff",
        b"\xb5",
        b"$GPGGA,",
    ):
        for _ in range(700):
            driver.feed(pattern, 0)
            assert driver.pending_size <= PENDING_SIZE_MAX

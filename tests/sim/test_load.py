"""The load generator's parts: frames that are authentic, acknowledgements that are counted, bytes of MQTT."""

import struct
from array import array

import pytest

from protocols import frame
from protocols.acks import Ack
from protocols.catalog import Lane, Stream
from sim.access import AccessError, HubAddress, key_source, token_of
from sim.load import Screen
from sim.load_fleet import Fleet, Histogram

NOW_MS = 1_795_000_100_000
ZERO_MS = NOW_MS - 100_000


@pytest.fixture
def make_fleet(mac_key):
    def make(rows_per_frame=1, count=3):
        return Fleet(
            count,
            100_000,
            lambda _device: mac_key,
            boot=2**63 + 5,
            utc_zero_ms=ZERO_MS,
            rows_per_frame=rows_per_frame,
            row_ms=1_000,
        )

    return make


@pytest.mark.parametrize("rows_per_frame", [1, 10])
def test_cheap_frames_are_authentic_and_dated_now(make_fleet, mac_key, rows_per_frame):
    fleet = make_fleet(rows_per_frame)
    places = set()
    for number in range(6):
        decoded = frame.decode(frame.open_envelope(fleet.frame(1, NOW_MS + 1_000 * number), mac_key))
        envelope = decoded.envelope
        assert (envelope.device, envelope.stream, envelope.lane) == (100_001, Stream.ROWS, Lane.LIVE)
        assert (envelope.row, envelope.n) == (number * rows_per_frame, rows_per_frame)
        assert decoded.utc_zero_ms + decoded.t_mono_ms[-1] == NOW_MS + 1_000 * number
        assert len(decoded.columns) == 11
        places.add((decoded.columns[0][-1], decoded.columns[1][-1]))
    assert len(places) == 4, "units must move"
    assert fleet.rows_sent == 6 * rows_per_frame


def test_acknowledgements_are_counted_and_timed(make_fleet, hub):
    fleet = make_fleet()
    for number in range(4):
        fleet.frame(0, NOW_MS + number)
    fleet.on_ack(100_000, hub.pack(Ack(NOW_MS, 2**63 + 5, 1, 2, ((3, 3),))), NOW_MS + 50)
    assert fleet.rows_acked() == 3
    assert fleet.ack_latency.count == 3
    assert fleet.ack_latency.max_ms == 50
    fleet.on_ack(100_000, hub.pack(Ack(NOW_MS, 2**63 + 5, 1, 4)), NOW_MS + 90)
    assert (fleet.rows_acked(), fleet.ack_latency.count) == (4, 4)


def test_acknowledgements_of_others_count_nothing(make_fleet, hub):
    fleet = make_fleet()
    fleet.frame(0, NOW_MS)
    fleet.on_ack(99_999, hub.pack(Ack(NOW_MS, 2**63 + 5, 1, 1)), NOW_MS)
    fleet.on_ack(100_000, hub.pack(Ack(NOW_MS, 4, 1, 1)), NOW_MS)
    fleet.on_ack(100_000, b"x" * 30, NOW_MS)
    assert (fleet.rows_acked(), fleet.acks_bad) == (0, 1)


def test_the_histogram_gives_quantiles_to_a_tenth_of_a_millisecond():
    histogram = Histogram()
    assert histogram.summary() == {"count": 0, "p50_ms": None, "p90_ms": None, "p99_ms": None, "max_ms": None}
    for number in range(1, 1_001):
        histogram.add(number / 10 - 0.05)
    histogram.add(-3)
    told = histogram.summary()
    assert told["count"] == 1_001
    assert told["p50_ms"] == pytest.approx(50, abs=0.2)
    assert told["p99_ms"] == pytest.approx(99, abs=0.2)
    assert told["max_ms"] == pytest.approx(100, abs=0.1)
    histogram.add(10**9)
    assert histogram.quantile_ms(1.0) == pytest.approx(60_000)


def columns(slots, times):
    return {"slot": struct.pack(f"<{len(slots)}I", *slots), "t_fix": array("d", times).tobytes()}


def test_the_screen_times_each_fix_of_ours_once():
    screen = Screen(100_000, 2)
    screen.begin(NOW_MS)
    screen.apply({"k": "meta", "units": [{"slot": 4, "device": 100_001}, {"slot": 5, "device": 7}]}, NOW_MS)
    tick = {"k": "tick", "seq": 1, "n": 2, "c": columns([4, 5], [NOW_MS + 10, NOW_MS + 10])}
    screen.apply(tick, NOW_MS + 110)
    screen.apply({**tick, "seq": 2}, NOW_MS + 400)
    screen.apply({**tick, "seq": 4, "n": 2, "c": columns([4, 5], [NOW_MS - 5, float("nan")])}, NOW_MS + 500)
    screen.apply({"k": "something new"}, NOW_MS)
    assert (screen.latency.count, screen.latency.max_ms) == (1, 100)
    assert (screen.ticks, screen.gaps) == (3, 1)


@pytest.mark.parametrize(
    "link",
    [
        "http://127.0.0.1:8600/#t=a-_B",
        "http://h/?token=a-_B",
        "http://h/#/in?token=a-_B",
        "http://h/t/a-_B",
        "a-_B\n",
    ],
)
def test_the_token_is_found_in_a_link(link):
    assert token_of(link) == "a-_B"


def test_addresses_of_the_feed():
    hub = HubAddress.parse("http://127.0.0.1:8600/")
    assert (hub.origin, hub.feed_url) == ("http://127.0.0.1:8600", "ws://127.0.0.1:8600/api/v1/feed")
    assert HubAddress.parse("https://hub.example").feed_url == "wss://hub.example/api/v1/feed"
    assert HubAddress.parse("http://[::1]:80").origin == "http://[::1]"


@pytest.mark.parametrize("content", ["", "zz", "00" * 31, "ä"])
def test_key_files_that_are_none_are_refused(tmp_path, content):
    file = tmp_path / "5.key"
    file.write_text(content)
    with pytest.raises(AccessError, match=r"5\.key"):
        key_source(None, str(tmp_path), "live")(5)


def test_keys_of_a_folder_and_of_the_master_are_the_same(tmp_path):
    from protocols.keys import device_key

    master = bytes(range(32))
    (tmp_path / "master.key").write_text(master.hex() + "\n")
    (tmp_path / "5.key").write_text(device_key(master, "live", 5).hex())
    by_master = key_source(str(tmp_path / "master.key"), None, "live")(5)
    assert by_master.up(b"x") == key_source(None, str(tmp_path), "live")(5).up(b"x")

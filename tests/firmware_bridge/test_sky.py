"""Satellites by constellation, headings of two antennas, dead reckoning, the age of corrections."""

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import pynmeagps
import pytest
import pyubx2
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge import gnss, nmea
from firmware_bridge.drivers import make_driver
from firmware_bridge.framing import count_ubx
from firmware_bridge.nmea_build import (
    build_gga,
    build_gsa,
    build_gsvs,
    build_hdt,
    build_rmc,
    build_ths,
    sentence,
)
from firmware_bridge.sky import SKY_EVERY_MS, Sky, System, parse_nav_sat, parse_nav_sig, satellite
from firmware_bridge.ubx import NAV_EOE, NAV_SAT, NAV_SIG
from firmware_bridge.ubx_build import build, build_nav_pvt, build_nav_relposned, build_nav_sat
from protocols.catalog import FIELDS_BY_ID
from protocols.samples import Fix, FixMode, Reading, Sample, sample_as_dict
from sim.devices.gnss_nmea import NmeaReceiver
from sim.devices.gnss_sky import COUNT_MAX, satellites
from sim.devices.gnss_ubx import UbxReceiver

NOON = 1_767_268_800_000
SECOND_NS = 10**9
BY_GNSS_ID = {0: "gps_used", 2: "galileo_used", 3: "beidou_used", 5: "qzss_used", 6: "glonass_used"}


def fix_at(t_utc_ms: int = NOON, **changes: Any) -> Fix:
    said: dict[str, Any] = {
        "mode": FixMode.RTK_FIXED,
        "lat_deg_e9": 36_650_000_000,
        "lon_deg_e9": 117_000_000_000,
    }
    return Fix(
        t_utc_ms, **(said | {"alt_mm": 5_000, "sats_used": 20, "sats_seen": 33, "hdop_e2": 90} | changes)
    )


def names(values: dict[int, int]) -> dict[str, int]:
    return {FIELDS_BY_ID[field].name: value for field, value in values.items()}


def play(epochs: Callable[[int], bytes], count: int, driver: str = "gnss") -> list[tuple[int, Sample]]:
    """One epoch a second; each sample with the second that it came in."""
    device = make_driver(driver)
    out: list[tuple[int, Sample]] = []
    for second in range(count):
        out += [(second, sample) for sample in device.feed(epochs(second), second * SECOND_NS)]
    return out


def listed(*sentences: bytes) -> dict[str, int]:
    """What a listing makes of GSA and GSV."""
    sky = Sky()
    sky.begin()
    assert sky.close() is None
    for line in sentences:
        body = line[1:-5]
        if body[2:5] == b"GSA":
            sky.gsa(body)
        else:
            sky.gsv(body)
    values = sky.close()
    assert values is not None
    return names(values)


# --- whose a satellite is --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("system", "number", "expected"),
    [
        (None, 1, (System.GPS, 1)),
        (None, 33, (System.SBAS, 120)),
        (None, 65, (System.GLONASS, 1)),
        (None, 193, (System.QZSS, 1)),
        (None, 201, (System.BEIDOU, 1)),
        (None, 301, (System.GALILEO, 1)),
        (None, 412, (System.BEIDOU, 12)),
        (None, 100, None),
        (None, 0, None),
        (System.GPS, 46, (System.SBAS, 133)),
        (System.GPS, 194, (System.QZSS, 2)),
        (System.BEIDOU, 201, (System.BEIDOU, 1)),
        (System.BEIDOU, 46, (System.BEIDOU, 46)),
        (System.GALILEO, 301, (System.GALILEO, 1)),
        (System.GALILEO, 33, (System.GALILEO, 33)),
        (System.GLONASS, 65, (System.GLONASS, 1)),
        (System.QZSS, 2, (System.QZSS, 2)),
        (System.BEIDOU, 999, None),
    ],
)
def test_whose_a_number_is(system: System | None, number: int, expected: object) -> None:
    assert satellite(system, number) == expected


@pytest.mark.parametrize(
    ("body", "used"),
    [
        ("GNGSA,A,3,01,02,,,,,,,,,,,1.5,0.9,1.2,1", {"gps_used": 2}),
        ("GNGSA,A,3,01,02,46,,,,,,,,,,1.5,0.9,1.2,1", {"gps_used": 2}),  # SBAS is of no constellation
        ("GNGSA,A,3,01,02,,,,,,,,,,,1.5,0.9,1.2,4", {"beidou_used": 2}),
        ("GNGSA,A,3,01,02,,,,,,,,,,,1.5,0.9,1.2,3", {"galileo_used": 2}),
        ("GNGSA,A,3,01,02,,,,,,,,,,,1.5,0.9,1.2,1.8", {"gps_used": 2}),  # a float is no id
        ("BDGSA,A,3,01,02,,,,,,,,,,,1.5,0.9,1.2,1.8", {"beidou_used": 2}),
        ("PQGSA,A,3,01,02,,,,,,,,,,,1.5,0.9,1.2", {"beidou_used": 2}),
        ("GBGSA,A,3,201,202,,,,,,,,,,,1.5,0.9,1.2", {"beidou_used": 2}),
        ("GLGSA,A,3,67,83,,,,,,,,,,,1.5,0.9,1.2", {"glonass_used": 2}),
        ("GNGSA,A,3,01,67,193,201,301,,,,,,,,1.5,0.9,1.2",
         {"gps_used": 1, "glonass_used": 1, "qzss_used": 1, "beidou_used": 1, "galileo_used": 1}),
        ("GNGSA,A,1,,,,,,,,,,,,,,,,5", {"qzss_used": 0}),
        ("GNGSA,A,3,1x,-2,9999,,,,,,,,,,1.5,0.9,1.2,1", {"gps_used": 0}),
        ("GNGSA,A,3", {}),
    ],
)  # fmt: skip
def test_used_by_id_by_talker_and_by_number(body: str, used: dict[str, int]) -> None:
    assert listed(sentence(body)) == used


def test_two_signals_and_two_numberings_are_one_satellite() -> None:
    lines = [
        *build_gsvs("GP", [1, 2, 3, 4, 5], 1),
        *build_gsvs("GP", [2, 4], 8),
        *build_gsvs("GB", [201, 202]),
        *build_gsvs("BD", [2, 3]),
        *build_gsvs("GL", [65, 66]),
    ]
    assert listed(*lines)["sats_seen"] == 5 + 3 + 2
    assert listed(sentence("GPGSV,1,1,02,05,,,14,06,12,215,45,8"))["sats_seen"] == 2
    assert listed(sentence("GPGSV,1,1,01,05,01,047,"))["sats_seen"] == 1


def test_it_counts_from_the_end_of_an_epoch_and_waits_for_gsv_that_is_known_to_come() -> None:
    sky, fix = Sky(), fix_at()
    gsv = next(build_gsvs("GP", [1, 2, 3]))[1:-5]
    sky.gsv_comes = True
    sky.begin()
    assert not sky.listing
    assert sky.close() is None
    sky.gsa(build_gsa(fix, "GN", [1, 2, 3], 1)[1:-5])
    sky.gsv(gsv)
    assert names(sky.close() or {}) == {"gps_used": 3, "sats_seen": 3}
    assert not sky.listing
    sky.begin()
    for numbers in ([1, 2, 3], [1, 2, 3], [1, 2]):
        assert sky.close() is None
        sky.gsa(build_gsa(fix, "GN", numbers, 1)[1:-5])
    sky.gsv(gsv)
    assert names(sky.close() or {}) == {"gps_used": 2, "sats_seen": 3}, "the newest list counts"


# --- readings --------------------------------------------------------------------------------------


@pytest.mark.parametrize("hertz", [1, 10])
def test_a_reading_comes_every_ten_seconds_or_so(hertz: int) -> None:
    device, receiver = make_driver("gnss"), NmeaReceiver()
    at_ms = []
    for index in range(60 * hertz):
        t_ms = index * 1_000 // hertz
        samples = device.feed(receiver.epoch(fix_at(NOON + t_ms), 14), t_ms * 10**6)
        at_ms += [t_ms for sample in samples if isinstance(sample, Reading)]
        assert all(
            sample_as_dict(sample)
            == {
                "sample": "reading", "gps_used": 5, "glonass_used": 2, "galileo_used": 3, "beidou_used": 8,
                "qzss_used": 2, "sats_seen": 33, "corrections_age_ds": 14,
            }
            for sample in samples if isinstance(sample, Reading)
        )  # fmt: skip
    gaps = [after - before for before, after in pairwise(at_ms)]
    assert SKY_EVERY_MS <= at_ms[0] <= SKY_EVERY_MS + 3_000
    assert all(SKY_EVERY_MS <= gap <= SKY_EVERY_MS + 3_000 for gap in gaps)
    assert len(at_ms) >= 5


def test_counting_needs_no_second_sight_of_gsv_every_fifth_epoch() -> None:
    def epoch(second: int) -> bytes:
        fix = fix_at(NOON + second * 1_000)
        gsv = b"".join(build_gsvs("GP", [1, 2, 3], 1)) if second % 5 == 0 else b""
        return build_gga(fix) + build_gsa(fix, "GN", [1, 2], 1) + gsv + build_rmc(fix)

    readings = [sample for _, sample in play(epoch, 60) if isinstance(sample, Reading)]
    assert len(readings) >= 4
    assert all(names(reading.values) == {"gps_used": 2, "sats_seen": 3} for reading in readings)


@pytest.mark.parametrize(
    ("mode", "age", "told"),
    [
        (FixMode.RTK_FIXED, 14, 14),
        (FixMode.DGNSS, 0, 0),
        (FixMode.FIX_3D, 14, None),
        (FixMode.RTK_FLOAT, None, None),
    ],
)
def test_age_of_corrections_is_told_where_they_are_used(
    mode: FixMode, age: int | None, told: int | None
) -> None:
    receiver = NmeaReceiver()
    played = play(lambda second: receiver.epoch(fix_at(NOON + second * 1_000, mode=mode), age), 13)
    (reading,) = [sample for _, sample in played if isinstance(sample, Reading)]
    assert names(reading.values).get("corrections_age_ds") == told


def test_a_ubx_receiver_is_asked_for_its_satellites_and_tells_them() -> None:
    receiver = UbxReceiver(nmea=False)
    receiver.answer(make_driver("ubx").hello())
    played = play(lambda second: receiver.epoch(fix_at(NOON + second * 1_000), 42), 30, "ubx")
    readings = [sample for _, sample in played if isinstance(sample, Reading)]
    assert 2 <= len(readings) <= 3
    expected = {system: len(numbers) for system, numbers in satellites(20).items()}
    assert names(readings[0].values) == {
        "gps_used": expected[System.GPS], "glonass_used": expected[System.GLONASS],
        "galileo_used": expected[System.GALILEO], "beidou_used": expected[System.BEIDOU],
        "qzss_used": expected[System.QZSS], "sats_seen": 33, "corrections_age_ds": 50,
    }  # fmt: skip


def test_a_ubx_receiver_without_lists_still_tells_the_age() -> None:
    played = play(lambda second: build_nav_pvt(fix_at(NOON + second * 1_000), 2), 30)
    readings = [sample for _, sample in played if isinstance(sample, Reading)]
    assert readings
    assert all(names(reading.values) == {"corrections_age_ds": 20} for reading in readings)


def test_where_both_languages_count_one_reading_is_told() -> None:
    receiver = UbxReceiver()
    receiver.answer(make_driver("gnss").hello())
    at_s = [
        s
        for s, one in play(lambda n: receiver.epoch(fix_at(NOON + n * 1_000)), 40)
        if isinstance(one, Reading)
    ]
    assert all(after - before >= 5 for before, after in pairwise(at_s))


@given(st.binary(max_size=120))
def test_lists_of_any_bytes(payload: bytes) -> None:
    for parse in (parse_nav_sat, parse_nav_sig):
        values = parse(payload)
        assert values is None or all(0 <= value <= 255 for value in values.values())


@given(st.text("0123456789,.ABGNPQSVx-", max_size=90))
def test_sky_of_any_text(text: str) -> None:
    for head in (b"GNGSA,", b"GPGSV,", b"xxGSA", b"GNGSV"):
        sky = Sky()
        sky.begin()
        (sky.gsa if head[2:5] == b"GSA" else sky.gsv)(head + text.encode())
        nmea.heading_cdeg(b"THS,", head + text.encode())
        nmea.heading_cdeg(b"SHR,", b"PASHR," + text.encode())


# --- heading ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "cdeg"),
    [
        ("GNHDT,123.45,T", 12_345),
        ("GNHDT,360.0,T", 0),
        ("GNHDT,,T", None),
        ("GNHDT,123.45,M", None),
        ("GNHDT,123.45", None),
        ("GNTHS,77.52,A", 7_752),
        ("GNTHS,77.52,D", 7_752),
        ("GNTHS,77.52,E", None),
        ("GNTHS,77.52,M", None),
        ("GNTHS,77.52,S", None),
        ("GNTHS,77.52,V", None),
        ("GNTHS,77.52,", None),
        ("GNTHS,,A", None),
        ("PASHR,130533.620,311.27,T,+000.47,-001.10,-0.15,0.067,0.056,0.215,2,3", 31_127),
        ("PASHR,130533.620,311.27,T,+000.47,-001.10,-0.15,0.067,0.056,0.215,0,3", None),
        ("PASHR,POS,1,2,3,4,5,6,7,8,9,10", None),
    ],
)
def test_headings_of_nmea(body: str, cdeg: int | None, run: Callable) -> None:
    fix = fix_at(course_cdeg=9_000, speed_mmps=2_000)
    (out,), _ = run(build_gga(fix) + sentence(body) + build_rmc(fix))
    assert (out.heading_cdeg, out.course_cdeg) == (cdeg, 9_000), "course is never heading"


def test_a_heading_is_the_epochs_own_or_at_most_a_second_old(run: Callable) -> None:
    def at(second: int, heading: bytes = b"") -> bytes:
        fix = fix_at(NOON + second * 1_000)
        return build_gga(fix) + build_rmc(fix) + heading

    ths = build_ths(fix_at(heading_cdeg=5_000))
    samples, _ = run(at(0, ths) + at(1) + at(2) + at(3))
    assert [fix.heading_cdeg for fix in samples] == [5_000, 5_000, None, None]
    samples, _ = run(at(0, ths) + at(1, ths) + at(2, ths) + at(3, build_ths(fix_at())) + at(4))
    assert [fix.heading_cdeg for fix in samples] == [5_000, 5_000, 5_000, None, None]


def test_ten_headings_a_fix_do_not_hide_where_an_epoch_ends() -> None:
    device = make_driver("gnss")
    delays = []
    for tenth in range(100):
        fix = fix_at(NOON + tenth * 100, heading_cdeg=tenth * 10)
        data = (build_gga(fix) + build_rmc(fix) if tenth % 10 == 0 else b"") + build_hdt(fix)
        for sample in device.feed(data, tenth * 10**8):
            assert isinstance(sample, Fix)
            assert sample.heading_cdeg is not None
            delays.append((fix.t_utc_ms or 0) - (sample.t_utc_ms or 0))
    assert delays[3:] == [0] * len(delays[3:])
    assert len(delays) >= 9


def test_the_heading_of_ubx_needs_a_moving_base_and_a_good_angle(run: Callable) -> None:
    fix = fix_at(heading_cdeg=27_015)
    good = build_nav_relposned(fix)

    def with_bytes(at: int, value: bytes) -> bytes:
        payload = bytearray(good[6:-2])
        payload[at : at + len(value)] = value
        return build(0x013C, bytes(payload))

    bad = [
        with_bytes(60, (0x0125).to_bytes(4, "little").replace(b"\x25", b"\x05")),  # base stands still
        with_bytes(60, (0x0025).to_bytes(4, "little")),  # heading not valid
        with_bytes(52, (600_000).to_bytes(4, "little")),  # six degrees
        with_bytes(0, b"\0"),
    ]
    for relposned, expected in [(good, 27_015), *((one, None) for one in bad)]:
        stream = b"".join(build_nav_pvt(fix_at(NOON + i * 1_000)) for i in range(1))
        samples, _ = run(relposned + stream)
        assert [one.heading_cdeg for one in samples] == [expected]


def test_a_ubx_fix_waits_for_the_heading_that_follows_it(run: Callable) -> None:
    receiver = UbxReceiver(nmea=False, dual=True)
    receiver.answer(make_driver("gnss").hello())
    stream = b"".join(receiver.epoch(fix_at(NOON + i * 1_000, heading_cdeg=i * 100)) for i in range(4))
    samples, _ = run(stream)
    fixes = [one for one in samples if isinstance(one, Fix)]
    assert [one.heading_cdeg for one in fixes] == [None, 100, 200, 300]
    alone = b"".join(build_nav_pvt(fix_at(NOON + i * 1_000)) for i in range(4, 7)) + build(NAV_EOE, bytes(4))
    after = [one.heading_cdeg for one in run(stream + alone)[0] if isinstance(one, Fix)]
    assert after[4:] == [300, None, None], "a second old is the limit"


# --- dead reckoning --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gga", "rmc", "gll", "mode"),
    [
        ("6", "E", "E", FixMode.DEAD_RECKONED),
        ("1", "E", "", FixMode.DEAD_RECKONED),
        ("1", "", "E", FixMode.DEAD_RECKONED),
        ("2", "D", "D", FixMode.DGNSS),
        ("1", "A", "A", FixMode.FIX_3D),
        ("6", "N", "", FixMode.NONE),
    ],
)
def test_dead_reckoning_is_called_so(gga: str, rmc: str, gll: str, mode: FixMode, run: Callable) -> None:
    place = "3114.8770,N,12135.2463,E"
    stream = sentence(f"GNGGA,120000.00,{place},{gga},09,1.1,5.0,M,,M,,")
    if rmc:
        stream += sentence(f"GNRMC,120000.00,{'V' if rmc == 'N' else 'A'},{place},0.0,0.0,010126,,,{rmc}")
    if gll:
        stream += sentence(f"GNGLL,{place},120000.00,A,{gll}")
    (fix,), _ = run(stream)
    assert fix.mode is mode
    assert fix.hacc_mm is None or mode is not FixMode.DEAD_RECKONED


# --- beside independent decoders -------------------------------------------------------------------


def test_the_emulator_is_read_by_pynmeagps_as_by_us() -> None:
    fix = fix_at(heading_cdeg=12_340, sats_used=27, sats_seen=45, hacc_mm=20)
    used: Counter[str] = Counter()
    seen: set[tuple[str, int]] = set()
    for line in NmeaReceiver().epoch(fix, 14).splitlines(keepends=True):
        message = pynmeagps.NMEAReader.parse(line, validate=1)
        numbers = [
            value for key, value in vars(message).items() if key.startswith("sv") and value not in ("", None)
        ]
        if message.msgID == "GSA":
            used[str(message.systemId)] += len([number for number in numbers if number])
        elif message.msgID == "GSV":
            seen |= {(message.talker, int(number)) for number in numbers if number}
        elif message.msgID == "GGA":
            assert (float(message.diffAge), message.quality) == (1.4, 4)
        elif message.msgID == "THS":
            assert (message.headt, message.mi) == (123.4, "A")
    expected = {str(int(system)): len(numbers) for system, numbers in satellites(27).items()}
    assert dict(used) == expected
    assert len(seen) == 45


def test_the_ubx_emulator_is_read_by_pyubx2_as_by_us() -> None:
    fix = fix_at(heading_cdeg=12_340)
    sat = pyubx2.UBXReader.parse(_nav_sat(fix))
    assert sat.numSvs == 33
    assert sum(getattr(sat, f"svUsed_{i:02d}") for i in range(1, 34)) == 20
    relposned = pyubx2.UBXReader.parse(build_nav_relposned(fix))
    assert (relposned.relPosHeading, relposned.accHeading) == (123.4, 0.5)
    assert (relposned.relPosHeadingValid, relposned.isMoving, relposned.relPosValid, relposned.gnssFixOK) == (
        1,
    ) * 4
    pvt = pyubx2.UBXReader.parse(build_nav_pvt(fix, 4))
    assert (pvt.lastCorrectionAge, pvt.carrSoln) == (4, 2)
    hello = make_driver("ubx").hello()
    assert count_ubx(hello) == 7
    keys = {name: key for name, (key, _) in pyubx2.UBX_CONFIG_DATABASE.items() if "NAV_SAT" in name}
    assert sorted(keys.values()) == sorted(gnss.KEYS_NAV_SAT)


def _nav_sat(fix: Fix) -> bytes:
    receiver = UbxReceiver(nmea=False)
    receiver.answer(gnss.build_cfg_msg(NAV_SAT))
    return receiver.epoch(fix)


@given(
    st.lists(st.tuples(st.sampled_from([0, 1, 2, 3, 5, 6]), st.integers(1, 60), st.booleans()), max_size=60)
)
def test_nav_sat_beside_pyubx2(rows: list[tuple[int, int, bool]]) -> None:
    frame = build_nav_sat(NOON, rows)
    theirs = pyubx2.UBXReader.parse(frame)
    used, seen = set(), set()
    for i in range(1, theirs.numSvs + 1):
        one = getattr(theirs, f"gnssId_{i:02d}"), getattr(theirs, f"svId_{i:02d}")
        seen.add(one)
        used |= {one} if getattr(theirs, f"svUsed_{i:02d}") else set()
    values = names(parse_nav_sat(frame[6:-2]) or {})
    counted = Counter(BY_GNSS_ID[number] for number, _ in used if number in BY_GNSS_ID)
    assert {name: value for name, value in values.items() if value and name != "sats_seen"} == dict(counted)
    assert values["sats_seen"] == len(seen)


def test_nav_sig_counts_each_satellite_once() -> None:
    rows = [(0, 5, 0, 0x08), (0, 5, 3, 0x20), (3, 12, 0, 0), (1, 120, 0, 0x08)]
    payload = (212_682_000).to_bytes(4, "little") + bytes([0, len(rows), 0, 0])
    for gnss_id, number, signal, flags in rows:
        payload += (
            bytes([gnss_id, number, signal, 0, 0, 0, 40, 7, 0, 0]) + flags.to_bytes(2, "little") + bytes(4)
        )
    theirs = pyubx2.UBXReader.parse(build(NAV_SIG, payload))
    assert (theirs.prUsed_01, theirs.doUsed_02, theirs.svId_03) == (1, 1, 12)
    assert names(parse_nav_sig(payload) or {}) == {"gps_used": 1, "beidou_used": 0, "sats_seen": 3}


def _lines(captures: Path) -> Iterator[bytes]:
    for path in sorted(captures.glob("*.log")):
        for line in path.read_bytes().replace(b"|", b"").split(b"\n"):
            text = line[line.rfind(b"$") :].strip()
            if text[3:6] in (b"GSA", b"GSV") and text[-3:-2] == b"*":
                yield text


def test_lists_of_all_captures_beside_pynmeagps(captures: Path) -> None:
    """Every GSA and GSV that it can read: as many satellites, each with the same number."""
    checked = 0
    for line in _lines(captures):
        try:
            message = pynmeagps.NMEAReader.parse(line + b"\r\n", validate=1)
        except pynmeagps.NMEAParseError:
            continue
        theirs = {int(value) for key, value in vars(message).items() if key.startswith("svid_") and value}
        sky = Sky()
        sky.begin()
        body = line[1:-3]
        (sky.gsa if message.msgID == "GSA" else sky.gsv)(body)
        lists = sky._used if message.msgID == "GSA" else sky._seen
        checked += 1
        assert sum(len(numbers) for _, numbers in lists.values()) == len(theirs), line
    assert checked == 2_464


SKY_AGREEMENT = {
    "beidou-bd": (1, 0, ""),
    "beidou-gb": (2, 0, ""),
    "gp-320fw-2019-04-07-coldboot": (
        6, 2, "damaged GSV in the log: gpsd keeps what its first set said, we count what came whole",
    ),
    "neo-m8n": (11, 0, ""),
    "quectelLC79D": (15, 0, ""),
    "st-teseo-liv4f": (6, 1, "gpsd counts used satellites an epoch later than it sees them"),
    "ublox-neo-m9n-nmea": (30, 0, ""),
    "unicore-um621": (10, 1, "as above"),
}  # fmt: skip


@pytest.mark.parametrize("name", SKY_AGREEMENT)
def test_counts_agree_with_gpsd(name: str, captures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Used of each constellation and seen, each satellite once, as in one of gpsd's SKY around the same moment."""
    monkeypatch.setattr(gnss, "SKY_EVERY_MS", 1)  # a reading every two or three epochs
    device = make_driver("gnss")
    events: list[tuple[bool, object]] = []
    chk = gzip.decompress((captures / f"{name}.log.chk.gz").read_bytes())
    for index, line in enumerate(chk.split(b"\n")):
        if line.startswith(b'{"class":"SKY"') and b"satellites" in line:
            rows = json.loads(line)["satellites"]
            used = {(row["gnssid"], row["svid"]) for row in rows if row["used"]}
            counted = Counter(BY_GNSS_ID[number] for number, _ in used if number in BY_GNSS_ID)
            events.append((True, (dict(counted), len({(row["gnssid"], row["svid"]) for row in rows}))))
        elif not line.startswith(b"{"):
            for sample in device.feed(line.rstrip(b"\r") + b"\r\n", index * 10**8):
                if isinstance(sample, Reading):
                    said = names(sample.values)
                    seen = said.pop("sats_seen", None)
                    said.pop("corrections_age_ds", None)
                    events.append((False, ({key: value for key, value in said.items() if value}, seen)))
    ours = [index for index, (is_theirs, _) in enumerate(events) if not is_theirs]
    differ = [
        events[index]
        for index in ours
        if (True, events[index][1]) not in events[max(0, index - 16) : index + 16]
    ]
    count, differing, reason = SKY_AGREEMENT[name]
    assert (len(ours), len(differ)) == (count, differing), (reason, differ)


def test_nav_sat_of_the_f9p_agrees_with_gpsd(captures: Path, capture: Callable[[str], bytes]) -> None:
    theirs = []
    for line in gzip.decompress((captures / "ublox-zed-f9p-rtk.log.chk.gz").read_bytes()).split(b"\n"):
        if line.startswith(b'{"class":"SKY"') and b"satellites" in line:
            rows = json.loads(line)["satellites"]
            counted = Counter(
                BY_GNSS_ID[row["gnssid"]] for row in rows if row["used"] and row["gnssid"] in BY_GNSS_ID
            )
            theirs.append((dict(counted), len(rows)))
    ours = []
    for _, message in pyubx2.UBXReader(BytesIO(capture("ublox-zed-f9p-rtk"))):
        if message is not None and message.identity == "NAV-SAT":
            values = names(parse_nav_sat(message.payload) or {})
            seen = values.pop("sats_seen")
            ours.append(({key: value for key, value in values.items() if value}, seen))
    assert len(ours) == 10
    assert all(one in theirs for one in ours)


def test_the_shares_of_an_emulated_sky() -> None:
    few, many = satellites(13), satellites(29)
    assert sum(map(len, few.values())) == 13
    assert all(many[system][: len(numbers)] == numbers for system, numbers in few.items())
    assert sum(map(len, satellites(10**6).values())) == COUNT_MAX

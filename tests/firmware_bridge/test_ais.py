"""AIS: the reference message, values that are not available, messages in parts, damage; pyais as the other end."""

import json
import random
from pathlib import Path

import pyais
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.ais import count_ais
from firmware_bridge.apart.ais import GROUP_AGE_MS_MAX, GROUPS_MAX, AisDecoder
from firmware_bridge.framing import nmea_checksum
from protocols.catalog import Said, Source, field_id
from protocols.samples import Heard, Observed, Sample, sample_as_dict
from protocols.units import NS_PER_MS
from sim.devices.ais import AisReceiver, Vessel

HERE = Path(__file__).parent / "captures/ais"
REFERENCE = b"!AIVDM,1,1,,B,15M67FC000G?ufbE`FepT@3n00Sa,0*5C\r\n"
VESSEL = Vessel(413_000_001, 36.675_8, 117.024_9, 123, 2_193, 45, 0, 30, "LU JINAN 01", 51)
PENDING_SIZE_MAX = 130 + GROUPS_MAX * 9 * 130
LAT, LON, SPEED, COURSE, HEADING, MODE, SHIP_TYPE = (
    field_id(f"obs_{n}")
    for n in ("lat_deg_e7", "lon_deg_e7", "speed_dmps", "course_deg", "heading_ddeg", "mode", "ship_type")
)


def feed(data: bytes) -> tuple[list[Sample], AisDecoder]:
    decoder = AisDecoder()
    return decoder.feed(data, 0), decoder


def values(data: bytes) -> dict[int, int]:
    (sample,), _ = feed(data)
    assert isinstance(sample, Observed)
    return sample.values


def signed(body: bytes) -> bytes:
    return b"!%s*%02X\r\n" % (body, nmea_checksum(body))


def test_the_reference_message() -> None:
    (sample,), decoder = feed(REFERENCE)
    assert sample == Observed(
        Source.AIS, 366_053_209,
        {LAT: 378_021_180, LON: -1_223_416_180, SPEED: 0, COURSE: 219, HEADING: 10, MODE: 3},
    )  # fmt: skip
    assert (decoder.stats.good, decoder.stats.bad, decoder.stats.noise) == (1, 0, 0)
    assert count_ais(REFERENCE) == 1


@pytest.mark.parametrize("kind", [1, 2, 3, 18, 19])
def test_a_vessel_under_way(kind: int) -> None:
    found, decoder = feed(AisReceiver().position(VESSEL, kind))
    observed = found[0]
    assert isinstance(observed, Observed)
    expected = {LAT: 366_758_000, LON: 1_170_249_000, SPEED: 63, COURSE: 219, HEADING: 450}
    expected |= {MODE: 0} if kind < 4 else {}
    expected |= {SHIP_TYPE: 51} if kind == 19 else {}
    assert (observed.id, observed.values) == (413_000_001, expected)
    assert found[1:] == ([Heard(Source.AIS, 413_000_001, Said.NAME, "LU JINAN 01")] if kind == 19 else [])
    assert decoder.stats.bad == 0


def test_long_range_and_base_station() -> None:
    assert values(AisReceiver().position(VESSEL, 27)) == {
        LAT: 366_750_000, LON: 1_170_250_000, SPEED: 62, COURSE: 219, MODE: 0
    }  # fmt: skip
    assert values(AisReceiver().position(VESSEL, 4)) == {LAT: 366_758_000, LON: 1_170_249_000}


@pytest.mark.parametrize("kind", [1, 2, 3, 4, 18, 19, 27])
def test_what_is_not_available_is_left_out(kind: int) -> None:
    samples, decoder = feed(AisReceiver().position(Vessel(413_000_002), kind))
    assert samples == []
    assert (decoder.stats.good, decoder.stats.bad) == (1, 0)


def test_names_and_types() -> None:
    receiver = AisReceiver()
    expected = [
        Observed(Source.AIS, 413_000_001, {SHIP_TYPE: 51}),
        Heard(Source.AIS, 413_000_001, Said.NAME, "LU JINAN 01"),
    ]
    assert feed(receiver.static(VESSEL))[0] == expected
    assert feed(receiver.static_b(VESSEL))[0] == expected[::-1]


def test_the_library_reads_the_emulator_as_it_was_meant() -> None:
    rng = random.Random(4)
    receiver = AisReceiver()
    for kind in [1, 2, 3, 4, 18, 19, 27] * 60:
        vessel = Vessel(
            rng.randrange(1, 10**9), rng.randrange(-89 * 10**4, 89 * 10**4) / 1e4,
            rng.randrange(-179 * 10**4, 179 * 10**4) / 1e4, rng.randrange(1_023), rng.randrange(3_600),
            rng.randrange(360), rng.randrange(15), rng.randrange(60), "ABC 12", rng.randrange(100),
        )  # fmt: skip
        data = receiver.position(vessel, kind)
        message = pyais.decode(*data.split())
        quantum_deg = 1 / 600 if kind == 27 else 1e-6
        assert message.mmsi == vessel.mmsi
        assert abs(message.lat - vessel.lat_deg) <= quantum_deg
        assert abs(message.lon - vessel.lon_deg) <= quantum_deg
        (sample, *_), _ = feed(data)
        assert isinstance(sample, Observed)
        assert sample.values[LAT] == round(message.lat * 1e7)
        assert sample.values[LON] == round(message.lon * 1e7)
        if kind in (1, 2, 3, 18, 19):
            assert (message.speed, message.course) == (vessel.speed_dknot / 10, vessel.course_ddeg / 10)
            assert message.heading == vessel.heading_deg
            assert abs(sample.values[SPEED] - vessel.speed_dknot * 0.514_444) <= 0.5
            turn_deg = sample.values[COURSE] - vessel.course_ddeg / 10
            assert abs((turn_deg + 180) % 360 - 180) <= 0.5


def stream() -> bytes:
    receiver = AisReceiver()
    parts = [receiver.position(VESSEL, 1), receiver.static(VESSEL), receiver.static_b(VESSEL), REFERENCE]
    return b"".join(parts) + receiver.position(VESSEL, 18) + receiver.position(VESSEL, 27)


def test_every_split_point_gives_the_same() -> None:
    data = stream()
    whole, _ = feed(data)
    assert len(whole) == 8
    for cut in range(len(data)):
        decoder = AisDecoder()
        assert decoder.feed(data[:cut], 0) + decoder.feed(data[cut:], 0) == whole
        assert decoder.stats.bad == decoder.stats.noise == 0


def test_capture_and_golden() -> None:
    """Sentences of the emulator, between a receiver's own talk and damage."""
    found, decoder = feed((HERE / "river.nmea").read_bytes())
    golden = [json.loads(line) for line in (HERE / "river.jsonl").read_text().splitlines()]
    assert [json.loads(json.dumps(sample_as_dict(sample))) for sample in found] == golden
    assert (decoder.stats.good, decoder.stats.bad, decoder.stats.skipped) == (7, 2, 3)


def test_a_flipped_bit_gives_no_false_value() -> None:
    """All twins of three messages: nothing, or the untouched messages. An XOR catches each single bit."""
    data = AisReceiver().static(VESSEL) + REFERENCE
    (kind, name, reference), _ = feed(data)
    for at in range(8 * len(data)):
        twin = bytearray(data)
        twin[at // 8] ^= 1 << at % 8
        found, _ = feed(bytes(twin) + b"\r\n")
        assert found in ([kind, name, reference], [kind, name], [reference]), at


def test_truncated_messages_are_bad_also_with_a_good_checksum() -> None:
    for size in range(1, 28):
        body = b"AIVDM,1,1,,B," + b"15M67FC000G?ufbE`FepT@3n00Sa"[:size] + b",0"
        samples, decoder = feed(signed(body))
        assert samples == []
        assert decoder.stats.bad == 1


@pytest.mark.parametrize(
    "body",
    [
        b"AIVDM,1,1,,B,15M67FC000G?ufbE\x7fFepT@3n00Sa,0",
        b"AIVDM,1,1,,B,15M67FC000G?ufbE[FepT@3n00Sa,0",
        b"AIVDM,1,1,,B,15M67FC000G?ufbE`FepT@3n00Sa,9",
        b"AIVDM,1,1,,B,15M67FC000G?ufbE`FepT@3n00Sa",
        b"AIVDM,0,0,,B,15M67FC000G?ufbE`FepT@3n00Sa,0",
        b"AIVDM,2,3,1,B,15M67FC000G?ufbE`FepT@3n00Sa,0",
        b"AIVDM,12,1,1,B,15M67FC000G?ufbE`FepT@3n00Sa,0",
        b"AIVDM,2,1,,B,15M67FC000G?ufbE`FepT@3n00Sa,0",
        b"AIVDM,x,1,,B,15M67FC000G?ufbE`FepT@3n00Sa,0",
        b"AIVDM,1,1,,B,,0",
    ],
)
def test_damaged_sentences_with_a_good_checksum(body: bytes) -> None:
    samples, decoder = feed(signed(body) + REFERENCE)
    assert len(samples) == 1, "what follows is heard"
    assert (decoder.stats.good, decoder.stats.bad + decoder.stats.noise > 0) == (1, True)


def test_own_ship_and_others_are_skipped() -> None:
    own = signed(REFERENCE.split(b"*")[0][1:].replace(b"VDM", b"VDO"))
    samples, decoder = feed(own + b"$GPGGA,1*47\r\n" + signed(b"AIVDM,1,1,,A,@5M67FC000,0"))
    assert samples == []
    assert (decoder.stats.skipped, decoder.stats.bad) == (3, 0)


def test_a_part_that_never_comes_is_given_up() -> None:
    first, second = AisReceiver().static(VESSEL).splitlines(keepends=True)
    decoder = AisDecoder()
    assert decoder.feed(first, 0) == []
    assert decoder.feed(second, (GROUP_AGE_MS_MAX + 1) * NS_PER_MS) == []
    assert decoder.stats.bad == 2
    assert decoder.feed(first, 10**12) == []
    assert len(decoder.feed(second, 10**12 + GROUP_AGE_MS_MAX * NS_PER_MS)) == 2


def test_parts_of_two_messages_may_alternate() -> None:
    receiver = AisReceiver()
    one = receiver.static(VESSEL).splitlines(keepends=True)
    two = receiver.static(Vessel(5, name="OTHER"), "B").splitlines(keepends=True)
    found, decoder = feed(one[0] + two[0] + two[1] + one[1])
    assert [sample.id for sample in found] == [5, 413_000_001, 413_000_001]  # type: ignore[union-attr]
    assert decoder.stats.bad == 0


def test_parts_are_bounded() -> None:
    decoder = AisDecoder()
    for number in range(200):
        body = b"AIVDM,9,1,%d,%c,%s,0" % (number % 10, 65 + number // 10, b"5" * 60)
        assert decoder.feed(signed(body), 0) == []
    assert decoder.pending_size <= PENDING_SIZE_MAX
    assert decoder.stats.bad == 200 - GROUPS_MAX


@given(st.lists(st.binary(max_size=100) | st.sampled_from([REFERENCE[:20], b"!AIVDM,2,1,3,A,"]), max_size=20))
def test_garbage_never_raises_and_a_message_after_it_is_heard(chunks: list[bytes]) -> None:
    decoder = AisDecoder()
    for chunk in chunks:
        decoder.feed(chunk, 0)
        assert decoder.pending_size <= PENDING_SIZE_MAX
    assert len(decoder.feed(b"\r\n" + REFERENCE, 0)) == 1

"""A family of hubs: the file from which one begins, what they tell each other of devices, and the log by places."""

import re
from pathlib import Path
from typing import Any

import msgpack
import pytest

from hub import settings
from hub.cli import main
from hub.errors import KeyFileError, RosterError
from hub.forward import family, seed
from hub.forward.family import AT_ONCE, EVERY_MS, REST_MS, OrderTeller, Teller
from hub.live.below import TOLD_MAX, Below, Passed
from hub.store.interface import UnitRow
from hub.store.passing import PassingLog, day_at, place_of
from hub.store.sharing import Shared, SharedOrder
from protocols import orders, relay, topics
from protocols.catalog import Kind, Lane
from protocols.errors import REASONS, RelayError, TopicError

DAY = 86_400_000
UNIT = UnitRow("", "济南消防-01", "person", "fire", "一队", 30, 300, "市消防")
ENTRY = Shared(7, 0, "active", "gateway", False, "zhantu 1", 5, None, "", 0, UNIT)


# --- the file --------------------------------------------------------------------


def made(**more: Any) -> seed.Seed:
    values = {"realm": "live", "master": bytes(32), "device": 1_001, "authority": 1, "above_host": "10.0.0.1"}
    values |= {"above_port": 8_883, "above_tls": True, "peer": 0, "entries": [ENTRY] * 120}
    return seed.Seed(**{**values, **more})


def test_a_seed_opens_with_its_code_only() -> None:
    code = seed.new_code()
    data = seed.pack(made(), code)
    assert seed.unpack(data, code.lower().replace("-", " ")) == made()
    assert bytes(32).hex().encode() not in data
    for bad, words in (
        ((data, seed.new_code()), "does not fit"),
        ((data[:-1] + b"x", code), "does not fit"),
        ((b"x" + data, code), "not a file of"),
        ((data, "AAAA"), "20 characters"),
    ):
        with pytest.raises(KeyFileError, match=words):
            seed.unpack(*bad)


@pytest.mark.parametrize("wrong", [{"authority": 0}, {"device": 0}, {"master": b"x"}, {"realm": "No Realm"}])
def test_a_seed_with_wrong_words_is_refused(wrong: dict[str, Any]) -> None:
    code = seed.new_code()
    with pytest.raises(KeyFileError, match="seed: "):
        seed.unpack(seed.pack(made(**wrong), code), code)


def test_a_hub_joins_once_before_its_first_start_and_makes_no_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, file = str(tmp_path / "a"), str(tmp_path / "b"), str(tmp_path / "seed")
    assert main(["roster", "add", "--data", first, "--device", "7", "--callsign", "C7"]) == 0
    make = ["below", "add", "--callsign", "前指-01", "--out"]
    assert main([*make, file, "--data", first, "--address", "10.0.0.1:8883"]) == 0
    assert Path(file).stat().st_mode & 0o777 == 0o600
    code = re.findall(r"--code (\S+)", capsys.readouterr().out)[0]
    join = ["below", "join", file, "--data", second, "--code"]
    assert main([*join, seed.new_code()]) == 1
    assert main([*join, code]) == 0
    assert (tmp_path / "a/master.key").read_text() == (tmp_path / "b/master.key").read_text()
    found = settings.load(tmp_path / "b/hub.toml", {})
    assert (found.above_host, found.above_port, found.above_device) == ("10.0.0.1", 8_883, 1_001)
    assert main([*join, code]) == 1
    assert main([*make, f"{file}2", "--data", second]) == 1
    assert main([*make, file, "--data", first]) == 1
    said = capsys.readouterr().err
    for words in (
        "does not fit",
        "before its first start",
        "the first hub make the file",
        "is there already",
    ):
        assert words in said


def test_each_hub_gives_numbers_of_its_own_range(bench: Any) -> None:
    assert bench.registry.devices.reserve(None, "gateway", False, 0) == 1_001
    bench.registry.set_setting("authority", "3")
    assert bench.registry.devices.reserve(None, "gateway", False, 0) == (3 << 20) + 1_001


# --- what they tell each other --------------------------------------------------------------------


def test_entries_come_back_as_they_were() -> None:
    entries = [
        ENTRY,
        ENTRY._replace(device=8, unit=None, from_utc_ms=None, state="revoked", why="lost", relay=True),
    ]
    assert family.unpack(family.pack(entries)) == entries


@pytest.mark.parametrize(
    "change",
    [
        {"device": 0}, {"epoch": -1}, {"epoch": True}, {"state": "reserved"}, {"kind": "tank"}, {"relay": 1},
        {"firmware": 5}, {"why": "x" * 999}, {"enrolled_utc_ms": "now"}, {"unit": UNIT._replace(callsign="")},
        {"unit": UNIT._replace(kind="tank")},
    ],
)  # fmt: skip
def test_entries_that_are_not_allowed_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(RosterError):
        family.unpack(family.pack([ENTRY._replace(**change)]))


@pytest.mark.parametrize("body", [b"", b"\xc1", msgpack.packb({}), msgpack.packb([[1]]), msgpack.packb([5])])
def test_bodies_that_are_none_are_refused(body: bytes) -> None:
    with pytest.raises(RosterError):
        family.unpack(body)


def test_news_is_told_first_and_the_rest_in_turn() -> None:
    teller, entries = Teller(), [ENTRY._replace(device=device) for device in range(1, 26)]

    def told(now_ms: int, unknown: tuple[int, ...] = ()) -> list[int]:
        body = teller.due(entries, now_ms, unknown)
        return [] if body is None else [entry.device for entry in family.unpack(body)]

    assert told(0) == list(range(1, AT_ONCE + 1))
    assert told(EVERY_MS - 1) == []
    assert [told(EVERY_MS * turn) for turn in (1, 2)] == [list(range(11, 21)), []]
    assert [told(REST_MS * turn) for turn in (1, 2, 3, 4)] == [
        list(range(1, 11)), list(range(11, 21)), list(range(21, 26)), list(range(1, 11)),
    ]  # fmt: skip
    entries[20] = entries[20]._replace(state="revoked", epoch=1)
    assert told(REST_MS * 4 + EVERY_MS) == [21]
    assert told(REST_MS * 5, (25,)) == [25]
    assert Teller().due([], 0) is None


def test_merging_goes_one_way_only(bench: Any) -> None:
    registry, sharing = bench.registry, bench.registry.sharing
    new = ENTRY._replace(device=70)
    assert sharing.merge(new, 9)
    assert not sharing.merge(new, 9)
    assert registry.devices.epochs()[70] == 0
    assert next(unit for unit in registry.units() if unit.callsign == UNIT.callsign).team == "一队"
    revoked = new._replace(epoch=1, state="revoked", why="lost")
    assert sharing.merge(revoked, 10)
    assert not sharing.merge(new, 11)
    assert registry.devices.revoked() == {70}
    assert sharing.merge(new._replace(epoch=2), 12)
    assert registry.devices.epochs()[70] == 2


def test_a_later_binding_takes_the_place_of_an_earlier_one(bench: Any) -> None:
    sharing = bench.registry.sharing
    later = ENTRY._replace(from_utc_ms=1_000, unit=UNIT._replace(callsign="C70"))
    assert sharing.merge(later, 9)
    bench.load()
    assert bench.units.callsign_of(7) == "C70"
    assert not sharing.merge(ENTRY._replace(from_utc_ms=500), 9)
    assert {entry.device: entry.unit.callsign for entry in sharing.entries()} == {7: "C70"}


# --- the log by places --------------------------------------------------------------------


def test_places_rise_over_days_and_say_where_all_was_read(bench: Any) -> None:
    log = PassingLog(bench.log)
    assert log.after(0, 10) == ([], log.end())
    for row in range(3):
        bench.put(bench.frame(row=row))
    bench.clock.now += DAY
    bench.put(bench.frame(row=3), bench.event(0))
    found, end = log.after(0, 10)
    assert [one.n for one in found] == [1] * 5
    assert [one.place for one in found] == sorted(one.place for one in found)
    assert end == log.end() == found[-1].place
    assert log.after(0, 2) == (found[:2], found[1].place)
    assert log.after(found[1].place, 10) == (found[2:], end)
    assert log.after(0, 10, until=found[3].place) == (found[:4], found[3].place)
    assert log.after(0, 10, device=9) == ([], end)
    assert log.after(end, 10) == ([], end)


def test_alarms_and_the_newest_are_found_behind_a_place(bench: Any) -> None:
    log = PassingLog(bench.log)
    bench.put(bench.frame(row=0), bench.event(0), bench.frame(row=1))
    bench.clock.now += DAY
    bench.put(bench.frame(row=2), bench.event(1, phase=2))
    found, _ = log.after(0, 10)
    assert [one.kind for one in log.events(0, 10)] == [Kind.EVENT] * 2
    assert log.events(found[1].place, 10) == [found[4]]
    assert log.newest(0, 10) == [found[3]]
    bench.log.path(bench.log.days()[0]).unlink()
    assert [one.place for one in log.after(0, 10)[0]] == [found[3].place, found[4].place]


def test_a_place_is_a_day_and_a_number() -> None:
    assert day_at(place_of("2026-11-24", 5)) == "2026-11-24"
    assert place_of("2026-11-25", 1) > place_of("2026-11-24", 2**36 - 1)
    assert day_at(0) == ""


# --- answers to hubs below --------------------------------------------------------------------


def test_numbers_are_answered_in_ranges_with_their_refusals() -> None:
    below = Below()
    below.note([Passed(9, number, 0, (number,)) for number in (5, 6, 7, 9)] + [Passed(9, 8, 3, ())], 1_000)
    ((hub, body),) = below.due()
    assert (hub, relay.unpack_passed(body)) == (9, ([(5, 9)], {8: 3}))
    assert list(below.due()) == []
    assert below.hubs(2_000) == {9}
    assert below.hubs(90_000) == set()


def test_a_hub_is_not_given_back_what_it_gave() -> None:
    below = Below()
    below.note([Passed(9, 1, 0, (hash(b"frame"),))], 0)
    assert below.came_from(9, b"frame")
    assert not below.came_from(8, b"frame")
    for _ in range(TOLD_MAX + 1):
        below.told(9, b"x", 0)
    assert len(below.take_told()) == TOLD_MAX


@pytest.mark.parametrize(
    "body", [b"", b"\xc1", msgpack.packb([1]), msgpack.packb([[1], []]), msgpack.packb([[1, "2"], []])]
)
def test_answers_that_are_none_are_refused(body: bytes) -> None:
    with pytest.raises(RelayError):
        relay.unpack_passed(body)


def test_numbers_are_answered_after_the_commit_and_again_when_repeated(new_bench: Any) -> None:
    bench = new_bench()
    bench.enrol(9)
    bench.ingest.relays = frozenset({9})
    sent: list[tuple[int, bytes]] = []
    bench.ingest.paths.publish = lambda topic, device, data: (
        sent.append((device, data)) if topic is topics.orders else None
    )

    def carried(data: bytes, number: int) -> tuple[str, bytes]:
        return topics.relayed("live", 9), relay.pack_up(relay.Carried(5, data, number))

    good, strange = bench.frame(row=0)[1], bench.frame(row=0, device=99)[1]
    batch = [carried(good, 1), carried(strange, 2), carried(b"\x9b nonsense", 3)]
    admitted = bench.ingest.admit(batch)
    bench.ingest.settle(admitted, safe=False)
    assert bench.acks() == []
    assert sent == [], "not committed: not answered"
    bench.put(*batch, carried(good, 4))
    bench.acks()
    ((hub, _),) = sent
    assert hub == 9
    assert [one.reason for one in admitted.passed] == [
        0,
        REASONS["unknown_device"],
        admitted.passed[2].reason,
    ]
    assert admitted.passed[2].reason


def test_what_a_hub_kept_from_before_a_new_enrolment_is_taken_and_from_nobody_else(bench: Any) -> None:
    bench.enrol(8, 9)
    old = bench.frame(row=0)[1]
    bench.registry.devices.activate(7, "again", 0)
    bench.load()
    assert bench.keys.epochs[7] == 1
    bench.ingest.relays, bench.ingest.hubs = frozenset({8, 9}), frozenset({9})
    packed = relay.pack_up(relay.Carried(5, old, 1))
    bench.put((topics.relayed("live", 8), packed))
    assert (bench.stored_rows(), bench.counters.refused["mac"]) == ([], 1)
    bench.put((topics.relayed("live", 9), packed))
    assert len(bench.stored_rows()) == 1


def test_who_is_no_hub_may_not_say_who_is_enrolled(bench: Any) -> None:
    bench.put((topics.family("live", 7), b"x"), ("z/live/0/7/h", b"x"))
    assert bench.counters.refused["relay"] + bench.counters.refused["realm"] == 2
    assert bench.ingest.below.take_told() == []
    with pytest.raises(TopicError):
        topics.parse_family("live", "z/other/0/7/h")
    assert topics.parse_family("live", topics.up("live", 7, Lane.LIVE)) is None


def test_only_hubs_may_speak_on_their_topic_of_the_broker(bench: Any) -> None:
    devices = bench.registry.devices
    for number, kind in ((8, "relay"), (9, "hub")):
        devices.reserve(number, kind, True, 0)
        devices.activate(number, "x", 0)
    assert (devices.relays(), devices.hubs()) == ({8, 9}, {9})


# --- orders --------------------------------------------------------------------------------


def shared(seq: int = 5, expires_ms: int = 2**45) -> SharedOrder:
    order = orders.Order(f"o{seq}", "live", "all", 4, {"text": "集结"}, "李", "commander", seq, 1, expires_ms)
    return SharedOrder(orders.pack_order(order), [("aa", "bb", "李")], 1_000, "", (7, 9))


def test_an_order_comes_back_as_it_was_and_nothing_else_does() -> None:
    assert family.unpack_order(family.pack_order(shared())) == shared()
    assert family.unpack_order(family.pack([ENTRY])) is None
    good = msgpack.unpackb(family.pack_order(shared()))
    for place, wrong in ((1, 5), (2, [["a"]]), (3, -1), (4, None), (5, b"abc")):
        bad = [wrong if at == place else part for at, part in enumerate(good)]
        with pytest.raises(RosterError):
            family.unpack_order(msgpack.packb(bad))


def test_a_new_order_is_told_at_once_and_again_after_a_minute() -> None:
    teller, some = OrderTeller(), [shared(seq) for seq in range(6)]
    assert len(teller.due(some, 0)) == 4
    assert len(teller.due(some, 1_000)) == 2
    assert teller.due(some, 2_000) == []
    assert len(teller.due([*some, shared(9)], 3_000)) == 1
    assert len(teller.due(some, REST_MS)) == 4


def test_an_order_of_another_hub_is_taken_once_for_the_units_that_carry_its_devices_here(bench: Any) -> None:
    sharing = bench.registry.sharing
    row = sharing.take_order(shared())
    assert row is not None
    assert [carrier.device for carrier in bench.registry.orders.carriers(5)] == [7], "9 is not known here"
    assert len(row.units) == 1
    assert sharing.take_order(shared()) is None
    assert [one.core for one in sharing.open_orders(2)] == [shared().core]
    assert sharing.open_orders(2**45 + 1) == []

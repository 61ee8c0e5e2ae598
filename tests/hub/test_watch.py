"""Security notices: raised when a person must act, one a reason and device, kept over a restart, bounded."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.identity.watch import NOTICES_MAX, QUIET_MS, RULES, SHARE_MAX, SPOKEN_MAX, Watch
from hub.store.registry import SqliteRegistry


class Watching:
    """A watch over a real registry, and what it said."""

    def __init__(self, folder: Path, clock: Any) -> None:
        self.folder = folder
        self.clock = clock
        self.said: list[dict[str, Any]] = []
        self.open()

    def open(self) -> None:
        self.registry = SqliteRegistry(self.folder / "registry.db")
        self.registry.open(self.clock())
        self.watch = Watch(self.registry, self.clock, self.said.append, lambda device: f"C{device}")
        self.watch.load()

    def close(self) -> None:
        self.registry.close()

    def restart(self) -> None:
        self.close()
        self.open()

    def spoken(self) -> list[dict[str, Any]]:
        """What one tick says."""
        self.said.clear()
        self.watch.speak()
        return list(self.said)


@pytest.fixture
def watching(tmp_path: Path, clock: Any) -> Iterator[Watching]:
    made = Watching(tmp_path, clock)
    yield made
    made.close()


@pytest.mark.parametrize("reason", sorted(RULES))
def test_raised_at_its_threshold_and_not_before(watching: Watching, reason: str) -> None:
    for _ in range(RULES[reason].least - 1):
        watching.watch.tell(reason, 7)
    assert watching.watch.open() == []
    assert watching.spoken() == []
    watching.watch.tell(reason, 7)
    (notice,) = watching.watch.open()
    assert (notice.reason, notice.device, notice.count) == (reason, 7, RULES[reason].least)
    (said,) = watching.spoken()
    assert (said["k"], said["callsign"], said["id"]) == ("notice", "C7", notice.id)


@pytest.mark.parametrize("reason", ["denied", "revoked", "device", "teleport", "break_glass"])
def test_some_are_told_at_once(reason: str) -> None:
    assert RULES[reason].least == 1


def test_one_flipped_bit_is_no_attack(watching: Watching, clock: Any) -> None:
    for _ in range(10):
        watching.watch.tell("mac", 7)
        clock.now += RULES["mac"].within_ms // 2 + 1
    assert watching.watch.open() == [], "never three of them in ten minutes"
    for _ in range(3):
        watching.watch.tell("mac", 7)
    assert len(watching.watch.open()) == 1


def test_many_at_once_count_as_many(watching: Watching) -> None:
    watching.watch.tell("mac", 7, n=40)
    assert watching.watch.open()[0].count == 40


def test_one_notice_counts_on(watching: Watching, clock: Any) -> None:
    watching.watch.tell("revoked", 7)
    watching.spoken()
    clock.now += 5_000
    watching.watch.tell("revoked", 7)
    watching.watch.tell("revoked", 7)
    watching.watch.tell("revoked", 8)
    assert [(n.device, n.count) for n in watching.watch.open()] == [(7, 3), (8, 1)]
    seven, _ = watching.spoken()
    assert (seven["count"], seven["last_utc_ms"] - seven["first_utc_ms"]) == (3, 5_000)
    assert watching.spoken() == [], "nothing new: nothing said"


def test_places_without_a_device_differ_by_their_words(watching: Watching) -> None:
    watching.watch.tell("break_glass", words="王海")
    watching.watch.tell("break_glass", words="李明" * 1_000)
    assert sorted(len(n.words) for n in watching.watch.open()) == [2, 200]


def test_what_nobody_must_act_on_is_no_notice(watching: Watching) -> None:
    for _ in range(500):
        watching.watch.tell("shape", 7)
    assert watching.watch.open() == []


def test_taken_and_raised_anew(watching: Watching, clock: Any) -> None:
    watching.watch.tell("revoked", 7)
    (first,) = watching.watch.open()
    assert watching.watch.take(first.id, "admin")
    assert not watching.watch.take(first.id, "admin"), "once"
    assert watching.spoken()[-1]["taken_by"] == "admin"
    clock.now += QUIET_MS - 1
    watching.watch.tell("revoked", 7)
    assert watching.watch.open() == [], "what was on its way is not news"
    clock.now += 1
    watching.watch.tell("revoked", 7)
    (second,) = watching.watch.open()
    assert (second.id != first.id, second.count) == (True, 1)
    who, what = [record[2:4] for record in watching.registry.records()][-1]
    assert (who, what) == ("admin", "notice taken")


def test_kept_over_a_restart(watching: Watching) -> None:
    watching.watch.tell("revoked", 7)
    watching.watch.tell("revoked", 8)
    watching.watch.keep()
    watching.watch.tell("revoked", 7)
    watching.watch.keep()
    (kept,) = [n.id for n in watching.watch.open() if n.device == 8]
    assert watching.watch.take(kept, "admin")
    watching.restart()
    (notice,) = watching.watch.open()
    assert (notice.device, notice.count) == (7, 2)
    watching.watch.tell("revoked", 7)
    assert watching.watch.open()[0].count == 3, "the same notice goes on"


def test_a_late_write_does_not_open_a_taken_one(watching: Watching) -> None:
    watching.watch.tell("revoked", 7)
    (row,) = watching.watch.open()
    watching.watch.take(row.id, "admin")
    watching.registry.trust.keep_notices([row])  # the timer's write had begun before
    watching.restart()
    assert watching.watch.open() == []


def test_what_could_not_be_written_is_written_later(
    watching: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    watching.watch.tell("revoked", 7)
    with monkeypatch.context() as broken:
        broken.setattr(watching.registry.trust, "keep_notices", _full)
        with pytest.raises(OSError):
            watching.watch.keep()
    watching.watch.keep()
    watching.restart()
    assert len(watching.watch.open()) == 1


def _full(_rows: object) -> None:
    raise OSError("no space")


def test_invented_devices_grow_nothing_and_hide_nothing(watching: Watching) -> None:
    for device in range(3_000):
        watching.watch.tell("unknown_device", 100_000 + device)
    watching.watch.tell("revoked", 7)
    notices = watching.watch.open()
    assert {(n.reason, n.device) for n in notices} == {("revoked", 7), ("unknown_device", 0)}
    others = next(n for n in notices if n.reason == "unknown_device")
    assert others.count == 3_000 - SHARE_MAX
    for reason in RULES:
        for device in range(2_000):
            watching.watch.tell(reason, 200_000 + device, n=RULES[reason].least)
    assert len(watching.watch.open()) <= NOTICES_MAX


def test_tallies_that_came_to_nothing_make_room(watching: Watching, clock: Any) -> None:
    for device in range(SHARE_MAX):
        watching.watch.tell("unknown_device", 100_000 + device)
    clock.now += RULES["unknown_device"].within_ms + 1
    watching.watch.tell("unknown_device", 5, n=5)
    assert [n.device for n in watching.watch.open()] == [5]


def test_a_flood_of_notices_is_said_in_small_parts(watching: Watching) -> None:
    for device in range(SPOKEN_MAX + 5):
        watching.watch.tell("revoked", device + 1)
    assert [len(watching.spoken()) for _ in range(3)] == [SPOKEN_MAX, 5, 0]

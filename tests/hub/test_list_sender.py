"""The list of commanders' keys reaches every device that can judge it, until it says so."""

from typing import Any

import pytest

from hub.identity.commanders import Standing
from hub.identity.list_sender import AGAIN_MS, AT_ONCE_MAX, HEARD_MS, ListSender
from protocols import orders
from protocols.catalog import Kind


class Sending:
    """A sender with the list that holds, and what it published."""

    def __init__(self, bench: Any, judges: set[int]) -> None:
        self.bench = bench
        self.standing = Standing(0, b"", ())
        self.sent: list[tuple[int, bytes]] = []
        self.sender = ListSender(
            lambda: self.standing, lambda: judges, bench.units, bench.picture, bench.keys,
            lambda *said: self.sent.append(said), bench.clock,
        )  # fmt: skip

    def step(self) -> list[int]:
        """The devices that were sent something in one step."""
        self.sent.clear()
        self.sender.step()
        return [device for device, _ in self.sent]

    def report(self, device: int, row: int, number: int | None) -> None:
        values = {"uptime_s": 1} if number is None else {"uptime_s": 1, "key_list": number}
        self.bench.put(self.bench.frame(device=device, row=row, kind=Kind.HEALTH, rows=[values]))


@pytest.fixture
def sending(bench: Any) -> Sending:
    bench.enrol(7, 8, 9)
    made = Sending(bench, {7, 8})
    for device in (7, 8, 9):
        made.report(device, 0, None)
    return made


def test_nothing_is_sent_while_nobody_ever_commanded(sending: Sending) -> None:
    assert (sending.step(), sending.sender.behind()) == ([], 0)


def test_until_the_device_says_it_holds_it(sending: Sending, bench: Any) -> None:
    sending.standing = Standing(5, b"list 5", ())
    assert (sending.step(), sending.sender.behind()) == ([7, 8], 2), (
        "9 has no identity and could not judge it"
    )
    assert orders.unpack_down(sending.sent[0][1], bench.mac_key(7)) == (orders.What.KEYS, b"list 5")
    assert sending.step() == [], "not again at once"
    sending.report(7, 1, 5)
    bench.clock.now += AGAIN_MS
    assert (sending.step(), sending.sender.behind()) == ([8], 1)


def test_a_new_list_does_not_wait(sending: Sending) -> None:
    sending.standing = Standing(5, b"list 5", ())
    sending.step()
    sending.standing = Standing(6, b"list 6", ())
    assert sending.step() == [7, 8]


def test_the_silent_are_told_when_they_speak_again(sending: Sending, bench: Any) -> None:
    bench.clock.now += HEARD_MS
    sending.standing = Standing(5, b"list 5", ())
    assert sending.step() == []
    sending.report(8, 1, 3)
    assert sending.step() == [8]


def test_a_revoked_device_is_told_nothing(sending: Sending, bench: Any) -> None:
    bench.keys.replace({8: 0})
    sending.standing = Standing(5, b"list 5", ())
    assert sending.step() == [8]


def test_many_devices_are_told_a_part_at_a_time(bench: Any) -> None:
    devices = range(100, 100 + AT_ONCE_MAX + 50)
    bench.enrol(*devices)
    sending = Sending(bench, set(devices))
    for device in devices:
        sending.report(device, 0, None)
    sending.standing = Standing(5, b"list 5", ())
    assert (len(sending.step()), len(sending.step()), len(sending.step())) == (AT_ONCE_MAX, 50, 0)

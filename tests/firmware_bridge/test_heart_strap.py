"""Heart-rate straps: the parser, the port's options, recordings, and the process's part that speaks to bleak."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.apart.ble import BATTERY, HEART_RATE, Strap, recorded, replay
from firmware_bridge.apart.pipe import State
from firmware_bridge.heart_strap import HEART, HeartRate, options, parse_heart_rate, reading
from protocols.samples import Identity, Note, Reading, Sample
from sim.devices.heart_strap import Heart, HeartStrap

HERE = Path(__file__).parent / "captures/heart_strap"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("0048", HeartRate(72)),
        ("013801", None),  # 312: nobody
        ("01b400", HeartRate(180)),
        ("0648", HeartRate(72, True)),
        ("0448", HeartRate(72, False)),
        ("0248", HeartRate(72)),  # contact bit without the bit that makes it valid
        ("1e501a002c030004", HeartRate(80, True, 26, (793, 1_000))),
        ("1048", HeartRate(72)),
        ("104803", None),  # half a beat
        ("0848", None),  # energy is missing
        ("004800", None),  # more than the flags say
        ("01b4", None),
        ("00", None),
        ("", None),
    ],
)
def test_notifications(data: str, expected: HeartRate | None) -> None:
    assert parse_heart_rate(bytes.fromhex(data)) == expected


def test_no_contact_is_no_heart_rate_and_not_zero() -> None:
    assert reading(HeartRate(72, False)) is None
    assert reading(HeartRate(0, True)) is None
    assert reading(HeartRate(72)) == reading(HeartRate(72, True)) == Reading({HEART: 72})


@given(
    st.integers(0, 255), st.none() | st.booleans(), st.none() | st.integers(0, 65_535),
    st.lists(st.integers(0, 65_535), max_size=9), st.booleans(),
)  # fmt: skip
def test_the_emulator_is_understood(
    bpm: int, contact: bool | None, energy: int | None, rr: list[int], wide: bool
) -> None:
    data = HeartStrap(wide).notification(Heart(bpm, contact, energy, tuple(rr)))
    rate = parse_heart_rate(data)
    assert rate is not None
    assert (rate.bpm, rate.contact, rate.energy_kj) == (bpm, contact, energy)
    assert len(rate.rr_ms) == len(rr)
    assert all(abs(ms - beat * 1_000 / 1_024) <= 0.5 for ms, beat in zip(rate.rr_ms, rr, strict=True))
    assert len(data) == 1 or parse_heart_rate(data[:-1]) is None or energy is None


@given(st.binary(max_size=600))
def test_garbage_never_raises(data: bytes) -> None:
    rate = parse_heart_rate(data)
    assert rate is None or 0 <= rate.bpm <= 255


def test_options(tmp_path: Path) -> None:
    assert options({}, tmp_path) == ()
    assert options({"address": "aa:bb:cc:dd:ee:0f"}, tmp_path) == ("--address", "AA:BB:CC:DD:EE:0F")
    assert options({"name": "--evil"}, tmp_path) == ("--name=--evil",)
    assert options({"replay": "a.hex"}, tmp_path) == ("--replay", str(tmp_path / "a.hex"))
    for raw, words in [
        ({"adress": "x"}, "did you mean 'address'"),
        ({"address": "AA:BB"}, "AA:BB:CC:DD:EE:FF"),
        ({"name": ""}, "options.name"),
        ({"name": 5}, "options.name"),
    ]:
        with pytest.raises(ValueError, match=words):
            options(raw, tmp_path)


def listen(run: Callable[[Strap], object]) -> tuple[Strap, list[Sample], list[State]]:
    samples: list[Sample] = []
    states: list[State] = []

    async def inside() -> Strap:
        strap = Strap(samples.append, states.append)
        await run(strap)  # type: ignore[misc]
        return strap

    return asyncio.run(inside()), samples, states


def test_a_recording() -> None:
    """Contact is lost for three notifications, and one is damaged: neither is a heart rate."""
    lines = recorded((HERE / "stairs.hex").read_text())
    strap, samples, states = listen(lambda strap: replay(strap, lines, 0))
    assert [sample.values[HEART] for sample in samples if isinstance(sample, Reading)] == [
        88, 92, 97, 103, 110, 118, 125, 131, 165,
    ]  # fmt: skip
    assert (strap.stats.good, strap.stats.bad) == (12, 1)
    assert states[0].open
    assert (states[-1].open, states[-1].error) == (False, "the recording has ended")


@pytest.mark.parametrize("text", ["x 0048", "5 zz", "5", "-1 0048", "5 " + "00" * 600])
def test_wrong_recordings_name_their_line(text: str) -> None:
    with pytest.raises(ValueError, match="line 2"):
        recorded("0 0048 # good\n" + text)


class RadioError(Exception):
    """As `BleakError`."""


class FakeClient:
    """What a strap does, written down: notifications, then it goes, or fails where the test says."""

    def __init__(self, notifications: list[bytes], fails: str = "", battery: bytes | None = None) -> None:
        self.is_connected = False
        self.calls: list[str] = []
        self._notifications, self._fails, self._battery = notifications, fails, battery

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if name == self._fails:
            raise RadioError(name)

    async def connect(self) -> None:
        self._call("connect")
        self.is_connected = True

    async def disconnect(self) -> None:
        self._call("disconnect")
        self.is_connected = False

    async def start_notify(self, characteristic: str, callback: Callable[[object, bytearray], None]) -> None:
        assert characteristic == HEART_RATE
        self._call("start_notify")

        async def notify() -> None:
            for data in self._notifications:
                callback(None, bytearray(data))
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            self.is_connected = False
            callback(None, bytearray(b"\x00\x01"))

        self._task = asyncio.create_task(notify())

    async def read_gatt_char(self, characteristic: str) -> bytearray:
        assert characteristic == BATTERY
        self._call("battery")
        if self._battery is None:
            raise RadioError("no such characteristic")
        return bytearray(self._battery)


class FakeRadio:
    """Gives one client after another, then ends the test."""

    errors = (RadioError,)

    def __init__(self, *clients: FakeClient | None) -> None:
        self._clients = list(clients)

    async def find(self, address: str, name: str) -> tuple[FakeClient, str] | None:
        if not self._clients:
            raise asyncio.CancelledError
        client = self._clients.pop(0)
        return (client, "Polar H10") if client else None


def session(*clients: FakeClient | None) -> tuple[Strap, list[Sample], list[State], list[float]]:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async def run(strap: Strap) -> None:
        try:
            await strap.run(FakeRadio(*clients), "", "", sleep)
        except asyncio.CancelledError:
            return

    strap, samples, states = listen(run)
    return strap, samples, states, waits


def test_a_strap_that_goes_is_looked_for_again() -> None:
    first = FakeClient([b"\x06\x48", b"\x04\x48", b"\x06\x49"], battery=b"\x50")
    second = FakeClient([b"\x06\x60"])
    _, samples, states, waits = session(first, None, second)
    assert samples == [
        Identity("Polar H10"), Note("heart_strap", {"battery_pct": 80}), Reading({HEART: 72}), Reading({HEART: 73}),
        Reading({HEART: 1}), Identity("Polar H10"), Reading({HEART: 96}), Reading({HEART: 1}),
    ]  # fmt: skip
    assert first.calls == ["connect", "start_notify", "battery", "disconnect"]
    assert [state.error for state in states if not state.open] == [
        "it has gone", "no strap with a heart rate is near", "it has gone",
    ]  # fmt: skip
    assert waits == [1.0, 2.0, 1.0]


@pytest.mark.parametrize("call", ["connect", "start_notify", "disconnect"])
def test_what_the_radio_raises_is_a_state_and_another_try(call: str) -> None:
    strap, samples, states, waits = session(FakeClient([], fails=call), FakeClient([b"\x06\x48"]))
    assert Reading({HEART: 72}) in samples
    assert len(waits) == 2
    assert call == "disconnect" or any(call in state.error for state in states)
    assert not strap.open


def test_waiting_grows_to_half_a_minute() -> None:
    *_, waits = session(*[None] * 8)
    assert waits == [2, 4, 8, 16, 30, 30, 30, 30]

"""A heart-rate strap by Bluetooth, in a process of its own.

Enters: notifications of characteristic 0x2A37, from a strap or from a file of recorded ones. Leaves: `Reading`,
`Identity` and `Note` (the strap's battery) as lines on stdout. Started by `edge.apart_worker` as
`python -m firmware_bridge.apart.ble --path hci0 [--address AA:BB:CC:DD:EE:FF | --name "Polar H10"] [--replay FILE]`.
`Strap` takes its radio as an argument, so that it runs without Bluetooth in tests; bleak is imported only to make a
real one.

A file of recorded notifications has lines `ms hex`: milliseconds since the file's first line, and the bytes.
"""

import argparse
import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol, cast

from firmware_bridge.apart.pipe import State
from firmware_bridge.apart.process import STDIN_FD, Mouth, extra_missing, run
from firmware_bridge.heart_strap import NOTIFICATION_SIZE_MAX, parse_heart_rate, reading
from firmware_bridge.interface import Stats
from protocols.samples import Identity, Note, Sample

HEART_RATE = "00002a37-0000-1000-8000-00805f9b34fb"
HEART_SERVICE = "0000180d-0000-1000-8000-00805f9b34fb"
BATTERY = "00002a19-0000-1000-8000-00805f9b34fb"
SCAN_S, CONNECT_S = 10.0, 20.0
RETRY_S_MIN, RETRY_S_MAX = 1.0, 30.0
BATTERY_EVERY_S = 600.0
SILENT_S_MAX = 15.0
"""A strap notifies once a second. One that is connected and says nothing for so long is dropped and looked for."""

REPLAY_LINES_MAX = 1_000_000


class Client(Protocol):
    """What is used of a `bleak.BleakClient`."""

    @property
    def is_connected(self) -> bool: ...
    async def connect(self) -> object: ...
    async def disconnect(self) -> object: ...
    async def start_notify(
        self, characteristic: str, callback: Callable[[object, bytearray], None]
    ) -> None: ...
    async def read_gatt_char(self, characteristic: str) -> bytearray: ...


class Radio(Protocol):
    """Finds a strap; what it raises when the radio fails is in `errors`."""

    errors: tuple[type[Exception], ...]

    async def find(self, address: str, name: str) -> tuple[Client, str] | None:
        """A client and the strap's name; None when no such strap is near."""


class Strap:
    """One strap: finds it, listens, and begins again when it goes."""

    def __init__(self, say: Callable[[Sample], None], tell: Callable[[State], None]) -> None:
        """`say` takes samples, `tell` the state of things."""
        self.stats = Stats()
        self.error = ""
        self.open = False
        self._say = say
        self._tell = tell
        self._news = asyncio.Event()

    def heard(self, data: bytes) -> None:
        """One notification."""
        self.stats.bytes += len(data)
        rate = parse_heart_rate(data)
        self.stats.good += rate is not None
        self.stats.bad += rate is None
        sample = reading(rate) if rate else None
        if sample is not None:
            self._say(sample)
        self._news.set()

    def tell(self) -> None:
        """Say how it is."""
        stats = self.stats
        self._tell(State(self.open, self.open, 0, stats.bytes, stats.good, stats.bad, 0, 0, self.error))

    async def run(
        self,
        radio: Radio,
        address: str,
        name: str,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Go on until cancelled."""
        retry_s = RETRY_S_MIN
        errors: tuple[type[Exception], ...] = (*radio.errors, TimeoutError, OSError)
        while True:
            good = self.stats.good
            try:
                self.error = await self._session(radio, address, name)
            except FileNotFoundError:  # the socket of D-Bus
                self.error = "no Bluetooth service runs on this machine"
            except errors as err:
                self.error = f"{type(err).__name__}: {err}"[:200]
            self.open = False
            self.tell()
            retry_s = RETRY_S_MIN if self.stats.good > good else min(2 * retry_s, RETRY_S_MAX)
            await sleep(retry_s)

    async def _session(self, radio: Radio, address: str, name: str) -> str:
        """From finding to losing it; the words why."""
        found = await radio.find(address, name)
        if found is None:
            return f"no strap {address or name or 'with a heart rate'} is near"
        client, model = found
        await asyncio.wait_for(client.connect(), CONNECT_S)
        try:
            self.open, self.error = True, ""
            self._say(Identity(model))
            self.tell()
            await client.start_notify(HEART_RATE, lambda _sender, data: self.heard(bytes(data)))
            return await self._listen(radio, client)
        finally:
            try:
                await client.disconnect()
            except radio.errors:
                self.open = False

    async def _listen(self, radio: Radio, client: Client) -> str:
        await self._battery(radio, client)
        asked_s = time.monotonic()
        while client.is_connected:
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), SILENT_S_MAX)
            except TimeoutError:
                return "it is silent"
            self.tell()
            if time.monotonic() - asked_s > BATTERY_EVERY_S:
                asked_s = time.monotonic()
                await self._battery(radio, client)
        return "it has gone"

    async def _battery(self, radio: Radio, client: Client) -> None:
        """Say the strap's battery; many have none, and that is no reason to leave."""
        try:
            data = await client.read_gatt_char(BATTERY)
        except radio.errors:
            return
        if len(data) == 1 and data[0] <= 100:
            self._say(Note("heart_strap", {"battery_pct": data[0]}))


class BleakRadio:
    """The machine's own Bluetooth. ImportError without bleak."""

    def __init__(self, adapter: str) -> None:
        import bleak
        from bleak.exc import BleakError

        self._bleak = bleak
        self._adapter = {"adapter": adapter} if adapter.startswith("hci") else {}
        self.errors: tuple[type[Exception], ...] = (BleakError, EOFError, AttributeError, KeyError)

    async def find(self, address: str, name: str) -> tuple[Client, str] | None:
        """See `Radio`. Without address and name, the first strap that offers a heart rate."""

        def fits(device: object, advertised: object) -> bool:
            if address:
                return bool(getattr(device, "address", "").upper() == address)
            called = getattr(advertised, "local_name", None) or getattr(device, "name", None) or ""
            return called == name if name else HEART_SERVICE in getattr(advertised, "service_uuids", ())

        device = await self._bleak.BleakScanner.find_device_by_filter(
            fits,
            timeout=SCAN_S,
            bluez=self._adapter,  # type: ignore[arg-type]
        )
        if device is None:
            return None
        client = self._bleak.BleakClient(device, timeout=CONNECT_S, bluez=self._adapter)  # type: ignore[arg-type]
        return cast(Client, client), device.name or device.address


def recorded(text: str) -> list[tuple[int, bytes]]:
    """The notifications of a file: (ms, bytes). Empty lines and `#` are left out; ValueError names a wrong line."""
    out: list[tuple[int, bytes]] = []
    for number, line in enumerate(text.splitlines()[:REPLAY_LINES_MAX], 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            at_ms, data = int(words[0]), bytes.fromhex("".join(words[1:]))
        except ValueError:
            raise ValueError(
                f"line {number}: {line[:60]!r}; milliseconds and bytes in hex are needed"
            ) from None
        if at_ms < 0 or not 0 < len(data) <= NOTIFICATION_SIZE_MAX:
            raise ValueError(
                f"line {number}: {line[:60]!r}; 1–{NOTIFICATION_SIZE_MAX} bytes at 0 ms or later are needed"
            )
        out.append((at_ms, data))
    return out


async def replay(strap: Strap, notifications: list[tuple[int, bytes]], speed: float) -> None:
    """Play them through the strap's own parser, `speed` times as fast; 0 does not wait at all."""
    strap.open = True
    began_s = time.monotonic()
    for at_ms, data in notifications:
        wait_s = at_ms / 1_000 / speed - (time.monotonic() - began_s) if speed else 0
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        strap.heard(data)
        strap.tell()
    strap.open, strap.error = False, "the recording has ended"
    strap.tell()


def _end_with_the_agent() -> None:
    """Wait for the end of stdin in a thread, and end the process then, whatever the loop is waiting for."""

    def wait() -> None:
        while os.read(STDIN_FD, 64):
            continue
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()


def main() -> int:
    """The command line; returns the status to exit with."""
    words = argparse.ArgumentParser(description="heart-rate strap to lines for the agent")
    words.add_argument(
        "--path", default="", help="the adapter, such as hci0; anything else takes the first one"
    )
    words.add_argument("--address", default="")
    words.add_argument("--name", default="")
    words.add_argument("--replay", type=Path, help="recorded notifications instead of a strap")
    words.add_argument("--speed", type=float, default=1.0, help="of --replay; 0 does not wait")
    given = words.parse_args()
    _end_with_the_agent()
    mouth = Mouth()
    return asyncio.run(_serve(mouth, given))


async def _serve(mouth: Mouth, given: argparse.Namespace) -> int:
    strap = Strap(mouth.say, lambda state: mouth.state(state, time.monotonic_ns()))
    if given.replay:
        await replay(strap, recorded(given.replay.read_text(encoding="utf-8")), given.speed)
        while True:  # a strap that has gone: the process stays, as it would with a real one
            await asyncio.sleep(1)
            strap.tell()
    try:
        radio = BleakRadio(given.path)
    except ImportError as err:
        return extra_missing("ble", err)
    ticking = asyncio.create_task(_tick(strap))
    try:
        await strap.run(radio, given.address.upper(), given.name)
    finally:
        ticking.cancel()
    return 0


async def _tick(strap: Strap) -> None:
    """A state each second while it scans, so that the agent knows that we live."""
    while True:
        strap.tell()
        await asyncio.sleep(1)


if __name__ == "__main__":
    run(main)

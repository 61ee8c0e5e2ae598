"""An emulated ELM327 adapter in a vehicle, and the quirks of its clones.

Enters: truth in natural units, commands. Leaves: the adapter's bytes. Called by drills and tests. Frames are built here
by the tables of SAE J1979 with formulas turned round; no code is shared with the driver.
"""

from dataclasses import dataclass, field

NAME = "ELM327 v1.5"


@dataclass(slots=True)
class Vehicle:
    """Truth. None: the vehicle does not support it."""

    speed_kmh: float | None = 0
    rpm: float | None = 800
    coolant_c: float | None = 80
    load_pct: float | None = 20
    fuel_pct: float | None = 60
    supply_v: float | None = 13.8
    fuel_lph: float | None = None
    ignition: bool = True

    def data(self) -> dict[int, bytes]:
        """PID -> bytes."""
        words: list[tuple[int, int, float | None]] = [
            (0x04, 1, None if self.load_pct is None else self.load_pct * 2.55),
            (0x05, 1, None if self.coolant_c is None else self.coolant_c + 40),
            (0x0C, 2, None if self.rpm is None else self.rpm * 4),
            (0x0D, 1, self.speed_kmh),
            (0x2F, 1, None if self.fuel_pct is None else self.fuel_pct * 2.55),
            (0x42, 2, None if self.supply_v is None else self.supply_v * 1_000),
            (0x5E, 2, None if self.fuel_lph is None else self.fuel_lph * 20),
        ]
        out = {pid: round(value).to_bytes(size, "big") for pid, size, value in words if value is not None}
        for base in (0x40, 0x20, 0x00):
            listed = sum(1 << base + 32 - pid for pid in out if base < pid <= base + 32)
            if listed or base == 0:
                out[base] = listed.to_bytes(4, "big")
        return out


@dataclass(slots=True)
class Elm327:
    """The adapter. `step` gives what was said by the time; `answer` says at once where `slow_ms` is 0.

    echo_stays  ATE0 is ignored, as some clones do
    no_headers  ATH1 answers "?"
    spaces      whether bytes are parted
    ecus        headers that answer; "" with `no_headers`
    bus         "can" (11 bits), "can29" or "iso" (9141-2, with a checksum)
    say         what comes in place of the next answers to PIDs, newest last
    nuls        NULs between the bytes
    """

    vehicle: Vehicle = field(default_factory=Vehicle)
    echo_stays: bool = False
    no_headers: bool = False
    spaces: bool = True
    padding: bytes = b""
    ecus: tuple[str, ...] = ("7E8",)
    bus: str = "can"
    slow_ms: int = 0
    say: list[bytes] = field(default_factory=list)
    nuls: bool = False
    battery_v: float = 12.6
    asked: list[str] = field(default_factory=list)
    _echo: bool = True
    _headers: bool = False
    _linefeeds: bool = True
    _connected: bool = False
    _line: bytes = b""
    _now_ms: int = 0
    _late: list[tuple[int, bytes]] = field(default_factory=list)

    def answer(self, data: bytes) -> bytes:
        """What it says to commands; a byte that comes while it works breaks the work off."""
        out = b""
        if self._late and data:
            self._late.clear()
            out = self._framed("STOPPED")
        self._line = (self._line + data)[-64:]
        while b"\r" in self._line:
            line, self._line = self._line.split(b"\r", 1)
            out += self._command(line.decode("latin-1").replace(" ", "").upper())
        return out

    def step(self, t_ms: int) -> bytes:
        """What a slow one says by `t_ms`."""
        self._now_ms = t_ms
        due = b"".join(data for at_ms, data in self._late if at_ms <= t_ms)
        self._late = [(at_ms, data) for at_ms, data in self._late if at_ms > t_ms]
        return due

    def reset(self) -> bytes:
        """Power failed for a moment."""
        self._echo, self._headers, self._linefeeds, self._connected = True, False, True, False
        self._late.clear()
        return self._framed(f"\r\r{NAME}")

    def _command(self, command: str) -> bytes:
        self.asked = [*self.asked[-9_999:], command]
        echo = (command + "\r").encode("latin-1") if self._echo else b""
        said = echo + (self._setting(command) if command.startswith("AT") else self._request(command))
        if self.nuls:
            said = b"\0".join(said[at : at + 1] for at in range(len(said))) + b"\0"
        if self.slow_ms:
            self._late.append((self._now_ms + self.slow_ms, said))
            return b""
        return said

    def _setting(self, command: str) -> bytes:
        if command in ("ATZ", "ATI"):
            return self.reset() if command == "ATZ" else self._framed(NAME)
        if command == "ATRV":
            return self._framed(f"{self.battery_v:.1f}V")
        if command == "ATDPN":
            return self._framed(
                {"can": "A6", "can29": "A7", "iso": "A3"}[self.bus] if self._connected else "A0"
            )
        if command in ("ATE0", "ATE1"):
            self._echo = self.echo_stays or command == "ATE1"
        elif command in ("ATH0", "ATH1"):
            if self.no_headers:
                return self._framed("?")
            self._headers = command == "ATH1"
        elif command in ("ATL0", "ATL1"):
            self._linefeeds = command == "ATL1"
        elif not command.startswith("ATSP"):
            return self._framed("?")
        return self._framed("OK")

    def _request(self, command: str) -> bytes:
        if self.say:
            return self.say.pop(0)
        searching = "" if self._connected else "SEARCHING...\r"
        if not self.vehicle.ignition:
            self._connected = False
            return self._framed(searching + "UNABLE TO CONNECT" if searching else "NO DATA")
        if len(command) != 4 or not command.startswith("01"):
            return self._framed("?")
        self._connected = True
        data = self.vehicle.data().get(int(command[2:], 16))
        if data is None:
            return self._framed(searching + "NO DATA")
        payload = b"\x41" + bytes.fromhex(command[2:]) + data
        return self._framed(searching + "\r".join(self._shown(ecu, payload) for ecu in self.ecus))

    def _shown(self, ecu: str, payload: bytes) -> str:
        if not self._headers:
            return self._parted(payload)
        if self.bus == "iso":
            whole = bytes.fromhex("486B" + ecu[-2:]) + payload
            return self._parted(whole + bytes((sum(whole) & 0xFF,)))
        body = bytes((len(payload),)) + payload
        body += self.padding * (8 - len(body))
        if self.bus == "can29":
            return self._parted(bytes.fromhex("18DAF1" + ecu[-2:]) + body)
        return ecu + (" " if self.spaces else "") + self._parted(body)

    def _parted(self, data: bytes) -> str:
        return data.hex(" " if self.spaces else "", 1).upper() if self.spaces else data.hex().upper()

    def _framed(self, text: str) -> bytes:
        end = "\r\n" if self._linefeeds else "\r"
        return (text.replace("\r", end) + end + end + ">").encode("latin-1")

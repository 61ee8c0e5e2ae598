"""An emulated u-blox receiver.

Enters: the world's truth as a `Fix`, and what the client writes. Leaves: bytes. Called by the player and by
drills. As from the factory it sends NMEA; NAV-PVT, NAV-HPPOSLLH, NAV-SAT and NAV-RELPOSNED start when a client asks
for them, by CFG-MSG or by CFG-VALSET, and MON-VER is answered. With two antennas, somebody has set up NAV-RELPOSNED.
"""

from struct import unpack_from

from firmware_bridge.framing import Splitter
from firmware_bridge.interface import Stats
from firmware_bridge.sky import System
from firmware_bridge.ubx import (
    ACK_ACK,
    ACK_NAK,
    CFG_MSG,
    CFG_VALSET,
    MON_VER,
    NAV_HPPOSLLH,
    NAV_PVT,
    NAV_RELPOSNED,
    NAV_SAT,
)
from firmware_bridge.ubx_build import (
    KEYS_NAV_HPPOSLLH,
    KEYS_NAV_PVT,
    KEYS_NAV_SAT,
    build,
    build_mon_ver,
    build_nav_hpposllh,
    build_nav_pvt,
    build_nav_relposned,
    build_nav_sat,
)
from protocols.samples import Fix
from sim.devices.gnss_nmea import NmeaReceiver
from sim.devices.gnss_sky import satellites

_MESSAGE_BY_KEY = {
    **dict.fromkeys(KEYS_NAV_PVT, NAV_PVT),
    **dict.fromkeys(KEYS_NAV_HPPOSLLH, NAV_HPPOSLLH),
    **dict.fromkeys(KEYS_NAV_SAT, NAV_SAT),
}
_GNSS_ID = {System.GPS: 0, System.GALILEO: 2, System.BEIDOU: 3, System.QZSS: 5, System.GLONASS: 6}
_AGE_DS_MAX = (10, 20, 50, 100, 150, 200, 300, 450, 600, 900, 1_200)


def _nav_sat(fix: Fix) -> bytes:
    used = satellites(fix.sats_used or 0)
    listed = [
        (_GNSS_ID[system], number - 64 if system is System.GLONASS else number, number in used[system])
        for system, numbers in satellites(max(fix.sats_seen or 0, fix.sats_used or 0)).items()
        for number in numbers
    ]
    return build_nav_sat(fix.t_utc_ms, listed)


_BUILDERS = {
    NAV_HPPOSLLH: build_nav_hpposllh,
    NAV_SAT: _nav_sat,
    NAV_RELPOSNED: build_nav_relposned,
}
_VALSET_HEADER_SIZE = 4
_KEY_AND_VALUE_SIZE = 5


def _age_code(age_ds: int | None) -> int:
    """NAV-PVT's code of an age."""
    return 0 if age_ds is None else 1 + sum(age_ds > limit for limit in _AGE_DS_MAX)


class UbxReceiver:
    """A receiver with a memory for what it was asked to send."""

    def __init__(
        self, model: str = "ZED-F9P", firmware: str = "HPG 1.32", nmea: bool = True, dual: bool = False
    ) -> None:
        """`nmea`: whether it also sends NMEA, as it does until somebody turns it off. `dual`: with two antennas."""
        self._model, self._firmware = model, firmware
        self._nmea = NmeaReceiver() if nmea else None
        self._rates = {NAV_PVT: 0, NAV_HPPOSLLH: 0, NAV_SAT: 0, NAV_RELPOSNED: int(dual)}
        self._epochs = 0
        self._answers = bytearray()
        self._splitter = Splitter(Stats(), lambda _body, _digits: None, self._command, lambda: None)

    def epoch(self, fix: Fix, corrections_age_ds: int | None = None) -> bytes:
        """All messages of one moment."""
        self._epochs += 1
        out = self._nmea.epoch(fix, corrections_age_ds) if self._nmea is not None else b""
        for message, rate in self._rates.items():
            if rate and self._epochs % rate == 0:
                if message == NAV_PVT:
                    out += build_nav_pvt(fix, _age_code(corrections_age_ds))
                else:
                    out += _BUILDERS[message](fix)
        return out

    def answer(self, data: bytes) -> bytes:
        """What the receiver says to what a client wrote: acknowledgements and versions."""
        self._splitter.feed(data)
        out = bytes(self._answers)
        self._answers.clear()
        return out

    def _command(self, message: int, payload: bytes) -> None:
        if message == MON_VER and not payload:
            said = (f"FWVER={self._firmware}", "PROTVER=27.31", f"MOD={self._model}")
            self._answers += build_mon_ver("EXT CORE 1.00 (0fa0ae)", "00190000", said)
        elif message in (CFG_MSG, CFG_VALSET):
            done = self._set_rate(payload) if message == CFG_MSG else self._set_keys(payload)
            self._answers += build(ACK_ACK if done else ACK_NAK, message.to_bytes(2, "big"))

    def _set_rate(self, payload: bytes) -> bool:
        """CFG-MSG with one rate (this port) or six (every port; ours is the second, UART1)."""
        if len(payload) not in (3, 8):
            return False
        wanted = payload[0] << 8 | payload[1]
        if wanted not in self._rates:
            return False
        self._rates[wanted] = payload[2] if len(payload) == 3 else payload[3]
        return True

    def _set_keys(self, payload: bytes) -> bool:
        """CFG-VALSET; one unknown key refuses all of them."""
        pairs = payload[_VALSET_HEADER_SIZE:]
        if not pairs or len(pairs) % _KEY_AND_VALUE_SIZE:
            return False
        wanted = [unpack_from("<IB", pairs, at) for at in range(0, len(pairs), _KEY_AND_VALUE_SIZE)]
        if any(key not in _MESSAGE_BY_KEY for key, _ in wanted):
            return False
        for key, rate in wanted:
            self._rates[_MESSAGE_BY_KEY[key]] = rate
        return True

"""Ports over ptys, with a clock of our own. Only descriptors are waited on, and with a time-out."""

import os
import select
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge import ports
from firmware_bridge.drivers import DRIVERS
from firmware_bridge.nmea_build import build_gga, build_rmc
from firmware_bridge.ports import BAUDS, REOPEN_MS, WRITE_PENDING_SIZE_MAX, Port, PortInfo, list_ports
from protocols.samples import Fix, FixMode
from protocols.units import NS_PER_MS

FIX = Fix(1_767_268_800_000, FixMode.FIX_3D, 31_247_950_000, 121_587_438_000, 5_000, sats_used=9)
EPOCH = build_gga(FIX) + build_rmc(FIX)
SCORE = DRIVERS["gnss"].score
ms = NS_PER_MS


class Wire:
    """A device end made by hand: a pty whose slave has a stable link. The test itself is the device."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self.master, self.slave = -1, -1

    def plug(self) -> None:
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        self.link.symlink_to(os.ttyname(self.slave))

    def unplug(self) -> None:
        if self.master >= 0:
            self.link.unlink()
            os.close(self.slave)
            os.close(self.master)
            self.master = -1

    def client_baud(self) -> int:
        import termios

        speed = termios.tcgetattr(self.master)[5]
        return next(baud for baud in (*BAUDS, 300) if getattr(termios, f"B{baud}") == speed)


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    wire = Wire(tmp_path / "gnss0")
    yield wire
    wire.unplug()


def await_bytes(port: Port, size: int, t_mono_ns: int = 0) -> bytes:
    """Reads until `size` bytes are there or nothing comes for a second."""
    data = b""
    while len(data) < size and port.fileno() is not None and select.select([port.fileno()], [], [], 1.0)[0]:
        data += port.read(t_mono_ns)
    return data


def test_constructor_does_no_io_and_checks() -> None:
    port = Port("/nowhere/at/all", baud=9600)
    assert port.fileno() is None
    assert port.read() == b""
    with pytest.raises(ValueError, match="give a baud or a score"):
        Port("/dev/x")
    with pytest.raises(ValueError, match="300–4000000"):
        Port("/dev/x", baud=10)


def test_fixed_baud_reads_and_writes(wire: Wire) -> None:
    wire.plug()
    port = Port(str(wire.link), baud=9600)
    assert port.maintain(1)
    assert not port.maintain(2)
    assert port.locked
    assert wire.client_baud() == 9600
    os.write(wire.master, EPOCH)
    assert await_bytes(port, len(EPOCH), 77) == EPOCH
    assert (port.stats.byte_count, port.stats.last_byte_mono_ns, port.stats.baud) == (len(EPOCH), 77, 9600)
    assert port.write(b"hello")
    assert os.read(wire.master, 100) == b"hello"
    port.close()
    assert port.fileno() is None


def test_port_is_exclusive(wire: Wire) -> None:
    wire.plug()
    first, second = Port(str(wire.link), baud=9600), Port(str(wire.link), baud=9600)
    first.maintain(0)
    second.maintain(0)
    assert first.fileno() is not None
    assert second.fileno() is None
    assert "open:" in second.stats.last_error
    first.close()
    second.maintain(REOPEN_MS * ms)
    assert second.fileno() is not None
    second.close()


def test_unplug_is_noticed_and_replug_is_open_within_two_seconds(wire: Wire) -> None:
    wire.plug()
    port = Port(str(wire.link), baud=9600)
    port.maintain(0)
    for turn in range(1, 4):
        start = turn * 10_000 * ms
        old_fd = port.fileno()
        assert old_fd is not None
        wire.unplug()
        assert select.select([old_fd], [], [], 1.0)[0], "an unplugged device must wake the loop"
        assert port.read(start) == b""
        assert port.fileno() is None
        assert port.maintain(start + 1)
        assert not port.maintain(start + 2)
        wire.plug()
        opened_ms = next(t for t in range(0, 2001, 50) if port.maintain(start + t * ms))
        assert opened_ms <= REOPEN_MS
        os.write(wire.master, EPOCH)
        assert await_bytes(port, len(EPOCH)) == EPOCH
    assert (port.stats.unplug_count, port.stats.open_count) == (3, 4)
    port.close()


def test_unplug_during_write(wire: Wire) -> None:
    wire.plug()
    port = Port(str(wire.link), baud=9600)
    port.maintain(0)
    wire.unplug()
    port.write(b"x")
    assert port.fileno() is None
    assert port.stats.unplug_count == 1
    assert not port.write(b"y")
    assert port.stats.dropped_size == 1


def test_hot_plug_of_a_pattern(wire: Wire) -> None:
    port = Port(str(wire.link.parent / "gnss*"), baud=9600)
    port.maintain(0)
    assert "no such device" in port.stats.last_error
    wire.plug()
    assert not port.maintain((REOPEN_MS - 1) * ms)
    assert port.maintain(REOPEN_MS * ms)
    port.close()


@pytest.mark.parametrize("baud", [115_200, 9_600, 38_400, 4_800, 921_600])
def test_auto_baud_locks_where_messages_are_valid(wire: Wire, baud: int) -> None:
    """A device at `baud` sends once a second; at any other rate the port sees garbage."""
    wire.plug()
    port = Port(str(wire.link), score=SCORE)
    data, t_ms = b"", 0
    while not data:
        port.maintain(t_ms * ms)
        if t_ms % 1000 == 0:
            os.write(wire.master, EPOCH if wire.client_baud() == baud else b"\x80\xf8\x00" * 40)
            assert select.select([port.fileno()], [], [], 1.0)[0]
            data = port.read(t_ms * ms)
        t_ms += 250
        assert t_ms < 30_000
    assert data == EPOCH
    assert (port.locked, port.stats.baud) == (True, baud)
    port.close()
    port.maintain(t_ms * ms + REOPEN_MS * ms)
    assert port.stats.baud == baud, "the last good rate comes first"
    port.close()


def test_auto_baud_keeps_bytes_back_until_locked(wire: Wire) -> None:
    wire.plug()
    port = Port(str(wire.link), score=SCORE)
    port.maintain(0)
    half = len(EPOCH) // 2
    os.write(wire.master, EPOCH[:half])
    assert select.select([port.fileno()], [], [], 1.0)[0]
    assert port.read(1) == b""
    assert not port.locked
    assert port.write(b"hello"), "waits for the rate"
    os.write(wire.master, EPOCH[half:])
    assert await_bytes(port, 1, 2) == EPOCH
    port.maintain(3)
    assert os.read(wire.master, 10) == b"hello"
    port.search_baud()
    assert not port.locked
    port.close()


def test_pending_writes_are_bounded(wire: Wire) -> None:
    wire.plug()
    port = Port(str(wire.link), score=SCORE)
    port.maintain(0)
    assert port.write(b"x" * WRITE_PENDING_SIZE_MAX)
    assert not port.write(b"y")
    assert port.stats.dropped_size == 1
    port.close()


def test_not_a_tty_is_an_error_not_an_exception(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"$GPGGA")
    port = Port(str(path), baud=9600)
    assert not port.maintain(0)
    assert "open:" in port.stats.last_error


def test_list_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    class Found:
        device, description = "/dev/ttyUSB0", None

    monkeypatch.setattr(ports._list_ports, "comports", lambda: [Found()])
    assert list_ports() == [PortInfo("/dev/ttyUSB0", "", "")]

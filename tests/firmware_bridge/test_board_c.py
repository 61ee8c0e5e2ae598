"""The C library of boards, compiled and driven against our own end, plain and under sanitizers."""

import hashlib
import random
import re
import select
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from edge.cli import main
from firmware_bridge import board_header
from firmware_bridge.board import MAY_SEND, BoardDriver
from firmware_bridge.board_image import Image, build_image, parse_image
from firmware_bridge.board_update import Step, Updater
from firmware_bridge.board_wire import Can, Down, Hello, Up, pack_frame, pack_hello
from firmware_bridge.interface import Clock, Play, Settings, Show
from protocols.samples import Identity, Impact, Note, Observed, Pressed, Reading, Sample
from protocols.wearer import GESTURES, PATTERNS, Gesture, Pattern
from sim.devices.board_buttons import Buttons
from sim.pty import PtyLine

HERE = Path(__file__).parent / "firmware"
LIBRARY = board_header.PATH.parent
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]
SANITIZE = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
CAN = int(sum(Can))
VENDOR = SigningKey(bytes(range(32)))
SLOT, SECTOR = 32_768, 1_024


def compile_c(source: Path, program: Path, extra: list[str]) -> Path:
    sources = [str(path) for path in sorted(LIBRARY.glob("zl_*.c"))]
    flags = [*STRICT, *extra, f"-I{LIBRARY}", "-o", str(program)]
    done = subprocess.run(["gcc", *flags, str(source), *sources], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return program


@pytest.fixture(scope="module", params=["plain", "sanitized"])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    extra = ["-O2"] if request.param == "plain" else SANITIZE
    return compile_c(HERE / "harness.c", tmp_path_factory.mktemp("board") / "harness", extra)


class CBoard:
    """The program on a pipe. `step` moves its clock; what it wrote gathers in `up`."""

    def __init__(self, program: Path) -> None:
        self._pipe = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.up = bytearray()
        self.outputs: list[tuple[int, int, bool]] = []
        self.shown: list[str] = []
        self.boots: list[int] = []
        self.t_ms = 0
        self.boot = 0

    def start(self, firmware: int = 0x010000, can: int = CAN) -> None:
        """Starts it, or starts it again with all RAM lost. The second slot and the record stay."""
        self.boot += 1
        self("C", struct.pack("<QIIIIII", 0xAB, 3, firmware, can, self.boot, SLOT, SECTOR))

    def __call__(self, letter: str, data: bytes = b"") -> bytes:
        assert self._pipe.stdin is not None
        assert self._pipe.stdout is not None
        self._pipe.stdin.write(letter.encode() + struct.pack("<H", len(data)) + data)
        self._pipe.stdin.flush()
        answer = b""
        while True:
            head = self._pipe.stdout.read(3)
            if len(head) < 3:
                assert self._pipe.stderr is not None
                raise AssertionError(self._pipe.stderr.read().decode())
            kind, size = struct.unpack("<sH", head)
            body = self._pipe.stdout.read(size)
            if kind == b"K":
                return answer
            answer = self._take(kind, body) or answer

    def _take(self, kind: bytes, body: bytes) -> bytes:
        if kind == b"W":
            self.up += body
        elif kind == b"O":
            tone_hz, vibrate = struct.unpack("<HB", body)
            self.outputs.append((self.t_ms, tone_hz, bool(vibrate)))
        elif kind == b"D":
            self.shown.append(body.decode())
        elif kind == b"X":
            self.boots.append(body[0])
        elif kind == b"V":
            self._verify(body)
        else:
            return body
        return b""

    def _verify(self, body: bytes) -> None:
        assert self._pipe.stdin is not None
        try:
            VerifyKey(bytes(VENDOR.verify_key)).verify(body[:52], body[52:])
            bad = 0
        except BadSignatureError:
            bad = 1
        self._pipe.stdin.write(b"v\x01\x00" + bytes((bad,)))
        self._pipe.stdin.flush()

    def step(self, t_ms: int) -> None:
        self.t_ms = t_ms
        self("T", struct.pack("<I", t_ms & 0xFFFFFFFF))

    def take(self) -> bytes:
        out = bytes(self.up)
        self.up.clear()
        return out

    def close(self) -> None:
        assert self._pipe.stdin is not None
        self._pipe.stdin.close()
        assert self._pipe.wait(10) == 0
        for pipe in (self._pipe.stdout, self._pipe.stderr):
            assert pipe is not None
            pipe.close()


@pytest.fixture
def board(program: Path) -> Iterator[CBoard]:
    made = CBoard(program)
    made.start()
    yield made
    made.close()


Line = Callable[[bytes], bytes]


def converse(
    board: CBoard,
    driver: BoardDriver,
    until_ms: int,
    up: Line = bytes,
    down: Line = bytes,
    each: Callable[[int], None] = lambda _t: None,
) -> list[Sample]:
    """Both ends talk over a line that may lose bytes; what the driver gave."""
    samples: list[Sample] = []
    for t_ms in range(board.t_ms + 20, until_ms, 20):
        board.step(t_ms)
        each(t_ms)
        samples += driver.feed(up(board.take()), t_ms * 10**6)
        board("R", down(driver.talk(t_ms * 10**6)))
    return samples


def press(board: CBoard, red: bool, grey: bool) -> None:
    board("B", bytes((red, grey)))


def test_the_header_is_current() -> None:
    done = subprocess.run([sys.executable, "-m", "firmware_bridge.board_header", "--check"], check=False)
    assert done.returncode == 0


def test_the_pages_conversation_byte_by_byte(board: CBoard) -> None:
    """Frames of docs/board.md: the C board understands the gateway's, the driver the board's; HELLOs are equal."""
    page = (board_header.PATH.parents[2] / "docs/board.md").read_text(encoding="utf-8")
    found = re.findall(r"^(board|gateway): .*\n    ([0-9a-f ]+)$", page, re.MULTILINE)
    lines = [(end, bytes.fromhex(digits)) for end, digits in found]
    assert len(lines) == 7
    hello = Hello(0xAB, 3, 0x010000, Can(CAN), board.boot)
    assert board.take() == pack_frame(Up.HELLO, 0, pack_hello(hello))
    driver = BoardDriver(Settings())
    samples = [sample for end, data in lines if end == "board" for sample in driver.feed(data, 0)]
    assert samples == [
        Identity("board 0000000000001001 hardware 3", "1.2.3"), Reading({6: 131, 15: -55}), Pressed(Gesture.SOS),
    ]  # fmt: skip
    for end, data in lines:
        if end == "gateway":
            board("R", data)
    assert board.take() == pack_frame(Up.COMMAND_ACK, 1, bytes((2, 0)))
    board.step(20)
    assert board.outputs == [(20, 2_000, True)]
    assert board("Q") == bytes(12)


def test_hello_samples_and_beacons(board: CBoard) -> None:
    driver = BoardDriver(Settings())
    values = {field.id: value for field in MAY_SEND[:24] for value in (field.lo, field.hi)}
    for field, value in values.items():
        assert board("S", struct.pack("<Hi", field, value)) == b"\x01"
    assert board("S", struct.pack("<Hi", 999, 1)) == b"\x00"  # no room: said, not overrun
    board("N", struct.pack("<Qb", 2**64 - 1, -71))
    samples = converse(board, driver, 1_100)
    assert samples[0] == Identity("board 00000000000000ab hardware 3", "1.0.0")
    assert Reading(values) in samples
    (seen,) = [sample for sample in samples if isinstance(sample, Observed)]
    assert (seen.id, list(seen.values.values())) == (2**63 - 1, [-71])
    assert (driver.stats.bad, driver.stats.noise, driver.lost_count) == (0, 0, 0)


@pytest.mark.parametrize("row", GESTURES, ids=lambda row: row.gesture.name)
def test_every_gesture_of_the_table(board: CBoard, row: object) -> None:
    """Bouncing contacts, and each time just inside and just outside the limits."""
    assert isinstance(row, type(GESTURES[0]))
    driver = BoardDriver(Settings())
    red, grey = row.buttons in ("red", "both"), row.buttons in ("grey", "both")
    converse(board, driver, 100)

    def hold(ms: int) -> list[Sample]:
        for bounce in (True, False, True):
            press(board, red and bounce, grey and bounce)
        samples = converse(board, driver, board.t_ms + ms)
        press(board, False, False)
        return samples

    if row.hold_ms:
        early = hold(row.hold_ms - 60) + converse(board, driver, board.t_ms + 1_000)
        assert not [sample for sample in early if isinstance(sample, Pressed)]
        found = hold(row.hold_ms + 100)  # a hold speaks while it is held
    else:
        found = []
        for _ in range(row.presses):
            found += hold(200) + converse(board, driver, board.t_ms + 300)
        found += converse(board, driver, board.t_ms + 700)
    assert [sample for sample in found if isinstance(sample, Pressed)] == [Pressed(row.gesture)]


def test_a_jammed_grey_button_does_not_stop_the_sos(board: CBoard) -> None:
    driver = BoardDriver(Settings())
    press(board, False, True)
    converse(board, driver, 11_000)
    press(board, True, True)
    assert Pressed(Gesture.SOS) in converse(board, driver, 13_000)


@settings(max_examples=40, derandomize=True)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(4, 400)), max_size=25))
def test_the_emulator_reads_the_buttons_as_the_c_library_does(
    plain: CBoard, moves: list[tuple[bool, bool, int]]
) -> None:
    driver, buttons = BoardDriver(Settings()), Buttons()
    plain.start()
    start_ms = plain.t_ms
    mine: list[Gesture] = []
    theirs: list[Sample] = []
    for red, grey, tens in [*moves, (False, False, 200)]:
        mine += buttons.level(red, grey, plain.t_ms - start_ms)
        press(plain, red, grey)
        # Steps of 10 ms on both sides, and no more than one step between the ends of two holds.
        for _ in range(tens):
            plain.step(plain.t_ms + 10)
            theirs += driver.feed(plain.take(), plain.t_ms * 10**6)
            plain("R", driver.talk(plain.t_ms * 10**6))
        mine += buttons.until(plain.t_ms - start_ms)
    assert [sample.gesture for sample in theirs if isinstance(sample, Pressed)] == mine


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CBoard]:
    program = compile_c(HERE / "harness.c", tmp_path_factory.mktemp("plain") / "harness", ["-O2"])
    made = CBoard(program)
    made.start()
    yield made
    made.close()


@pytest.mark.parametrize("row", PATTERNS, ids=lambda row: row.pattern.name)
def test_every_pattern_of_the_table(board: CBoard, row: object) -> None:
    assert isinstance(row, type(PATTERNS[0]))
    driver = BoardDriver(Settings())
    converse(board, driver, 100)
    assert driver.tell(Play(row.pattern))
    start_ms = board.t_ms + 20
    converse(board, driver, start_ms + 6_000)
    expected: list[tuple[int, int, bool]] = []
    t_ms, cycle = 0, 0
    while row.steps and t_ms < 6_000 and (not row.times or cycle < row.times):
        for on_ms, off_ms in row.steps:
            expected += [(t_ms, row.tone_hz, True)]
            expected += [(t_ms + on_ms, 0, False)] if off_ms else []
            t_ms += on_ms + off_ms
        cycle += 1
    expected += [(t_ms, 0, False)] if expected and expected[-1][2] else []
    # The board polls every 20 ms, and hears of the pattern between two polls.
    heard = [(t - start_ms, tone_hz, vibrate) for t, tone_hz, vibrate in board.outputs]
    assert [change[1:] for change in heard] == [change[1:] for change in expected if change[0] < 5_960]
    assert all(abs(a[0] - b[0]) <= 20 for a, b in zip(heard, expected, strict=False))


def test_urgency_off_text_and_refusals(board: CBoard) -> None:
    driver = BoardDriver(Settings())
    driver.tell(Play(Pattern.ALARM))
    driver.tell(Play(Pattern.ENTRY))
    driver.tell(Show("三层有人 3F"))
    assert not driver.tell(Show("长" * 22))
    converse(board, driver, 2_000)
    assert board.shown == ["三层有人 3F"]
    assert {tone for _, tone, _ in board.outputs} == {0, 2_900}  # the entry's 1,000 Hz stayed silent
    driver.tell(Play(Pattern.OFF))
    driver.tell(Play(Pattern.CLEARED))
    converse(board, driver, 4_000)
    assert board.outputs[-1][1:] == (0, False)
    assert 1_000 in {tone for _, tone, _ in board.outputs}
    board("R", pack_frame(Down.PLAY, 9, b"\xc8") + pack_frame(0x7E, 9))
    assert bytes((6,)) in board.take()
    assert struct.unpack("<III", board("Q"))[:2] == (0, 1)


def test_a_pattern_that_has_ended_silences_nothing(board: CBoard) -> None:
    driver = BoardDriver(Settings())
    driver.tell(Play(Pattern.SEEN))
    converse(board, driver, 3_000)
    driver.tell(Play(Pattern.ENTRY))
    converse(board, driver, 4_000)
    assert [tone for _, tone, _ in board.outputs] == [1_500, 0, 1_000, 0]


def test_no_damaged_bit_reaches_a_board(board: CBoard) -> None:
    frame = pack_frame(Down.SHOW, 1, "三层 3F\0".encode())
    for at in range(1, len(frame) - 1):
        for bit in range(8):
            board("R", frame[:at] + bytes((frame[at] ^ 1 << bit,)) + frame[at + 1 :])
    assert board.shown == []
    board("R", frame)
    assert board.shown == ["三层 3F"]


def test_a_board_without_a_display_says_so(board: CBoard) -> None:
    board.start(can=CAN & ~Can.DISPLAY)
    driver = BoardDriver(Settings())
    assert driver.tell(Show("x"))  # nobody knows yet
    notes = [sample for sample in converse(board, driver, 500) if isinstance(sample, Note)]
    assert [note.words["command"] for note in notes] == ["show"]
    assert not driver.tell(Show("x"))


def test_time(board: CBoard) -> None:
    driver = BoardDriver(Settings())
    assert board("U") == bytes(8)
    driver.tell(Clock(1_795_000_000_000))
    converse(board, driver, 5_000)
    assert abs(int.from_bytes(board("U"), "little") - 1_795_000_000_000 - board.t_ms) <= 40


def test_a_line_that_loses_and_garbles_loses_no_press(board: CBoard) -> None:
    """Every fifth chunk is cut or flipped both ways; garbage stands between. All arrives, in order, once."""
    driver, rng = BoardDriver(Settings()), random.Random(4)

    def spoil(data: bytes) -> bytes:
        if not data or rng.random() > 0.4:
            return data
        at = rng.randrange(len(data))
        flipped = data[:at] + bytes((data[at] ^ 1 << rng.randrange(8),)) + data[at + 1 :]
        return rng.choice([data[:at], data[at:], flipped, rng.randbytes(30) + data])

    wanted = [rng.choice(list(Gesture)) for _ in range(40)]
    queue = list(wanted)

    def each(t_ms: int) -> None:
        if queue and t_ms % 500 == 0:
            board("G", bytes((queue.pop(0),)))

    samples = converse(board, driver, 60_000, spoil, spoil, each)
    assert [sample.gesture for sample in samples if isinstance(sample, Pressed)] == wanted
    assert driver.stats.bad > 10


def test_a_full_queue_keeps_the_sos(board: CBoard) -> None:
    driver = BoardDriver(Settings())
    board("G", bytes((Gesture.SOS,)))
    for peak in range(20):
        board("I", struct.pack("<I", peak))
    samples = converse(board, driver, 5_000)
    kept = [sample for sample in samples if isinstance(sample, Pressed | Impact)]
    assert kept == [Pressed(Gesture.SOS), *(Impact(peak) for peak in range(13, 20))]
    assert struct.unpack("<III", board("Q"))[2] == 13


# --- update --------------------------------------------------------------------------------------------


def image_of(data: bytes, version: int = 0x010100, hardware: int = 3, key: SigningKey = VENDOR) -> Image:
    return parse_image(build_image(data, hardware, version, lambda header: key.sign(header).signature))


DATA = random.Random(7).randbytes(10_000)


def carry(board: CBoard, updater: Updater, until: Callable[[], bool], line: Line = bytes) -> None:
    end_ms = board.t_ms + 120_000
    while not until():
        assert board.t_ms < end_ms, (updater.step, updater.offset, updater.why)
        board.step(board.t_ms + 20)
        updater.feed(line(board.take()))
        board("R", line(updater.talk(board.t_ms * 10**6)))


def test_update_over_a_bad_line_is_confirmed(board: CBoard) -> None:
    rng = random.Random(1)
    updater = Updater(image_of(DATA))
    carry(board, updater, lambda: bool(board.boots), lambda data: data if rng.random() > 0.05 else data[3:])
    assert board.boots == [0]
    assert board("F")[: len(DATA)] == DATA
    board.start(firmware=0x010100)
    carry(board, updater, lambda: updater.over)
    assert (updater.step, updater.why, board.boots) == (Step.DONE, "", [0, 1])
    again = Updater(image_of(DATA))
    carry(board, again, lambda: again.over)
    assert again.step == Step.DONE


def test_update_resumes_after_resets_of_either_end(board: CBoard) -> None:
    updater = Updater(image_of(DATA))
    carry(board, updater, lambda: updater.offset >= 5_000)
    board.start()  # the board loses power: it goes on at the last sector
    carry(board, updater, lambda: updater.resumed_at is not None)
    assert updater.resumed_at is not None
    assert updater.resumed_at % SECTOR == 0
    assert 5_000 - 2 * SECTOR < updater.resumed_at <= 5_120
    other = Updater(image_of(DATA))  # the gateway loses power
    carry(board, other, lambda: other.offset >= 8_000)
    assert (other.resumed_at or 0) > 4_000
    carry(board, other, lambda: bool(board.boots))
    assert board("F")[: len(DATA)] == DATA


@pytest.mark.parametrize("how", ["the bootloader", "nobody confirms", "a second start"])
def test_an_image_that_nobody_confirms_is_rolled_back(board: CBoard, how: str) -> None:
    updater = Updater(image_of(DATA))
    carry(board, updater, lambda: bool(board.boots))
    if how != "the bootloader":
        board.start(firmware=0x010100)
        if how == "a second start":
            board.start(firmware=0x010100)
        else:
            for t_ms in range(board.t_ms, board.t_ms + 59_000, 500):
                board.step(t_ms)
            assert board.boots == [0]
            board.step(board.t_ms + 2_000)
        assert board.boots == [0, 2]
        board.take()
    board.start(firmware=0x010000)
    carry(board, updater, lambda: updater.over)
    assert (updater.step, updater.why) == (Step.FAILED, "the board went back to 1.0.0")
    afterwards = Updater(image_of(DATA))  # it may be tried again
    carry(board, afterwards, lambda: len(board.boots) > (1 if how == "the bootloader" else 2))


@pytest.mark.parametrize(
    ("image", "why"),
    [
        (image_of(DATA, key=SigningKey(bytes(32))), "signature is not of this board's vendor"),
        (image_of(DATA, version=0x00FFFF), "not newer than what runs"),
        (image_of(bytes(SLOT + 1)), "does not fit"),
        (image_of(DATA, hardware=4), "the board is hardware 3, the image is for 4"),
    ],
)
def test_what_a_board_refuses(board: CBoard, image: Image, why: str) -> None:
    updater = Updater(image)
    carry(board, updater, lambda: updater.over)
    assert updater.step == Step.FAILED
    assert why in updater.why
    assert board("F")[:16] == b"\x5a" * 16, "not a byte was erased"


def test_data_that_is_not_what_was_signed_never_starts(board: CBoard) -> None:
    good = image_of(DATA)
    updater = Updater(Image(good.hardware, good.version, good.signed_header, DATA[:-1] + b"?"))
    carry(board, updater, lambda: updater.over)
    assert (updater.step, board.boots) == (Step.FAILED, [])
    assert "not what was signed" in updater.why


def test_sha256_of_many_lengths(board: CBoard) -> None:
    """The C code's digest is held against another's: an update of each length near a block's end passes only so."""
    for version, size in enumerate((1, 55, 56, 63, 64, 65, 119, 120, 128, 1_024, 4_100), start=0x010101):
        data = hashlib.shake_128(bytes((size & 0xFF,))).digest(size)
        updater = Updater(image_of(data, version))
        board.boots.clear()
        carry(board, updater, lambda updater=updater: bool(board.boots or updater.over))
        assert not updater.why
        board.start(firmware=0x010000)


@pytest.fixture
def gateway(tmp_path: Path) -> Path:
    """A configuration with one board, and nothing that runs."""
    (tmp_path / "device.key").write_text("00" * 32)
    (tmp_path / "edge.toml").write_text(
        '[device]\nnumber = 7\nkey_file = "device.key"\n'
        f'[[port]]\nname = "vest"\npath = "{tmp_path}/vest"\ndriver = "board"\nbaud = 115200\n'
    )
    return tmp_path


def test_the_command_line_makes_and_carries_an_image(
    plain: CBoard, gateway: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A vendor's key, an image, a port that goes away while the board restarts."""
    firmware, image, key = gateway / "app.bin", gateway / "app.ztfw", gateway / "vendor.key"
    firmware.write_bytes(DATA)
    assert main(["board", "key", str(key)]) == 0
    assert len(capsys.readouterr().out.strip()) == 64
    key.write_text(bytes(VENDOR).hex())
    made = ["board", "sign", str(firmware), str(image), "--hardware", "3", "--version", "2.0.0"]
    assert main([*made, "--key", str(key)]) == 0
    plain.start()
    plain.boots.clear()
    line, over = PtyLine(gateway / "vest", 115_200, speed=100), threading.Event()
    thread = threading.Thread(target=live, args=(plain, line, over))
    thread.start()
    try:
        carried = main(
            ["board", "update", str(image), "--config", str(gateway / "edge.toml"), "--port", "vest"]
        )
        again = main(["board", "update", str(image), "--config", str(gateway / "edge.toml")])
    finally:
        over.set()
        thread.join()
        line.unplug()
    said = capsys.readouterr()
    assert (carried, again) == (0, 0), said.err
    assert "board 00000000000000ab runs 2.0.0, confirmed" in said.out
    assert "sending 5" in said.err
    assert plain.boots == [0, 1]


def live(board: CBoard, line: PtyLine, over: threading.Event) -> None:
    """The board in real time on a line."""
    line.plug()
    zero_ns = time.monotonic_ns() - board.t_ms * 10**6
    restarted = False
    while not over.is_set():
        select.select([line.fileno()], [], [], 0.002)
        now_ns = time.monotonic_ns()
        board("R", line.read())
        board.step((now_ns - zero_ns) // 10**6)
        if board.boots == [0] and not restarted:
            restarted = True
            board.start(firmware=0x020000)
            line.unplug()
            line.plug()
        line.write(board.take())
        line.pump(now_ns)


def test_what_the_command_line_refuses(gateway: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = gateway / "broken.ztfw"
    config = ["--config", str(gateway / "edge.toml")]
    for raw, why in ((b"", "0 bytes"), (b"x" * 200, "begins with"), (IMAGE[:-1], "its header says"),
                     (IMAGE[:-1] + b"?", "SHA-256")):  # fmt: skip
        broken.write_bytes(raw)
        assert main(["board", "update", str(broken), *config]) == 1
        assert why in capsys.readouterr().err
    broken.write_bytes(IMAGE)
    assert main(["board", "update", str(broken), *config, "--port", "vets"]) == 1
    assert "vest (board)" in capsys.readouterr().err
    made = ["board", "sign", str(broken), str(broken), "--hardware", "3"]
    assert main([*made, "--version", "1.2", "--key", str(broken)]) == 1
    assert "like 1.2.3" in capsys.readouterr().err
    assert main([*made, "--version", "1.2.3", "--key", str(broken)]) == 1
    assert "64 hexadecimal" in capsys.readouterr().err


IMAGE = build_image(b"firmware", 3, 0x010100, lambda header: VENDOR.sign(header).signature)


def test_fuzz_under_sanitizers(tmp_path: Path) -> None:
    program = compile_c(HERE / "fuzz.c", tmp_path / "fuzz", [*SANITIZE, "-O1"])
    for seed in (1, 2, 3):
        done = subprocess.run([program, str(seed), "20000"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_it_compiles_for_small_and_strict_compilers(tmp_path: Path) -> None:
    """No heap and no libc beyond memcpy and its kin: the objects need nothing else."""
    objects = []
    for source in LIBRARY.glob("zl_*.c"):
        made = tmp_path / f"{source.stem}.o"
        flags = ["-Os", "-Wconversion", "-Wshadow", "-ffreestanding", "-fno-stack-protector"]
        subprocess.run(["gcc", *STRICT, *flags, "-c", source, "-o", made], check=True)
        objects.append(made)
    named = subprocess.run(["nm", "-u", *objects], capture_output=True, text=True, check=True).stdout
    wanted = {line.split()[1] for line in named.splitlines() if " U " in line}
    assert {name for name in wanted if not name.startswith("zl_")} <= {
        "memcpy", "memmove", "memset", "memcmp", "strlen", "_GLOBAL_OFFSET_TABLE_",
    }  # fmt: skip

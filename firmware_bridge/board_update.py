"""Carries a firmware image to a board: what to send next, by what the board says. Pure: bytes and time in, bytes out.

Enters: an `Image`, the board's bytes, monotonic time. Leaves: frames, the progress and the end of it. Called by
`edge.board_update`. It may be started again at any moment: the board says how far it had come, and an image that runs
on trial is confirmed.
"""

from enum import Enum

from firmware_bridge.board_image import CHUNK_SIZE, Image, version_text
from firmware_bridge.board_wire import (
    UPDATE_OFFSET,
    UPDATE_STATUS,
    VERSION,
    Can,
    Down,
    FrameSplitter,
    Hello,
    Up,
    UpdateError,
    UpdateState,
    pack_frame,
    unpack_hello,
)
from firmware_bridge.interface import Stats
from protocols.units import NS_PER_MS

AGAIN_MS = 500
TRIES_MAX = 20
"""Repeats without any answer: ten seconds, more than a board needs to erase a sector or to restart."""
RESTART_MS = 60_000
"""From the last byte to the new image's hello."""
RESETS_MAX = 8
"""Starts of the board on the way before it is given up."""
_WHY = {
    UpdateError.HEADER: "it does not understand the header",
    UpdateError.HARDWARE: "the image is for other hardware",
    UpdateError.OLDER: "the image is not newer than what runs",
    UpdateError.SIGNATURE: "the signature is not of this board's vendor",
    UpdateError.SIZE: "the image does not fit",
    UpdateError.FLASH: "its flash failed",
    UpdateError.HASH: "what it wrote is not what was signed",
    UpdateError.STATE: "not now",
}


class Step(Enum):
    """Where the updater stands."""

    ASK = "asking who is there"
    BEGIN = "offering the image"
    DATA = "sending"
    END = "checking and restarting"
    CONFIRM = "confirming"
    DONE = "done"
    FAILED = "failed"


class Updater:
    """One image to one board. `step`, `offset` and `why` say how it goes."""

    def __init__(self, image: Image) -> None:
        self.step = Step.ASK
        self.offset = 0
        self.why = ""
        self.board: Hello | None = None
        self.resumed_at: int | None = None
        self._image = image
        self._splitter = FrameSplitter(Stats(), self._frame)
        self._sequence = 0
        self._tries = 0
        self._due_mono_ns = 0
        self._end_mono_ns: int | None = None
        self._taken = False
        self._tried = False
        self._resets = 0

    @property
    def over(self) -> bool:
        """Whether it is done or has failed."""
        return self.step in (Step.DONE, Step.FAILED)

    @property
    def image_size(self) -> int:
        """Bytes that are to be carried."""
        return len(self._image.data)

    def feed(self, data: bytes) -> None:
        """The board's bytes."""
        self._splitter.feed(data)

    def talk(self, t_mono_ns: int) -> bytes:
        """What to send now."""
        if self.over or (not self._taken and t_mono_ns < self._due_mono_ns):
            return b""
        self._tries = 0 if self._taken else self._tries + 1
        self._taken = False
        if self.step == Step.END:
            self._end_mono_ns = self._end_mono_ns or t_mono_ns + RESTART_MS * NS_PER_MS
            if t_mono_ns >= self._end_mono_ns:
                return self._fail(
                    "the new image was not heard within a minute; the board goes back to the old one"
                )
        elif self._tries > TRIES_MAX:
            return self._fail("the board does not answer")
        self._due_mono_ns = t_mono_ns + AGAIN_MS * NS_PER_MS
        return self._question()

    def _question(self) -> bytes:
        image = self._image
        if self.step == Step.ASK:
            return self._pack(Down.HELLO_ASK, bytes((VERSION,)))
        if self.step == Step.BEGIN:
            return self._pack(Down.UPDATE_BEGIN, image.signed_header)
        if self.step == Step.DATA:
            chunk = image.data[self.offset : self.offset + CHUNK_SIZE]
            return self._pack(Down.UPDATE_DATA, UPDATE_OFFSET.pack(self.offset) + chunk)
        return self._pack(Down.UPDATE_END if self.step == Step.END else Down.UPDATE_CONFIRM)

    def _frame(self, kind: int, _sequence: int, payload: bytes) -> None:
        if self.over:
            return
        if kind == Up.HELLO:
            hello = unpack_hello(payload)
            if hello is not None:
                self._hello(hello)
        elif kind == Up.UPDATE_STATUS and len(payload) >= UPDATE_STATUS.size:
            state, error, offset = UPDATE_STATUS.unpack_from(payload)
            self._status(state, error, offset)

    def _hello(self, hello: Hello) -> None:
        before, self.board = self.board, hello
        if before is not None and before.boot == hello.boot:
            return
        image = self._image
        if hello.version > VERSION or not hello.can & Can.UPDATE:
            self._fail("this board takes no updates that we know how to give")
        elif hello.hardware != image.hardware:
            self._fail(f"the board is hardware {hello.hardware}, the image is for {image.hardware}")
        elif hello.firmware == image.version:
            self._tried = True
            self._go(Step.CONFIRM)
        elif self._tried or self._resets > RESETS_MAX:
            self._fail(f"the board went back to {version_text(hello.firmware)}")
        else:
            self._resets += 1
            self._go(Step.BEGIN)  # the first hello, or a reset on the way: the board knows where to go on

    def _status(self, state: int, error: int, offset: int) -> None:
        if self.step == Step.CONFIRM:
            # A board that has run this version all along answers a confirmation with STATE: nothing was on trial.
            if state == UpdateState.CONFIRMED or (error == UpdateError.STATE and state != UpdateState.TRIAL):
                self._go(Step.DONE)
            return
        self._tried |= state == UpdateState.TRYING
        if self.step == Step.ASK or (self.step == Step.END and error == UpdateError.STATE):
            return  # the last one: the new image runs already and wonders about our last question
        if error != UpdateError.NONE:
            why = _WHY.get(UpdateError(error), "") if error in list(UpdateError) else ""
            self._fail(f"the board refuses: {why or f'error {error}'}")
        elif state == UpdateState.RECEIVING:
            self._receiving(offset)
        elif state == UpdateState.TRYING and self.step != Step.END:
            self._go(Step.END)

    def _receiving(self, offset: int) -> None:
        if offset > len(self._image.data):
            self._fail(f"the board is at byte {offset} of {len(self._image.data)}")
        elif self.step == Step.END:
            return  # it is still reading the image back
        elif offset == len(self._image.data):
            self.offset = offset
            self._go(Step.END)
        else:
            if self.step == Step.BEGIN and self.resumed_at is None and offset:
                self.resumed_at = offset
            if self.step == Step.BEGIN or offset != self.offset:
                self.offset = offset
                self._go(Step.DATA)

    def _go(self, step: Step) -> None:
        self.step, self._taken = step, True

    def _fail(self, why: str) -> bytes:
        self.step, self.why = Step.FAILED, why
        return b""

    def _pack(self, kind: Down, payload: bytes = b"") -> bytes:
        self._sequence = (self._sequence + 1) & 0xFF
        return pack_frame(kind, self._sequence, payload)

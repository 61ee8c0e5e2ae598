"""From messages of the broker to the picture, in three steps that never change places.

1. `admit`: check topic, device, MAC, header; keep of each frame what is new; decode it.
2. the caller commits `Admitted.commit` to the log.
3. `settle`: apply to the picture, then acknowledge. When the commit failed, `settle(…, safe=False)` shows
   what came but acknowledges nothing, and what was noted as safe is forgotten.

Callers: `hub.live.pipeline`. No I/O but look-ups in the log when a stream is heard for the first time.
Nothing that comes from outside raises: it is counted with a reason.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from hub.errors import StoreError
from hub.identity.keys import KeyRing
from hub.live.acks import AckSchedule, Key
from hub.live.below import Below, Passed
from hub.live.clock import AHEAD_MS_MAX, BootClocks, HubClock
from hub.live.counters import Counters
from hub.live.coverage import Coverage, CoverageFull, Pair
from hub.live.events import Event, EventBook, Said, flag_of
from hub.live.gate import Columns, Gates, without
from hub.live.history import open_logged
from hub.live.ingest_late import LATE_MS, Late
from hub.live.links import Links, Told
from hub.live.paths import Paths, Way, parse_mark
from hub.live.picture import LAT, LON, Changes, Picture, clock_tag, rank
from hub.live.reported import Reported, Reporter, Row
from hub.live.rhythm import Rhythms
from hub.live.texts import Texts, TextUp
from hub.live.tracks import Tracks
from hub.live.units import Units
from hub.store.interface import ClockRow, Commit, CoverageRow, Log, LogFrame
from protocols import acks, datagram, frame, opening, orders, relay, topics
from protocols.catalog import Bearer, ClockSource, Kind, Lane
from protocols.datagram import Datagram
from protocols.errors import REASONS, FrameError, OrderError, RelayError, TopicError
from protocols.keys import MacKey
from protocols.links import check_link
from protocols.topics import parse_family, parse_relayed, parse_up

log = logging.getLogger(__name__)
STREAMS_MAX = 200_000
"""Coverage kept in memory; the rest is looked up again in the log."""
CLOCKS_MAX = 20_000
"""Clocks of boots that wait for a log that can be written again."""
POISON_MAX = 1_024
"""Authentic frames without a readable header, remembered so that repeats are logged once."""
REPEATED_LANES = (Lane.SOS, Lane.RECEIPTS)
"""Sent again every 2 s until acknowledged: repeats of these accuse nobody."""
SHOWN_KINDS = frozenset({Kind.STATE, Kind.HEALTH})


TakeReceipt = Callable[[int, dict[int, int | None], int, int], bool]
"""Device, values, its UTC and the hub's: whether a row of an event frame was about an order, and so no event."""


class Shown(NamedTuple):
    """A decoded frame with something new in it. `times` are its rows' UTC, ms. `is_passed`: a hub below passed it on,
    who knows how long after it had come there. `bearer`: by what a gateway or relay heard it."""

    frame: frame.Frame
    fresh: list[Pair]
    times: list[int]
    tag: int  # 0: the boot's clock is proven
    t_hub_ms: int
    is_passed: bool = False
    bearer: int = Bearer.MQTT

    def heard_ms(self, newest_ms: int) -> int:
        """When the device was heard, as far as this hub can know."""
        return min(newest_ms, self.t_hub_ms) if self.is_passed and not self.tag else self.t_hub_ms


@dataclass(slots=True)
class Admitted:
    """One batch between its commit and its showing."""

    commit: Commit
    shown: list[Shown] = field(default_factory=list)
    touched: dict[Key, Coverage] = field(default_factory=dict)
    owed: list[tuple[Key, bool, list[tuple[int, int]]]] = field(default_factory=list)
    redated: list[tuple[int, int, int, bool]] = field(default_factory=list)  # device, boot, add ms, proven
    passed: list[Passed] = field(default_factory=list)
    is_shown: bool = False
    broken: bool = False  # the log could not be read: do not commit


class Ingest:
    """The state of ingest: coverage, clocks of boots, and what is owed."""

    def __init__(
        self,
        realm: str,
        log: Log,
        keys: KeyRing,
        units: Units,
        picture: Picture,
        clock: HubClock,
        counters: Counters,
        tell: Callable[[str, int], None] = lambda _reason, _device: None,
    ) -> None:
        self.realm = realm
        self.log = log
        self.keys = keys
        self.units = units
        self.picture = picture
        self.clock = clock
        self.counters = counters
        self.tell = tell  # every refusal, for those who watch
        self.barred: dict[int, str] = {}  # device -> revoked, expired
        self.relays: frozenset[int] = frozenset()
        self.hubs: frozenset[int] = frozenset()
        self.paths = Paths(lambda _topic, _device, _data: None)
        self.events = EventBook()
        self.gates = Gates()
        self.tracks = Tracks(picture, units)
        self.reported = Reported(units, counters)
        self.rhythms = Rhythms()
        self.links = Links()
        self.late = Late()
        self.below = Below()
        self.texts = Texts()
        self.take_receipt: TakeReceipt = lambda _device, _values, _t_ms, _t_hub_ms: False
        self.boots = BootClocks()
        self.owed = AckSchedule()
        self._coverage: dict[Key, Coverage] = {}
        self._poison: dict[bytes, None] = {}
        self._unsaved_clocks: list[ClockRow] = []
        self._restoring = False
        self._previewed: dict[int, int] = {}
        self._alive: dict[int, int] = {}

    # --- 1: admit ----------------------------------------------------------------------------------------

    def admit(self, batch: Iterable[tuple[str, bytes]]) -> Admitted:
        """Sort out a batch of (topic, payload)."""
        now_ms = self.clock.now_ms()
        admitted = Admitted(Commit(now_ms))
        admitted.commit.clocks.extend(self._unsaved_clocks)
        self._unsaved_clocks = []
        for topic, data in batch:
            self.counters.frames += 1
            device: int | None = None
            try:
                device, lane = parse_up(self.realm, topic)
                self._admit_one(admitted, device, lane, data, now_ms)
            except TopicError:
                self._admit_elsewhere(admitted, topic, data, now_ms)
            except FrameError as err:
                self._refuse(err.reason, device, now_ms)
            except CoverageFull:
                self._refuse("count", device, now_ms)
        for key, coverage in admitted.touched.items():
            row = CoverageRow(*key, coverage.closed.flat(), coverage.gaps.flat())
            admitted.commit.coverage.append(row)
        return admitted

    def _refuse(self, reason: str, device: int | None, now_ms: int) -> None:
        self.counters.refuse(reason, device, now_ms)
        self.tell(reason, device or 0)

    def _admit_one(self, admitted: Admitted, device: int, lane: Lane, data: bytes, now_ms: int) -> None:
        key = self._key(device)
        try:
            envelope = frame.open_envelope(data, key)
        except FrameError as err:
            if err.reason not in ("size", "mac"):  # authentic, but without a header to acknowledge
                self._keep_poison(admitted, device, data, now_ms, err)
            raise
        if envelope.device != device:
            raise FrameError("device", f"names device {envelope.device} under the topic of {device}")
        if envelope.lane != lane:
            # Counted only: the MAC covers the frame's own lane, so that one counts, and nothing is lost.
            self._refuse("lane", device, now_ms)
        self.paths.note_own(device, now_ms)
        decoded, refused = self._decode(data, envelope, key, now_ms)
        if envelope.n == 0:
            self._admit_control(admitted, envelope, decoded, refused, data, now_ms)
        else:
            self._admit_rows(admitted, envelope, decoded, refused, data, now_ms)

    def _key(self, device: int) -> MacKey:
        barred = self.barred.get(device)
        if barred is not None:
            raise FrameError(barred, f"device {device} is {barred}")
        key = self.keys.get(device)
        if key is None:
            raise FrameError("unknown_device", f"device {device} is not enrolled")
        return key

    # --- other ways than a device's own topic --------------------------------------------------------------

    def _admit_elsewhere(self, admitted: Admitted, topic: str, data: bytes, now_ms: int) -> None:
        """A datagram, or what a relay passed on. Only the MAC says whose it is."""
        if topic.endswith("/h"):
            self._hear_family(topic, data, now_ms)
            return
        sender: int | None = None
        number: int | None = None
        parts: list[bytes] = []
        reason = ""
        try:
            marked = parse_mark(topic)
            if marked is None:
                sender = parse_relayed(self.realm, topic)
                if sender not in self.relays:
                    raise RelayError(f"relay: device {sender} is not one")
                carried = relay.unpack_up(data)
                way, packet, number = Way(carried.bearer, relay=sender), carried.data, carried.number
            elif marked[0] == Datagram.ALIVE:
                self._hear_alive(data, Way(Bearer.DATAGRAM, address=marked[1]), now_ms)
                return
            else:
                way, packet = Way(Bearer.DATAGRAM, address=marked[1]), data
            parts = opening.parts(packet)
            for part in parts:
                reason = self._admit_part(admitted, part, way, now_ms) or reason
        except TopicError:
            self._refuse("realm", None, now_ms)
        except RelayError:
            self._refuse("relay", sender, now_ms)
        except FrameError as err:
            reason = err.reason
            self._refuse(reason, sender, now_ms)
        if sender is not None and number is not None:
            marks = tuple(hash(part) for part in parts)
            admitted.passed.append(Passed(sender, number, REASONS[reason] if reason else 0, marks))

    def _hear_family(self, topic: str, data: bytes, now_ms: int) -> None:
        """A hub below says who is enrolled there. It is taken over by others, off this way."""
        hub: int | None = None
        try:
            hub = parse_family(self.realm, topic)
            if hub not in self.hubs:
                raise RelayError(f"device {hub} is no hub below")
            what, body = orders.unpack_down(data, self._key(hub))
            if what == orders.What.FAMILY:
                self.below.told(hub, body, now_ms)
        except TopicError:
            self._refuse("realm", None, now_ms)
        except (RelayError, OrderError):
            self._refuse("relay", hub, now_ms)
        except FrameError as err:
            self._refuse(err.reason, hub, now_ms)

    def _hear_alive(self, data: bytes, way: Way, now_ms: int) -> None:
        device = datagram.peek_alive(data)
        number = datagram.open_alive(data, self._key(device))
        fresh = number > self._alive.get(device, -1)
        self._alive[device] = max(number, self._alive.get(device, -1))
        self.paths.note(device, way, now_ms, fresh=fresh)

    def _opened(self, data: bytes, device: int, way: Way) -> tuple[MacKey, frame.Envelope]:
        """The header under the device's key. What a hub below has kept may be older than the key: it was checked there
        under that of its time."""
        key = self._key(device)
        try:
            return key, opening.open_envelope(data, key)
        except FrameError as err:
            if err.reason != "mac" or way.bearer != Bearer.RELAY or way.relay not in self.hubs:
                raise
            for past in self.keys.logged(device):
                with suppress(FrameError):
                    return past, opening.open_envelope(data, past)
            raise

    def _admit_part(self, admitted: Admitted, data: bytes, way: Way, now_ms: int) -> str:
        """Why it was refused, or ""."""
        device: int | None = None
        try:
            device = opening.peek_device(data)
            key, envelope = self._opened(data, device, way)
            if envelope.device != device:
                raise FrameError("device", f"begins as device {device}, names {envelope.device}")
            decoded, refused = self._decode(data, envelope, key, now_ms)
            stored, shown = len(admitted.commit.frames), len(admitted.shown)
            if envelope.is_preview:
                self._admit_preview(admitted, envelope, decoded, data, now_ms)
            elif envelope.n == 0:
                self._admit_control(admitted, envelope, decoded, refused, data, now_ms)
            else:
                self._admit_rows(admitted, envelope, decoded, refused, data, now_ms)
            passed = way.bearer == Bearer.RELAY
            for i in range(shown, len(admitted.shown)):
                admitted.shown[i] = admitted.shown[i]._replace(is_passed=passed, bearer=way.bearer)
            fresh = len(admitted.commit.frames) > stored and envelope.n > 0
            self.paths.note(device, way, now_ms, fresh=fresh)
        except FrameError as err:
            self._refuse(err.reason, device, now_ms)
            return err.reason
        except CoverageFull:
            self._refuse("count", device, now_ms)
            return "count"
        return ""

    def _admit_preview(
        self,
        admitted: Admitted,
        envelope: frame.Envelope,
        decoded: frame.Frame | None,
        data: bytes,
        now_ms: int,
    ) -> None:
        """Shown when it is newer than the last one, kept raw, never acknowledged: the full rows follow. One without UTC
        cannot be dated, and is only counted."""
        if decoded is None or decoded.utc_zero_ms is None:
            return
        times = [decoded.utc_zero_ms + t_ms for t_ms in decoded.t_mono_ms]
        newest_ms = max(times)
        if newest_ms <= self._previewed.get(envelope.device, -1):
            self.counters.duplicates += 1
            return
        if newest_ms > now_ms + AHEAD_MS_MAX:
            raise FrameError("future", f"a preview {newest_ms - now_ms} ms ahead")
        self._previewed[envelope.device] = newest_ms
        admitted.shown.append(Shown(decoded, [], times, 0, now_ms))
        admitted.commit.frames.append(
            LogFrame(
                now_ms, envelope.device, envelope.boot, envelope.stream, 0, envelope.n, envelope.lane, envelope.kind,
                min(times), newest_ms, None, REASONS["preview"], data,
            )
        )  # fmt: skip

    def _decode(
        self, data: bytes, envelope: frame.Envelope, key: MacKey, now_ms: int
    ) -> tuple[frame.Frame | None, int]:
        """The frame, or None and why its content is refused."""
        try:
            return opening.decode(data, envelope, key), 0
        except FrameError as err:
            reason = err.reason
        except Exception:
            log.exception("frame of device %d could not be decoded", envelope.device)
            reason = "shape"
        self._refuse(reason, envelope.device, now_ms)
        return None, REASONS[reason]

    def _keep_poison(
        self, admitted: Admitted, device: int, data: bytes, now_ms: int, err: FrameError
    ) -> None:
        mark = hashlib.blake2b(data, digest_size=16).digest()
        if mark in self._poison:
            return
        if len(self._poison) >= POISON_MAX:
            del self._poison[next(iter(self._poison))]
        self._poison[mark] = None
        refused = REASONS[err.reason]
        row = LogFrame(now_ms, device, 0, 0, 0, 0, 0, 0, None, None, None, refused, data)
        admitted.commit.frames.append(row)

    def _admit_rows(
        self,
        admitted: Admitted,
        envelope: frame.Envelope,
        decoded: frame.Frame | None,
        refused: int,
        data: bytes,
        now_ms: int,
    ) -> None:
        key = (envelope.device, envelope.boot, envelope.stream)
        last = envelope.last
        coverage = self._coverage_or_broken(admitted, key)
        dated = None if decoded is None else self._date(admitted, decoded, now_ms)
        coverage.mark(now_ms)
        # from here on nothing may fail: these rows count as safe
        if envelope.step == 1:
            fresh = coverage.add(envelope.row, last)
        else:
            fresh, lost = coverage.add_steps(envelope.row, envelope.n, envelope.step)
            self.counters.gap_rows += lost
        said = [(envelope.row, refused)] if refused else []
        urgent = envelope.lane != Lane.LIVE or not fresh
        if not fresh:
            self.counters.duplicates += 1
            if coverage.long_closed(last) and envelope.lane not in REPEATED_LANES:
                self._refuse("replay", envelope.device, now_ms)  # harmless: acknowledged as any repeat
            admitted.owed.append((key, True, said))
            return
        admitted.touched[key] = coverage
        for first, end in fresh:
            self.counters.rows += end - first + 1
        first_ms = last_ms = None
        if decoded is not None and dated is not None:
            zero_ms, tag = dated
            times = [zero_ms + t_mono_ms for t_mono_ms in decoded.t_mono_ms]
            if not tag:
                first_ms, last_ms = min(times), max(times)
                if last_ms > now_ms + AHEAD_MS_MAX:
                    refused = REASONS["future"]
                    said = [(envelope.row, refused)]
                self._witness(decoded, last_ms)
            admitted.shown.append(Shown(decoded, fresh, times, tag, now_ms))
        whole = fresh[0] == (envelope.row, last) if envelope.step == 1 else len(fresh) == envelope.n
        admitted.commit.frames.append(
            LogFrame(
                now_ms, envelope.device, envelope.boot, envelope.stream, envelope.row, envelope.n,
                envelope.lane, envelope.kind, first_ms, last_ms,
                None if whole else [number for pair in fresh for number in pair], refused, data,
            )
        )  # fmt: skip
        admitted.owed.append((key, urgent, said))

    def _date(self, admitted: Admitted, decoded: frame.Frame, now_ms: int) -> tuple[int, int]:
        """The UTC of the boot's zero, and a tag that is not 0 while that is only an estimate."""
        device, boot = decoded.envelope.device, decoded.envelope.boot
        if decoded.utc_zero_ms is not None:
            heard = self.boots.get(device, boot) is not None
            change = self.boots.tell(device, boot, decoded.utc_zero_ms)
            if change is not None:
                redate = heard or self._stored_zero(admitted, device, boot) is None
                admitted.commit.clocks.append(ClockRow(device, boot, decoded.utc_zero_ms, redate))
                if heard:
                    admitted.redated.append((device, boot, change, True))
            return decoded.utc_zero_ms, 0
        if self.boots.get(device, boot) is None:
            known = self._stored_zero(admitted, device, boot)
            if known is not None:
                self.boots.tell(device, boot, known)
        newest = max(decoded.t_mono_ms)
        zero_ms, change = self.boots.estimate(device, boot, newest, now_ms)
        if change:
            admitted.redated.append((device, boot, change, False))
        clock = self.boots.get(device, boot)
        return zero_ms, 0 if clock is not None and clock.proven else clock_tag(device, boot)

    def _stored_zero(self, admitted: Admitted, device: int, boot: int) -> int | None:
        try:
            return self.log.clock(device, boot)
        except StoreError:
            admitted.broken = True
            return None

    def _witness(self, decoded: frame.Frame, last_ms: int) -> None:
        live = decoded.envelope.lane in (Lane.LIVE, Lane.SOS)
        if live and decoded.clock_source == ClockSource.GNSS:
            self.clock.witness(decoded.envelope.device, last_ms)

    def _admit_control(
        self,
        admitted: Admitted,
        envelope: frame.Envelope,
        decoded: frame.Frame | None,
        refused: int,
        data: bytes,
        now_ms: int,
    ) -> None:
        """GAP and HELD: rows that will never come are closed. They take no row, and may be repeated."""
        admitted.commit.frames.append(
            LogFrame(
                now_ms, envelope.device, envelope.boot, envelope.stream, envelope.row, 0, envelope.lane,
                envelope.kind, None, None, None, refused, data,
            )
        )  # fmt: skip
        if decoded is None:
            return
        if envelope.kind == Kind.GAP:
            stream, boot, flat = decoded.body[0], envelope.boot, decoded.body[1:]
        else:
            boot, stream, flat = decoded.body[0], decoded.body[1], decoded.body[2:]
            if boot == envelope.boot:
                return  # the running boot still makes rows: nothing of it is closed by this
        key = (envelope.device, boot, stream)
        coverage = admitted.touched[key] = self._coverage_or_broken(admitted, key)
        pairs = list(zip(flat[::2], flat[1::2], strict=True))
        if envelope.kind == Kind.GAP:
            lost = [pair for first, last in pairs for pair in coverage.close(first, last)]
        else:
            lost = coverage.close_all_but(pairs, complete=len(pairs) < frame.RANGES_MAX)
        self.counters.gap_rows += sum(b - a + 1 for a, b in lost)
        admitted.owed.append((key, True, []))

    def _coverage_or_broken(self, admitted: Admitted, key: Key) -> Coverage:
        """While the log cannot be read, everything is shown and nothing is kept or acknowledged."""
        known = admitted.touched.get(key)
        if known is not None:
            return known
        try:
            return self.coverage(key)
        except StoreError:
            admitted.broken = True
            return admitted.touched.setdefault(key, Coverage())

    def coverage(self, key: Key) -> Coverage:
        """What is known of a stream, out of the log when it is heard for the first time."""
        coverage = self._coverage.get(key)
        if coverage is None:
            row = self.log.coverage(*key)
            coverage = Coverage() if row is None else Coverage(row.closed, row.gaps)
            self._coverage[key] = coverage
        return coverage

    # --- 3: settle ---------------------------------------------------------------------------------------

    def settle(self, admitted: Admitted, *, safe: bool) -> list[Event]:
        """Show a batch, unless `show` did; the events to tell the screens at once. `safe`: its commit succeeded."""
        if safe:
            for key, urgent, refused in admitted.owed:
                self.owed.note(key, admitted.commit.t_hub_ms, urgent=urgent, refused=refused)
            self.below.note(admitted.passed, admitted.commit.t_hub_ms)
            self._tell_late(admitted)
        else:
            self._unsaved_clocks = admitted.commit.clocks[-CLOCKS_MAX:]
            for key in admitted.touched:
                self._coverage.pop(key, None)  # the log knows what is really safe
        while len(self._coverage) > STREAMS_MAX:
            del self._coverage[next(iter(self._coverage))]
        return [] if admitted.is_shown else self.show(admitted)

    def _tell_late(self, admitted: Admitted) -> None:
        """They are in the log now: whoever reads it again finds them."""
        for shown in admitted.shown:
            times = shown.times
            if times and min(times[0], times[-1]) < shown.t_hub_ms - LATE_MS:
                self.late.tell(shown.frame.envelope.device, min(times))
        for device, _, _, proven in admitted.redated:
            if proven:
                self.late.tell(device, 0)

    def show(self, admitted: Admitted) -> list[Event]:
        """Apply a batch to the picture, once. Before its commit only when the disk makes it wait."""
        admitted.is_shown = True
        for device, boot, add_ms, proven in admitted.redated:
            for slot in self.units.slots_of(device) | self.reported.undated(device):
                self.picture.redate(slot, clock_tag(device, boot), add_ms, proven=proven)
                self.tracks.receivers.redate(slot, clock_tag(device, boot), add_ms, proven=proven)
        events: list[Event] = []
        try:
            self._show_all(admitted.shown, events)
        except Exception:
            log.exception("a batch could not be shown; trying its frames one by one")
            for shown in admitted.shown:
                self._show_one(shown, events)
        return events

    def _show_one(self, shown: Shown, events: list[Event]) -> None:
        try:
            self._show_all([shown], events)
        except Exception:  # noqa: BLE001 -- see show
            self._refuse("shape", shown.frame.envelope.device, shown.t_hub_ms)

    def _show_all(self, all_shown: list[Shown], events: list[Event]) -> None:
        """Events go first: nothing else can keep an SOS from being told."""
        changes = Changes()
        for shown in all_shown:
            if shown.frame.envelope.kind == Kind.EVENT:
                events += self._show_events(changes, shown)
        for shown in all_shown:
            if shown.frame.envelope.kind in SHOWN_KINDS:
                self._show_columns(changes, shown)
            elif shown.frame.envelope.kind == Kind.OBSERVED:
                self._show_observed(changes, shown)
            elif shown.frame.envelope.kind == Kind.SAID:
                self._show_said(shown)
            elif shown.frame.envelope.kind == Kind.LINK:
                self._show_links(shown)
            elif shown.frame.envelope.kind == Kind.TEXT:
                self._show_texts(changes, shown)
        self.picture.apply(changes)
        for device, (slot, t_ms, order, tag, *values) in changes.held:
            self.tracks.receivers.hear(slot, device, t_ms, order, tag, tuple(values))

    def _show_columns(self, changes: Changes, shown: Shown) -> None:
        decoded, _, times, tag, t_hub_ms, _, bearer = shown
        head = decoded.envelope
        if head.lane == Lane.LIVE and not self._restoring:
            self.rhythms.hear(head.device, bearer, t_hub_ms)
        # of the same second the full row stands above its preview
        base = -head.n if head.is_preview else rank(head.device, head.boot, head.stream, head.row)
        ranks = range(base, base + head.n)
        slot = self.units.only_slot(head.device)
        newest_ms = max(times)
        if slot is not None and newest_ms <= t_hub_ms + AHEAD_MS_MAX:
            columns = decoded.columns
            if not tag and head.kind == Kind.STATE and not self.gates.near(head.device, times[-1], columns):
                columns = self._gated(changes, slot, shown, times, columns)
            holder = 0
            if head.kind == Kind.STATE:
                holder = self._follow(slot, shown, times, ranks, columns)
            changes.add_columns(slot, head.kind, times, ranks, columns, tag, holder)
            changes.rx.append((slot, newest_ms, shown.heard_ms(newest_ms), tag))
            return
        for slot, rows in self._by_slot(head.device, times, t_hub_ms, changes).items():
            columns = {bit: [column[i] for i in rows] for bit, column in decoded.columns.items()}
            some = [times[i] for i in rows]
            if not tag and head.kind == Kind.STATE:
                columns = self._gated(changes, slot, shown, some, columns)
            some_ranks, holder = [ranks[i] for i in rows], 0
            if head.kind == Kind.STATE:
                holder = self._follow(slot, shown, some, some_ranks, columns)
            changes.add_columns(slot, head.kind, some, some_ranks, columns, tag, holder)
            changes.rx.append((slot, max(some), shown.heard_ms(max(some)), tag))

    def _gated(
        self, changes: Changes, slot: int, shown: Shown, times: list[int], columns: Columns
    ) -> Columns:
        """Rows without positions that nothing could have reached. Not for estimated times: they are no
        measure of speed."""
        device = shown.frame.envelope.device
        if LAT not in columns or LON not in columns:
            return columns
        doubted = self.gates.judge(device, self.units.rows[slot].kind, times, columns)
        if not doubted:
            return columns
        changes.quarantined.append(slot)
        if not self._restoring:
            self._refuse("teleport", device, shown.t_hub_ms)
        return without(columns, doubted)

    def _follow(
        self, slot: int, shown: Shown, times: list[int], ranks: Sequence[int], columns: Columns
    ) -> int:
        """Positions to the tracks; the device, when its unit carries several and they have to decide."""
        head = shown.frame.envelope
        if not shown.tag:
            self.tracks.hear(slot, head.device, times, columns, preview=head.is_preview)
        if slot not in self.units.shared:
            return 0
        self.tracks.receivers.hear_modes(slot, head.device, times, ranks, columns)
        return head.device

    def _by_slot(
        self, device: int, times: list[int], t_hub_ms: int, changes: Changes
    ) -> dict[int, list[int]]:
        """Rows by the unit that carried the device then; those from the future are kept out."""
        rows: dict[int, list[int]] = {}
        if max(times) > t_hub_ms + AHEAD_MS_MAX:
            self._refuse("future", device, t_hub_ms)
        for i, t_ms in enumerate(times):
            ahead = t_ms > t_hub_ms + AHEAD_MS_MAX
            slot = self.units.slot_at(device, min(t_ms, t_hub_ms))
            self.counters.quarantined_rows += ahead
            if slot is not None and ahead:
                changes.quarantined.append(slot)
            elif slot is not None:
                rows.setdefault(slot, []).append(i)
        return rows

    def _show_observed(self, changes: Changes, shown: Shown) -> None:
        """Things that the device heard or saw: units of their own, never the device's."""
        head = shown.frame.envelope
        base = rank(head.device, head.boot, head.stream, head.row)
        by_slot = self._by_slot(head.device, shown.times, shown.t_hub_ms, Changes())
        for slot, rows in by_slot.items():
            made = [
                Row(
                    shown.times[i],
                    base + i,
                    {b: v for b, c in shown.frame.columns.items() if (v := c[i]) is not None},
                )
                for i in rows
            ]
            self.reported.observe(changes, self._reporter(head.device, slot), made, shown.tag, shown.t_hub_ms)

    def _show_said(self, shown: Shown) -> None:
        """Names and messages of things, each row once."""
        head = shown.frame.envelope
        for slot, rows in self._by_slot(head.device, shown.times, shown.t_hub_ms, Changes()).items():
            by = self._reporter(head.device, slot)
            for i in rows:
                if any(a <= head.row + i * head.step <= b for a, b in shown.fresh):
                    words = shown.frame.body[i]
                    self.reported.hear(by, shown.times[i], words, shown.t_hub_ms, old=self._restoring)

    def _show_texts(self, changes: Changes, shown: Shown) -> None:
        """What the wearer wrote, each row once; from a clock that runs ahead it is dated by its arrival."""
        head, t_hub_ms = shown.frame.envelope, shown.t_hub_ms
        for i, t_ms in enumerate(shown.times):
            number, t_ms = head.row + i * head.step, t_ms if t_ms <= t_hub_ms + AHEAD_MS_MAX else t_hub_ms
            slot = self.units.slot_at(head.device, t_ms)
            if slot is None or not any(a <= number <= b for a, b in shown.fresh):
                continue
            id, unit = f"{head.device}-{head.boot}-{number}", self.units.rows[slot].id
            text = TextUp(id, head.device, slot, unit, shown.frame.body[i], t_ms, t_hub_ms)
            self.texts.hear(text, old=self._restoring)
            changes.rx.append((slot, t_ms, shown.heard_ms(t_ms), shown.tag))

    def _show_links(self, shown: Shown) -> None:
        """How the gateway's bearers do. A clock that runs ahead makes nothing newer than it is."""
        device = shown.frame.envelope.device
        for words, t_ms in zip(shown.frame.body, shown.times, strict=True):
            at_ms = min(t_ms, shown.t_hub_ms)
            self.links.tell(device, Told(check_link(words), at_ms, shown.t_hub_ms))

    def _reporter(self, device: int, slot: int) -> Reporter:
        row = self.units.rows[slot]
        return Reporter(device, slot, row.id, row.agency)

    def _show_events(self, changes: Changes, shown: Shown) -> list[Event]:
        """An event from a clock that runs ahead still alarms: it is dated by its arrival instead."""
        head, t_hub_ms = shown.frame.envelope, shown.t_hub_ms
        out = []
        for i, t_ms in enumerate(shown.times):
            if not any(a <= head.row + i <= b for a, b in shown.fresh):
                continue
            if t_ms > t_hub_ms + AHEAD_MS_MAX:
                self.counters.quarantined_rows += 1
                t_ms = t_hub_ms
            slot = self.units.slot_at(head.device, t_ms)
            values = {bit: column[i] for bit, column in shown.frame.columns.items()}
            if self.take_receipt(head.device, values, t_ms, t_hub_ms):
                if slot is not None:
                    changes.rx.append((slot, t_ms, shown.heard_ms(t_ms), shown.tag))
                continue
            if slot is None:
                continue
            event = self.events.apply(
                head.device, Said(head.boot, head.row + i, t_ms), slot, values, t_hub_ms,
                shown.frame.t_mono_ms[i], ClockSource.NONE if shown.tag else shown.frame.clock_source,
            )  # fmt: skip
            changes.rx.append((slot, t_ms, shown.heard_ms(t_ms), shown.tag))
            if event is not None:
                self.counters.events += 1
                flag = flag_of(event.code)
                self.picture.set_alarm(event.slot, flag, self.events.flag_open(event.slot, flag))
                out.append(event)
        return out

    def follow(self, now_ms: int) -> None:
        """The tracks go on over what was shown. Each tick."""
        self._track(lambda: self.tracks.step(now_ms))

    def _track(self, go_on: Callable[[], None]) -> None:
        """Tracks are worked out and can begin anew: whatever is wrong with one, the picture goes on without it."""
        try:
            go_on()
        except Exception:
            log.exception("tracks: begun anew")
            self.counters.track_failures += 1
            self.tracks = Tracks(self.picture, self.units)

    def restore(self, frames: Iterable[LogFrame]) -> int:
        """Show frames out of the log again, as of their coming; how many were usable. At start-up."""
        admitted = Admitted(Commit(0))
        for stored in frames:
            try:
                decoded = open_logged(stored, self.keys.logged)
            except FrameError as err:
                self.counters.refuse(err.reason, stored.device, stored.t_hub_ms)
                continue
            zero_ms, tag = self._date(admitted, decoded, stored.t_hub_ms)
            flat = stored.fresh or [stored.row, decoded.envelope.last]
            fresh = list(zip(flat[::2], flat[1::2], strict=True))
            times = [zero_ms + t_mono_ms for t_mono_ms in decoded.t_mono_ms]
            admitted.shown.append(Shown(decoded, fresh, times, tag, stored.t_hub_ms))
        self._restoring = True  # what is old news is not told again
        self.show(admitted)
        self._restoring = False
        self._track(self.tracks.settle)
        return len(admitted.shown)

    # --- acknowledgements --------------------------------------------------------------------------------

    def acknowledge(self, publish: Callable[[int, bytes], None]) -> None:
        """Send what is due. Only between a commit and the next `admit`: coverage is then what the log has."""
        now_ms = self.clock.now_ms()
        for key, refused in self.owed.due(now_ms):
            device, boot, stream = key
            mac_key = self.keys.get(device)
            if mac_key is None:
                continue  # struck off the roster since
            coverage = self.coverage(key)
            ack = acks.Ack(
                now_ms, boot, stream, coverage.watermark, coverage.further(acks.RANGES_MAX), tuple(refused)
            )
            publish(device, acks.pack(ack, mac_key))
            self.counters.acks += 1
        for relay_device, said in self.below.due():
            mac_key = self.keys.get(relay_device)
            if mac_key is not None:
                message = orders.pack_down(orders.What.PASSED, said, mac_key)
                self.paths.publish(topics.orders, relay_device, message)

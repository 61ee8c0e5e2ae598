"""The frozen table of fields: every number that a device may send, with its quantum, range and page.

Enters: nothing. Leaves: `FIELDS`, looked up by id or name, for packing, decoding, checking and documentation.

A field's id is `page * 64 + bit`. A page is what one kind of frame can carry: its bit numbers a field in
the frame's mask, so the commonest fields have the lowest bits. Ids are only ever added: a field's meaning,
quantum or range never changes. A test holds this table against `docs/wire.md` and a digest of its past.
"""

from dataclasses import dataclass
from enum import IntEnum

PAGE_BITS = 64


class Kind(IntEnum):
    """What a frame carries. Kinds below 8 are pages of columns; the others have a body of their own."""

    STATE = 0  # where a responder or vehicle is, and how it is doing
    HEALTH = 1  # how the gateway itself is doing
    EVENT = 2  # SOS and alarms: columns too, so that they carry a place
    TEXT = 8  # UTF-8 text, one string a row
    GAP = 9  # rows that the edge shed and will never send
    HELD = 10  # the ranges of rows that the edge still holds, said at start-up


class Stream(IntEnum):
    """Rows are numbered per (device, boot, stream)."""

    EVENTS = 0
    ROWS = 1
    BULK = 2


class Lane(IntEnum):
    """The order of sending. A lane is never a second copy of a row."""

    SOS = 0
    RECEIPTS = 1
    LIVE = 2
    HISTORY = 3
    BULK = 4


class ClockSource(IntEnum):
    """Where a frame's UTC comes from."""

    NONE = 0
    GNSS = 1
    SYSTEM = 2  # the gateway's own clock, kept by NTP
    HUB = 3  # the hub's time out of an acknowledgement


@dataclass(frozen=True, slots=True)
class Field:
    """One column. `order` 2: second differences (positions move smoothly); 1: first differences."""

    id: int
    name: str
    unit: str
    quantum: str
    lo: int
    hi: int
    order: int
    zh: str
    en: str
    sender: str

    @property
    def page(self) -> int:
        return self.id // PAGE_BITS

    @property
    def bit(self) -> int:
        return self.id % PAGE_BITS


def _state(bit: int, *rest: object) -> Field:
    return Field(Kind.STATE * PAGE_BITS + bit, *rest)  # type: ignore[arg-type]


def _health(bit: int, *rest: object) -> Field:
    return Field(Kind.HEALTH * PAGE_BITS + bit, *rest)  # type: ignore[arg-type]


def _event(bit: int, *rest: object) -> Field:
    return Field(Kind.EVENT * PAGE_BITS + bit, *rest)  # type: ignore[arg-type]


FIELDS: tuple[Field, ...] = (
    # bit, name, unit, quantum, lo, hi, order of differences, zh, en, sent by
    _state(0, "lat_deg_e7", "deg", "1e-7", -900_000_000, 900_000_000, 2, "纬度", "Latitude", "GNSS"),
    _state(1, "lon_deg_e7", "deg", "1e-7", -1_800_000_000, 1_800_000_000, 2, "经度", "Longitude", "GNSS"),
    _state(2, "alt_dm", "m", "0.1", -50_000, 1_000_000, 1, "海拔", "Altitude (MSL)", "GNSS"),
    _state(3, "speed_dmps", "m/s", "0.1", 0, 10_000, 1, "速度", "Speed", "GNSS"),
    _state(4, "course_deg", "deg", "1", 0, 359, 1, "航向", "Course", "GNSS"),
    _state(5, "battery_pct", "%", "1", 0, 100, 1, "电量", "Battery", "gateway"),
    _state(6, "heart_bpm", "1/min", "1", 0, 255, 1, "心率", "Heart rate", "strap, board"),
    _state(7, "lel_permille", "% LEL", "0.1", 0, 2_000, 1, "可燃气体", "Combustible gas", "gas detector"),
    _state(8, "o2_permille", "% vol", "0.1", 0, 1_000, 1, "氧气", "Oxygen", "gas detector"),
    _state(9, "co_ppm", "ppm", "1", 0, 10_000, 1, "一氧化碳", "Carbon monoxide", "gas detector"),
    _state(10, "h2s_dppm", "ppm", "0.1", 0, 10_000, 1, "硫化氢", "Hydrogen sulphide", "gas detector"),
    _state(11, "fix_mode", "", "1", 0, 6, 1, "定位方式", "Fix mode", "GNSS"),
    _state(12, "hacc_dm", "m", "0.1", 0, 1_000_000, 1, "水平精度", "Horizontal accuracy", "GNSS"),
    _state(13, "sats_used", "", "1", 0, 255, 1, "卫星数", "Satellites used", "GNSS"),
    _state(14, "scba_kpa", "kPa", "1", 0, 60_000, 1, "气瓶压力", "Cylinder pressure", "SCBA transmitter"),
    _state(
        15,
        "ambient_dc",
        "°C",
        "0.1",
        -2_000,
        20_000,
        1,
        "环境温度",
        "Ambient temperature",
        "board, weather station",
    ),
    _health(0, "uptime_s", "s", "1", 0, 2**32 - 1, 1, "运行时间", "Uptime", "gateway"),
    _health(1, "clock_source", "", "1", 0, 3, 1, "时钟来源", "Clock source", "gateway"),
    _health(2, "clock_error_ms", "ms", "1", 0, 2**31, 1, "时钟误差", "Clock error", "gateway"),
    _health(3, "spool_rows", "", "1", 0, 2**40, 1, "待传记录", "Rows waiting", "gateway"),
    _health(4, "spool_kib", "KiB", "1", 0, 2**40, 1, "缓存占用", "Spool size", "gateway"),
    _health(5, "backlog_s", "s", "1", 0, 2**32 - 1, 1, "积压时长", "Age of oldest unsent row", "gateway"),
    _health(6, "rtt_ms", "ms", "1", 0, 2**31, 1, "往返时延", "Round trip to the hub", "gateway"),
    _health(7, "reconnects", "", "1", 0, 2**32 - 1, 1, "重连次数", "Reconnections", "gateway"),
    _health(8, "cpu_permille", "%", "0.1", 0, 100_000, 1, "处理器占用", "Agent CPU", "gateway"),
    _health(9, "cpu_dc", "°C", "0.1", -1_000, 2_000, 1, "处理器温度", "CPU temperature", "gateway"),
    _health(10, "rss_kib", "KiB", "1", 0, 2**32 - 1, 1, "内存占用", "Agent memory", "gateway"),
    _health(11, "serial_bad", "", "1", 0, 2**40, 1, "串口坏帧", "Bad serial messages", "gateway"),
    _health(12, "disk_free_mib", "MiB", "1", 0, 2**32 - 1, 1, "剩余磁盘", "Disk free", "gateway"),
    _health(13, "ports_down", "", "1", 0, 255, 1, "断开串口", "Ports down", "gateway"),
    _health(14, "key_list", "", "1", 0, 2**32 - 1, 1, "指挥密钥表", "List of commanders' keys", "gateway"),
    _event(0, "event_code", "", "1", 0, 255, 1, "事件", "Event", "gateway"),
    _event(1, "event_id", "", "1", 0, 2**63 - 1, 1, "事件编号", "Event id", "gateway"),
    _event(2, "event_phase", "", "1", 0, 3, 1, "阶段", "Phase", "gateway"),
    _event(3, "event_value", "", "1", -(2**53), 2**53, 1, "数值", "Value", "gateway"),
    _event(4, "event_threshold", "", "1", -(2**53), 2**53, 1, "阈值", "Threshold", "gateway"),
    _event(5, "event_lat_deg_e7", "deg", "1e-7", -900_000_000, 900_000_000, 2, "纬度", "Latitude", "GNSS"),
    _event(
        6, "event_lon_deg_e7", "deg", "1e-7", -1_800_000_000, 1_800_000_000, 2, "经度", "Longitude", "GNSS"
    ),
    _event(7, "event_alt_dm", "m", "0.1", -50_000, 1_000_000, 1, "海拔", "Altitude (MSL)", "GNSS"),
    _event(8, "event_fix_age_s", "s", "1", 0, 2**31, 1, "定位时龄", "Age of the fix", "gateway"),
)


class EventCode(IntEnum):
    """What happened. Values of field `event_code`."""

    SOS = 1
    MAN_DOWN = 2
    LOW_AIR = 3
    GAS = 4
    SPOOL_FAULT = 5


class EventPhase(IntEnum):
    """Values of field `event_phase`."""

    RAISED = 0
    REPEATED = 1
    CLEARED = 2
    CANCELLED = 3


FIELDS_BY_ID: dict[int, Field] = {field.id: field for field in FIELDS}
FIELDS_BY_NAME: dict[str, Field] = {field.name: field for field in FIELDS}


def field_id(name: str) -> int:
    """The id of a field by its name; KeyError for a name that is not in the table."""
    return FIELDS_BY_NAME[name].id


def page_fields(kind: int) -> dict[int, Field]:
    """The fields of one page: bit -> field."""
    return {field.bit: field for field in FIELDS if field.page == kind}

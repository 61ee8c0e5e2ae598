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
    OBSERVED = 3  # what a device heard or saw of something else: mesh nodes, vessels, drones, beacons
    TEXT = 8  # UTF-8 text, one string a row
    GAP = 9  # rows that the edge shed and will never send
    HELD = 10  # the ranges of rows that the edge still holds, said at start-up
    SAID = 11  # names and messages of something else: [source, id, what, text] a row
    LINK = 12  # how the gateway's bearers do: `protocols.links.LinkState` a row


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


class Source(IntEnum):
    """By what something else was heard or seen. Values of `obs_source`; with `obs_id` it names the thing."""

    MESH = 1  # a Meshtastic node; its id is the node number
    AIS = 2  # a vessel; its id is the MMSI
    DRONE = 3  # a MAVLink vehicle; its id is the reporter's device number * 256 + system id
    BEACON = 4  # a beacon that a board heard; its id is the beacon's own
    RDSS = 5  # a BeiDou short-message terminal; its id is the card's number


class Said(IntEnum):
    """What the text of a SAID row is."""

    NAME = 0  # what the thing is called
    MESSAGE = 1  # what somebody wrote


class Bearer(IntEnum):
    """The kinds of ways between a gateway and a hub."""

    NONE = 0
    MQTT = 1  # over IP: LTE, Wi-Fi, a mesh LAN
    DATAGRAM = 2  # UDP, to the hub or to a relay in the same LAN
    MESH = 3  # LoRa, by a Meshtastic radio
    RDSS = 4  # BeiDou short messages
    RELAY = 5  # out of another hub's log, passed upward


class BearerState(IntEnum):
    """What a bearer can do now."""

    OFF = 0
    DOWN = 1
    CONNECTING = 2
    UP = 3
    HELD = 4  # it works, and may not send yet: duty cycle, card interval, refusal


class Duty(IntEnum):
    """What a responder is doing: it decides which rules are armed. Values of `duty`."""

    UNKNOWN = 0
    STANDBY = 1  # on duty, outside the danger area
    ENTERED = 2  # inside the danger area
    ON_AIR = 3  # inside, breathing from the cylinder
    REHAB = 4  # resting and recovering


class PassState(IntEnum):
    """Values of `pass_state`: the personal alert safety system (PASS)."""

    OFF = 0
    ARMED = 1
    PRE_ALARM = 2
    ALARM = 3


class Posture(IntEnum):
    """Values of `posture`, as a board on the chest or belt feels it."""

    UNKNOWN = 0
    UPRIGHT = 1
    BENT = 2
    LYING = 3


class Pump(IntEnum):
    """Values of `pump`: a fire engine's, by an input module on its bus."""

    STOPPED = 0
    DELIVERING = 1
    FILLING = 2  # the tank, from a hydrant or open water


class Corrections(IntEnum):
    """Values of `corrections`: RTK corrections on their way to the receiver."""

    OFF = 0
    CONNECTING = 1
    FLOWING = 2
    SILENT = 3  # connected, but nothing comes
    REFUSED = 4  # the caster said no


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


def _observed(bit: int, *rest: object) -> Field:
    return Field(Kind.OBSERVED * PAGE_BITS + bit, *rest)  # type: ignore[arg-type]


# fmt: off
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
    _state(15, "ambient_dc", "°C", "0.1", -2_000, 20_000, 1, "环境温度", "Ambient temperature", "board, weather"),
    _state(16, "heading_ddeg", "deg", "0.1", 0, 3_599, 1, "车首向", "Heading", "GNSS with two antennas"),
    _state(17, "wind_dmps", "m/s", "0.1", 0, 1_000, 1, "风速", "Wind speed", "weather station"),
    _state(18, "wind_from_deg", "deg", "1", 0, 359, 1, "风向", "Wind from", "weather station"),
    _state(19, "humidity_permille", "% RH", "0.1", 0, 1_000, 1, "湿度", "Humidity", "weather station"),
    _state(20, "pressure_pa", "Pa", "1", 20_000, 120_000, 1, "气压", "Air pressure", "board, weather station"),
    _state(21, "sun_wpm2", "W/m²", "1", 0, 2_000, 1, "太阳辐射", "Solar radiation", "weather station"),
    _state(22, "co2_ppm", "ppm", "1", 0, 1_000_000, 1, "二氧化碳", "Carbon dioxide", "gas detector"),
    _state(23, "so2_dppm", "ppm", "0.1", 0, 100_000, 1, "二氧化硫", "Sulphur dioxide", "gas detector"),
    _state(24, "nh3_dppm", "ppm", "0.1", 0, 100_000, 1, "氨气", "Ammonia", "gas detector"),
    _state(25, "cl2_dppm", "ppm", "0.1", 0, 100_000, 1, "氯气", "Chlorine", "gas detector"),
    _state(26, "voc_dppm", "ppm", "0.1", 0, 1_000_000, 1, "挥发性有机物", "VOC", "gas detector"),
    _state(27, "gas_faults", "", "1", 0, 65_535, 1, "气体传感器故障", "Gas sensors failed", "gas detector"),
    _state(28, "gas_over", "", "1", 0, 65_535, 1, "气体超量程", "Gas over range", "gas detector"),
    _state(29, "duty", "", "1", 0, 15, 1, "作业状态", "Duty", "gateway"),
    _state(30, "pass_state", "", "1", 0, 7, 1, "呼救器", "PASS", "gateway"),
    _state(31, "activity_mg", "g", "0.001", 0, 16_000, 1, "活动强度", "Motion", "board"),
    _state(32, "posture", "", "1", 0, 7, 1, "姿态", "Posture", "board"),
    _state(33, "floor", "", "1", -20, 250, 1, "楼层", "Floor", "gateway"),
    _state(34, "floor_band_e1", "", "0.1", 0, 1_000, 1, "楼层误差", "Floor ±", "gateway"),
    _state(35, "air_left_s", "s", "1", 0, 36_000, 1, "报警前可用", "Air until the whistle", "gateway"),
    _state(36, "turn_back_s", "s", "1", -36_000, 36_000, 1, "返回倒计时", "Time until turning back", "gateway"),
    _state(37, "air_dlpm", "L/min", "0.1", 0, 5_000, 1, "耗气量", "Air consumption", "gateway"),
    _state(38, "strain_e1", "", "0.1", 0, 200, 1, "生理应激指数", "Strain index (PSI)", "gateway"),
    _state(39, "core_dc", "°C", "0.1", 300, 450, 1, "核心体温估计", "Core temperature, estimated", "gateway"),
    _state(40, "core_band_dc", "°C", "0.1", 0, 100, 1, "核心体温误差", "Core temperature ±", "gateway"),
    _state(41, "engine_rpm", "1/min", "1", 0, 20_000, 1, "转速", "Engine speed", "OBD"),
    _state(42, "coolant_c", "°C", "1", -60, 300, 1, "水温", "Coolant temperature", "OBD"),
    _state(43, "fuel_permille", "%", "0.1", 0, 1_000, 1, "油量", "Fuel", "OBD"),
    _state(44, "supply_mv", "V", "0.001", 0, 100_000, 1, "车载电压", "Supply voltage", "OBD, board"),
    _state(45, "engine_load_permille", "%", "0.1", 0, 1_000, 1, "发动机负荷", "Engine load", "OBD"),
    _state(46, "wheel_dmps", "m/s", "0.1", 0, 2_000, 1, "车轮速度", "Wheel speed", "OBD"),
    _state(47, "fuel_dlph", "L/h", "0.1", 0, 50_000, 1, "油耗", "Fuel rate", "OBD"),
    _state(48, "pump", "", "1", 0, 7, 1, "水泵", "Pump", "vehicle input"),
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
    _health(15, "gps_used", "", "1", 0, 255, 1, "GPS 卫星", "GPS used", "GNSS"),
    _health(16, "glonass_used", "", "1", 0, 255, 1, "格洛纳斯卫星", "GLONASS used", "GNSS"),
    _health(17, "galileo_used", "", "1", 0, 255, 1, "伽利略卫星", "Galileo used", "GNSS"),
    _health(18, "beidou_used", "", "1", 0, 255, 1, "北斗卫星", "BeiDou used", "GNSS"),
    _health(19, "qzss_used", "", "1", 0, 255, 1, "准天顶卫星", "QZSS used", "GNSS"),
    _health(20, "sats_seen", "", "1", 0, 255, 1, "可见卫星", "Satellites in view", "GNSS"),
    _health(21, "corrections", "", "1", 0, 7, 1, "差分状态", "Corrections", "gateway"),
    _health(22, "corrections_age_ds", "s", "0.1", 0, 100_000, 1, "差分龄期", "Age of corrections", "GNSS, gateway"),
    _health(23, "ports_silent", "", "1", 0, 255, 1, "无数据串口", "Ports without data", "gateway"),
    _health(24, "board_pct", "%", "1", 0, 100, 1, "单兵板电量", "Board's battery", "board"),
    _health(25, "rdss_beams", "", "1", 0, 32, 1, "北斗短报文波束", "RDSS beams", "RDSS terminal"),
    _health(26, "rdss_wait_s", "s", "1", 0, 100_000, 1, "短报文等待", "RDSS wait", "RDSS terminal"),
    _event(0, "event_code", "", "1", 0, 255, 1, "事件", "Event", "gateway"),
    _event(1, "event_id", "", "1", 0, 2**63 - 1, 1, "事件编号", "Event id", "gateway"),
    _event(2, "event_phase", "", "1", 0, 3, 1, "阶段", "Phase", "gateway"),
    _event(3, "event_value", "", "1", -(2**53), 2**53, 1, "数值", "Value", "gateway"),
    _event(4, "event_threshold", "", "1", -(2**53), 2**53, 1, "阈值", "Threshold", "gateway"),
    _event(5, "event_lat_deg_e7", "deg", "1e-7", -900_000_000, 900_000_000, 2, "纬度", "Latitude", "GNSS"),
    _event(6, "event_lon_deg_e7", "deg", "1e-7", -1_800_000_000, 1_800_000_000, 2, "经度", "Longitude", "GNSS"),
    _event(7, "event_alt_dm", "m", "0.1", -50_000, 1_000_000, 1, "海拔", "Altitude (MSL)", "GNSS"),
    _event(8, "event_fix_age_s", "s", "1", 0, 2**31, 1, "定位时龄", "Age of the fix", "gateway"),
    _event(9, "event_field", "", "1", 0, 511, 1, "相关量", "Field", "gateway"),
    _event(10, "event_seen", "", "1", 0, 3, 1, "已确认", "Seen", "gateway"),
    _event(11, "event_duty", "", "1", 0, 15, 1, "作业状态", "Duty", "gateway"),
    _event(12, "event_order", "", "1", 0, 2**53, 1, "命令编号", "Order", "gateway"),
    _observed(0, "obs_source", "", "1", 0, 255, 1, "来源", "Source", "gateway"),
    _observed(1, "obs_id", "", "1", 0, 2**63 - 1, 1, "编号", "Id", "gateway"),
    _observed(2, "obs_lat_deg_e7", "deg", "1e-7", -900_000_000, 900_000_000, 1, "纬度", "Latitude", "observed"),
    _observed(3, "obs_lon_deg_e7", "deg", "1e-7", -1_800_000_000, 1_800_000_000, 1, "经度", "Longitude", "observed"),
    _observed(4, "obs_alt_dm", "m", "0.1", -50_000, 1_000_000, 1, "海拔", "Altitude (MSL)", "observed"),
    _observed(5, "obs_speed_dmps", "m/s", "0.1", 0, 10_000, 1, "速度", "Speed", "observed"),
    _observed(6, "obs_course_deg", "deg", "1", 0, 359, 1, "航向", "Course", "observed"),
    _observed(7, "obs_heading_ddeg", "deg", "0.1", 0, 3_599, 1, "首向", "Heading", "observed"),
    _observed(8, "obs_age_s", "s", "1", 0, 2**31, 1, "定位时龄", "Age of the fix when heard", "gateway"),
    _observed(9, "obs_battery_pct", "%", "1", 0, 100, 1, "电量", "Battery", "observed"),
    _observed(10, "obs_rssi_dbm", "dBm", "1", -200, 50, 1, "信号强度", "Signal strength", "gateway"),
    _observed(11, "obs_snr_ddb", "dB", "0.1", -1_000, 1_000, 1, "信噪比", "Signal to noise", "gateway"),
    _observed(12, "obs_hops", "", "1", 0, 255, 1, "跳数", "Hops", "gateway"),
    _observed(13, "obs_mode", "", "1", 0, 2**32 - 1, 1, "模式", "Mode", "observed"),
    _observed(14, "obs_roll_deg", "deg", "1", -180, 180, 1, "横滚", "Roll", "drone"),
    _observed(15, "obs_pitch_deg", "deg", "1", -180, 180, 1, "俯仰", "Pitch", "drone"),
    _observed(16, "obs_fix_mode", "", "1", 0, 6, 1, "定位方式", "Fix mode", "observed"),
    _observed(17, "obs_height_dm", "m", "0.1", -50_000, 1_000_000, 1, "相对高度", "Height above start", "drone"),
    _observed(18, "obs_supply_mv", "V", "0.001", 0, 100_000, 1, "电压", "Voltage", "drone, mesh node"),
    _observed(19, "obs_armed", "", "1", 0, 1, 1, "电机已解锁", "Motors armed", "drone"),
    _observed(20, "obs_ship_type", "", "1", 0, 255, 1, "船舶类型", "Type of ship", "AIS"),
)
# fmt: on


class EventCode(IntEnum):
    """What happened. Values of field `event_code`."""

    SOS = 1
    MAN_DOWN = 2
    LOW_AIR = 3
    GAS = 4
    SPOOL_FAULT = 5
    FALL = 6  # impact, lying, still, and no answer
    TURN_BACK = 7  # the air is needed for the way out
    AIR_SENSOR_LOST = 8
    GAS_STEL = 9  # mean of 15 minutes
    GAS_TWA = 10  # dose of 8 hours
    GAS_RISE = 11
    GAS_FAULT = 12
    GAS_OVER_RANGE = 13
    HEART = 14  # too high for too long, or not recovering
    STRAIN = 15  # strain index (PSI)
    HEAT = 16  # core temperature's band reaches the limit
    FORGED_ORDER = 17  # somebody sends orders that no commander or hub made
    ENTERED = 64  # from here on nothing that is open or closed: it happened
    LEFT = 65
    ROLL_CALL = 66  # the wearer's answer to a roll-call
    RECEIVED = 67  # the wearer's answers to an order
    ACCEPTED = 68
    REFUSED = 69
    DONE = 70
    SHOWN = 71  # an order has been shown or played to the wearer


HAPPENINGS_FROM = 64
"""Codes from here on are never open: they happened at a time."""
GAS_FIELDS = (
    "lel_permille", "o2_permille", "co_ppm", "h2s_dppm", "co2_ppm", "so2_dppm", "nh3_dppm", "cl2_dppm", "voc_dppm",
)  # fmt: skip
"""Bit n of `gas_faults` and `gas_over` is the n-th of these."""
PRIVATE_FIELDS = frozenset({"heart_bpm", "strain_e1", "core_dc", "core_band_dc"})
"""What a body does. On a path that others can read it is sealed, and at the hub few may see it."""


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

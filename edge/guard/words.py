"""What a board's display says of an alarm: at most 64 bytes, Chinese first.

Enters: what stands, and the estimates. Leaves: a line. Called by `edge.guard.guard`.
"""

from edge.guard.rule import Standing
from protocols.catalog import FIELDS_BY_ID, EventCode, field_id
from protocols.wearer import Pattern

SHOW_BYTES_MAX = 64
AIR_LEFT = field_id("air_left_s")
WORDS: dict[EventCode, tuple[str, str]] = {
    EventCode.SOS: ("求救", "SOS"),
    EventCode.MAN_DOWN: ("呼救报警", "MAN DOWN"),
    EventCode.FALL: ("跌倒报警", "FALL"),
    EventCode.LOW_AIR: ("空气不足", "LOW AIR"),
    EventCode.TURN_BACK: ("立即返回", "TURN BACK"),
    EventCode.AIR_SENSOR_LOST: ("气压表失联", "air sensor lost"),
    EventCode.GAS: ("气体超限", "GAS"),
    EventCode.GAS_STEL: ("15分钟均值超限", "STEL"),
    EventCode.GAS_TWA: ("8小时剂量超限", "TWA"),
    EventCode.GAS_RISE: ("气体上升", "GAS RISING"),
    EventCode.GAS_FAULT: ("气体传感器故障", "gas sensor failed"),
    EventCode.GAS_OVER_RANGE: ("气体超量程", "OVER RANGE"),
    EventCode.SPOOL_FAULT: ("存储故障", "disk fault"),
    EventCode.HEART: ("心率过高", "HEART"),
    EventCode.STRAIN: ("体力透支", "STRAIN"),
    EventCode.HEAT: ("体温过高", "HEAT"),
    EventCode.FORGED_ORDER: ("有人伪造命令", "FORGED ORDERS"),
}
SOUNDS: dict[EventCode, Pattern] = {
    EventCode.MAN_DOWN: Pattern.ALARM,
    EventCode.FALL: Pattern.ALARM,
    EventCode.LOW_AIR: Pattern.LOW_AIR,
    EventCode.AIR_SENSOR_LOST: Pattern.LOW_AIR,
    EventCode.TURN_BACK: Pattern.TURN_BACK,
    EventCode.GAS: Pattern.GAS,
    EventCode.GAS_STEL: Pattern.GAS,
    EventCode.GAS_TWA: Pattern.GAS,
    EventCode.GAS_RISE: Pattern.GAS,
    EventCode.GAS_OVER_RANGE: Pattern.GAS,
    EventCode.HEART: Pattern.STRAIN,
    EventCode.STRAIN: Pattern.STRAIN,
    EventCode.HEAT: Pattern.STRAIN,
}
"""What the wearer hears; codes without a line are shown and not heard. An SOS is confirmed, not sounded."""
WAITING, SENT, HELD, SEEN = ": 未发出 not sent", ": 已发出 sent", ": 中心已收到 hub has it", ": 已看到 seen"
"""How far the wearer's own call has come. What has not gone out is never shown as if it had."""
GAS_CODES = frozenset(code for code in EventCode if code.name.startswith("GAS"))


def line(standing: Standing, values: dict[int, int], way: str = "") -> str:
    """One line: what, of which gas, how much; for a lost air sensor the minutes that are reckoned. `way`: how
    far it has come."""
    zh, en = WORDS[standing.code]
    text = f"{zh} {en}{way}"
    field = None if standing.field is None else FIELDS_BY_ID[standing.field]
    if standing.code in GAS_CODES and field is not None:
        text += f" {field.name.split('_')[0].upper()}"
        if standing.value is not None:
            text += f" {standing.value * float(field.quantum):g}{field.unit}"
    elif standing.code == EventCode.AIR_SENSOR_LOST and AIR_LEFT in values:
        text += f" ~{values[AIR_LEFT] // 60}min"
    return cut(text)


def cut(text: str) -> str:
    """At most what a display takes."""
    return text.encode()[:SHOW_BYTES_MAX].decode(errors="ignore")

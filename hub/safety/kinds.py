"""The kinds of alarms: what each is called, how grave it is, what to do first, and what may be done to it.

Pure data; docs/alarms.md is made of it. A new kind is one line here.
"""

from dataclasses import dataclass

from hub.safety.condition import Priority
from protocols.catalog import EventCode

C, H, M, L = Priority


@dataclass(frozen=True, slots=True)
class AlarmKind:
    """One line of the table.

    latches    stays until a person has confirmed its end by name: nobody's call for help goes away by itself
    protected  never shelved, never suppressed in a flood, escalates
    again_s    an acknowledged one that still stands calls again after so long, 0: never
    """

    zh: str
    en: str
    priority: Priority
    advice_zh: str
    advice_en: str
    latches: bool = False
    protected: bool = False
    again_s: int = 900


K = AlarmKind
KINDS: dict[str, AlarmKind] = {
    "sos": K("求救", "SOS", C, "呼叫本人，派最近的人", "call them, send the nearest", True, True, 120),
    "man_down": K("倒地", "Man down", C, "呼叫本人，派救援小组", "call them, send rescuers", True, True, 120),
    "air": K("空气不足", "Low air", C, "令其撤出", "order them out", False, True, 120),
    "turn_back": K("该返回", "Turn back", H, "令其返回", "order them back", False, True, 120),
    "air_sensor": K("气压失联", "Air sensor lost", H, "口头核对压力", "ask for the pressure", False, True, 300),
    "gas": K("气体", "Gas", H, "令其离开，检测周边", "order them away, measure around", False, True, 300),
    "gas_sensor": K("气体探头故障", "Gas sensor fault", M, "换探头前不得依赖", "do not rely on it"),
    "body": K("体征", "Body", H, "轮换休整", "relieve them", False, False, 600),
    "device": K("设备故障", "Device fault", M, "联系技术保障", "call the technician"),
    "forged": K("伪造命令", "Forged order", H, "口头核实命令", "confirm orders by voice", False, True),
    "zone": K("区域", "Zone", H, "核对是否应在其中", "check whether they should be there"),
    "proximity": K("过近", "Too near", H, "提醒双方", "tell both"),
    "overdue": K("超时未出", "Overdue", H, "呼叫，未答则派人", "call; no answer: send somebody", False, True, 300),
    "lost": K("失联", "Lost contact", M, "用其他方式呼叫", "call by another way"),
    "battery": K("电量低", "Low battery", L, "更换电池", "change the battery"),
    "threshold": K("超限", "Out of limits", M, "核对", "check"),
    "rate": K("变化过快", "Changes too fast", M, "核对", "check"),
    "absence": K("无数据", "No data", M, "核对设备", "check the device"),
    "capability": K("力量空缺", "Capability gone", H, "补派力量", "send another"),
    "retreat": K("建议撤退", "Retreat advised", C, "由人决定是否下令", "a person decides", False, True, 120),
    "roll_call": K("点名未应", "Roll-call unanswered", H, "逐个呼叫", "call one by one", False, True, 300),
    "evacuation": K("撤离未应", "Evacuation unanswered", C, "逐个呼叫", "call each one", False, True, 120),
    "warning": K("预警", "Warning", H, "撤出影响区", "leave the area"),
    "station": K("监测超限", "Station over its limit", M, "核对现场", "check on the spot"),
    "clock": K("时钟可疑", "Clock suspect", H, "校正中心时钟", "set the hub's clock", False, True),
    "callout": K("呼叫不通", "Call-out fails", H, "检查警铃和短信", "check the siren and SMS", False, True),
}  # fmt: skip
OF_CODE = {
    EventCode.SOS: "sos", EventCode.MAN_DOWN: "man_down", EventCode.FALL: "man_down", EventCode.LOW_AIR: "air",
    EventCode.TURN_BACK: "turn_back", EventCode.AIR_SENSOR_LOST: "air_sensor", EventCode.GAS: "gas",
    EventCode.GAS_STEL: "gas", EventCode.GAS_TWA: "gas", EventCode.GAS_RISE: "gas",
    EventCode.GAS_OVER_RANGE: "gas", EventCode.GAS_FAULT: "gas_sensor", EventCode.HEART: "body",
    EventCode.STRAIN: "body", EventCode.HEAT: "body", EventCode.SPOOL_FAULT: "device",
    EventCode.FORGED_ORDER: "forged",
}  # fmt: skip
"""What a device's own alarm is. Of a code that is not here it is `device`."""


def kind_of_code(code: int) -> str:
    """The kind of a device's alarm; an unknown code of a newer device is a device alarm, never nothing."""
    return next((kind for known, kind in OF_CODE.items() if known == code), "device")

"""What `zhantu-edge guard` prints.

Enters: `Guard.status`. Leaves: text. Called by `edge.cli`.
"""

from typing import Any


def as_text(status: dict[str, Any]) -> str:
    """A line a rule, then what is open."""
    since = "" if status["entered_s"] is None else f", entered {status['entered_s']} s ago"
    lines = [f"duty {status['duty']}{since}; sounds {status['sounds']}; shows {status['shows']!r}"]
    for name, told in status["rules"].items():
        rest = {
            key: value
            for key, value in told.items()
            if key not in ("state", "gases") and value not in (None, "")
        }
        lines.append(
            f"{name:<7} {told['state']}" + "".join(f"  {key}={value}" for key, value in rest.items())
        )
        gases = told.get("gases")
        if isinstance(gases, dict):
            lines += [f"        {gas:<13} {_gas(said)}" for gas, said in gases.items()]
        elif gases:
            lines[-1] += f"  {gases}"
    for event in status["open"]:
        value = f" {event['field']} {event['value']} against {event['threshold']}" if event["field"] else ""
        seen = ", seen" if event["seen"] else ""
        lines.append(
            f"OPEN {event['event'].upper()}{value}, since {event['since_s']} s{seen}, id {event['id']}"
        )
    if not status["open"]:
        lines.append("no alarm is open")
    lines += [f"        {name} {value}" for name, value in status["values"].items()]
    return "\n".join(lines)


def _gas(said: dict[str, Any]) -> str:
    limits = " ".join(f"{key} {value:g}" for key, value in said["limits"].items())
    return f"{said['state']}  value {said['value']}  15 min {said['stel']:g}  8 h {said['twa']:g}  limits {limits}"

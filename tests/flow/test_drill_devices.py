"""A drill's agent units with a board and a bus, all of it real: world → emulated devices → ptys → the unmodified
agent with its guard → broker → hub. What a wearer feels and does arrives there, and the edge's own rule calls for who
lies still."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from protocols.catalog import EventCode, EventPhase, Posture

pytestmark = pytest.mark.slow

DRILL = """\
scenario: 1
name: 设备演练
seed: 7
centre: [36.65, 117.0]
hazards: [{name: 罐, at: [36.65, 117.0], radius_m: 100, lel_permille: 30, co_ppm: 90}]
teams: [{name: 一队, branch: fire}]
units:
  - {callsign: 济南消防-01, kind: person, team: 一队, device: 1001, fidelity: agent,
     devices: [gnss, board, gas, air], path: {hold: {at: [36.65, 117.0]}}}
  - {callsign: 济南消防-02, kind: vehicle, team: 一队, device: 1002, fidelity: agent,
     devices: [gnss, obd, weather], path: {hold: {at: [36.651, 117.0]}}}
events:
  - {at_s: 4, unit: 济南消防-01, what: entry}
  - {at_s: 7, unit: 济南消防-01, what: sos}
  - {at_s: 10, unit: 济南消防-01, what: man_down}
"""
QUICK = "[guard.pass]\npre_s = 5.0\nalarm_s = 8.0\n[guard.fall]\nask_s = 2.0\nstill_s = 4.0\n"
"""The rules are as they are; only their patience is shorter."""
WORN = {"heart_bpm", "activity_mg", "posture", "pressure_pa", "scba_kpa", "ambient_dc"}
SNIFFED = {"lel_permille", "o2_permille", "co_ppm", "h2s_dppm", "co2_ppm", "gas_faults", "gas_over"}
DRIVEN = {
    "wheel_dmps",
    "engine_rpm",
    "coolant_c",
    "fuel_permille",
    "supply_mv",
    "wind_dmps",
    "humidity_permille",
}


@pytest.fixture
def drill(hub: Any, start_program: Callable[..., Any]) -> Any:
    """The simulator as a person starts it, against a hub that runs."""
    hub.add(1002, "济南消防-02", kind="vehicle")
    folder: Path = hub.folder
    (folder / "drill.yaml").write_text(DRILL, encoding="utf-8")
    (folder / "quick.toml").write_text(QUICK, encoding="utf-8")
    return start_program(
        "drill", "sim", "run", str(folder / "drill.yaml"), "--keys", str(hub.keys), "--dir", str(folder / "agents"),
        "--mqtt", f"127.0.0.1:{hub.mqtt_port}", "--edge-settings", str(folder / "quick.toml"),
    )  # fmt: skip


def test_what_a_wearer_feels_and_does_arrives_at_the_hub(
    hub: Any, drill: Any, patiently: Callable[..., Any]
) -> None:
    def rows(device: int) -> list[dict[str, Any]]:
        assert drill.alive(), drill.output()
        return [row for row in hub.rows() if row["device"] == device]

    def raised(code: EventCode) -> dict[str, Any] | None:
        told = [row for row in rows(1001) if row.get("event_code") == code]
        return told[0] if told else None

    for device, wanted in ((1001, WORN | SNIFFED), (1002, DRIVEN)):
        patiently(
            lambda device=device, wanted=wanted: wanted <= {name for row in rows(device) for name in row},
            f"values are missing of {device}",
        )
    for code in (EventCode.ENTERED, EventCode.SOS, EventCode.GAS, EventCode.FALL, EventCode.MAN_DOWN):
        told = patiently(lambda code=code: raised(code), f"no {code.name}")
        assert told["event_phase"] == EventPhase.RAISED
    found = rows(1001)
    assert max(row.get("co_ppm", 0) for row in found) > 50, "the detector stands in the hazard"
    assert {row["posture"] for row in found if "posture" in row} == {Posture.UPRIGHT, Posture.LYING}
    with hub.client() as client:
        hub.sign_in(client)
        units = client.get("/api/v1/events").raise_for_status().json()["events"]
    standing = {event["code"] for event in units if event["state"] == "raised"}
    assert {EventCode.SOS, EventCode.MAN_DOWN} <= standing

"""A soldier without MQTT: straight to the hub by UDP, and by a vehicle's relay. Real hub, broker and agents."""

import json
import socket
from collections.abc import Callable
from typing import Any

import httpx


def free_udp() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind(("127.0.0.1", 0))
        return int(line.getsockname()[1])


def only_datagrams(gateway: Any, port: int) -> None:
    """No broker for this one: its MQTT leads nowhere."""
    text = gateway.config.read_text().replace(f"port = {gateway.mqtt_port}", "port = 9")
    gateway.config.write_text(f'{text}[[bearer]]\nkind = "datagram"\nhost = "127.0.0.1"\nport = {port}\n')


def free_port() -> int:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        return int(line.getsockname()[1])


def team(page: int) -> list[dict[str, Any]]:
    """What the vehicle's local page shows."""
    told = httpx.get(f"http://127.0.0.1:{page}/team.json", timeout=10).json()
    return list(told.get("mates", []))


def states_of(hub: Any, device: int) -> list[dict[str, Any]]:
    return [row for row in hub.rows() if row["device"] == device and row["kind"] == "state"]


def test_by_udp_alone_everything_arrives_and_is_acknowledged(
    new_hub: Callable[..., Any], new_gateway: Callable[..., Any], patiently: Callable[..., Any]
) -> None:
    port = free_udp()
    hub = new_hub("--datagrams-port", str(port))
    hub.add(1001, "济南消防-01")
    hub.start()
    gateway = new_gateway(hub, 1001)
    gateway.mqtt_port = hub.mqtt_port
    only_datagrams(gateway, port)
    gateway.start_and_wait()
    patiently(lambda: len(states_of(hub, 1001)) >= 3, "no rows by UDP")
    gateway.command("sos")
    patiently(
        lambda: [r for r in hub.rows() if r["device"] == 1001 and r["kind"] == "event"], "no SOS by UDP"
    )
    patiently(lambda: gateway.status()["waiting_rows"] <= 2, "rows wait for their acknowledgement")
    bearers = gateway.status()["bearers"]
    assert (bearers["udp"]["state"], bearers["mqtt"]["state"]) == ("up", "down")
    assert "live" in bearers["udp"]["lanes"]


def test_by_a_vehicles_relay_the_soldier_is_on_the_map_and_its_answers_come_back(
    hub: Any, new_gateway: Callable[..., Any], patiently: Callable[..., Any]
) -> None:
    hub.add(1002, "1002号")
    hub.command("device", "relay", "1001")
    port = free_udp()
    car, soldier = new_gateway(hub, 1001), new_gateway(hub, 1002)
    page = free_port()
    car.config.write_text(
        f'{car.config.read_text()}[relay]\non = true\nlisten = "127.0.0.1"\nport = {port}\n'
        f"[team]\non = true\nport = {page}\n"
    )
    soldier.mqtt_port = hub.mqtt_port
    only_datagrams(soldier, port)
    car.start_and_wait()
    soldier.start_and_wait()
    patiently(lambda: len(states_of(hub, 1002)) >= 3, "no rows by the relay")
    soldier.command("sos")
    patiently(
        lambda: [r for r in hub.rows() if r["device"] == 1002 and r["kind"] == "event"], "no SOS by the relay"
    )
    patiently(lambda: soldier.status()["waiting_rows"] <= 2, "no acknowledgement by the relay")
    told = car.status()["relay"]
    assert told["passed"] == told["taken"] > 3
    assert told["returned"] > 0
    rows = states_of(hub, 1002)
    assert len({(row["boot"], row["row"]) for row in rows}) == len(rows)
    car.program.kill()
    soldier.command("sos")
    car.program.start()
    patiently(lambda: car.status()["link"] == "up", "the relay does not come back")
    patiently(lambda: soldier.status()["waiting_rows"] <= 2, "what waited for the relay is not sent", 90)

    # the hub is gone: the vehicle shows its team by itself
    patiently(
        lambda: [mate for mate in team(page) if mate["callsign"] == "1002号"],
        "the hub has not named the team",
    )
    hub.program.kill()
    soldier.command("sos", "--cancel")
    patiently(lambda: not team(page)[0]["alarms"], "the end of the alarm is not shown")
    soldier.command("sos")
    shown = patiently(
        lambda: (mates := team(page))[0]["alarms"] and mates[0], "no alarm on the vehicle's page"
    )
    assert (shown["callsign"], shown["alarms"][0]["code"]) == ("1002号", "sos")
    assert "m" in shown["place"]

    # and takes their roll-call
    httpx.post(f"http://127.0.0.1:{page}/roll-call", headers={"X-Zhantu": "1"}, timeout=10).raise_for_status()
    patiently(
        lambda: json.loads(soldier.command("guard", "--json"))["sounds"] == "roll_call",
        "the soldier is not asked",
    )
    assert team(page)[0]["answered"] is False

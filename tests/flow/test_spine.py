"""The whole way: receiver bytes on a pty → the unmodified agent → broker → hub → API, and acknowledgements back."""

import json
from collections.abc import Callable
from typing import Any

import httpx


def unit_of(client: httpx.Client, callsign: str) -> dict[str, Any]:
    units = client.get("/api/v1/units").raise_for_status().json()["units"]
    return next(unit for unit in units if unit["callsign"] == callsign)


def values_of(client: httpx.Client, unit: str) -> dict[str, dict[str, Any]]:
    values = client.get(f"/api/v1/units/{unit}").raise_for_status().json()["values"]
    return {value["name"]: value for value in values}


def test_a_receiver_moves_a_unit_and_the_spool_empties(
    hub: Any, new_gateway: Callable[..., Any], patiently: Callable[..., Any]
) -> None:
    gateway = new_gateway(hub, 1001)
    gateway.start_and_wait()
    with hub.client() as client:
        hub.sign_in(client)
        unit = unit_of(client, "济南消防-01")["id"]
        first = patiently(lambda: values_of(client, unit).get("lat_deg_e7"), "no position at the hub")
        later = patiently(
            lambda: (now := values_of(client, unit)["lat_deg_e7"])["value"] > first["value"] and now,
            "the unit does not move",
        )
        assert abs(later["value"] - 36.65) < 0.02 or abs(later["value"] - 366_500_000) < 200_000
        assert later["t_utc_ms"] > first["t_utc_ms"]
    status = patiently(
        lambda: (told := gateway.status())["utc_known"] == "gnss" and told,
        "no GNSS time",
    )
    assert status["link"] == "up"
    assert status["waiting_rows"] <= 5
    assert status["spool"]["acknowledged"] > 0


def test_an_sos_reaches_the_hub_and_a_cancel_ends_it(
    hub: Any, new_gateway: Callable[..., Any], patiently: Callable[..., Any]
) -> None:
    gateway = new_gateway(hub, 1001)
    gateway.start_and_wait()
    assert "SOS raised; sent" in gateway.command("sos")
    events = lambda: [row for row in hub.rows() if row.get("event_code") == 1]  # noqa: E731
    (raised,) = patiently(events, "no SOS in the log")
    assert raised["event_phase"] == 0
    gateway.command("sos", "--cancel")
    both = patiently(lambda: len(found := events()) == 2 and found, "no cancel in the log")
    assert [row["event_phase"] for row in both] == [0, 3]
    assert both[0]["event_id"] == both[1]["event_id"]


def test_a_receiver_that_is_unplugged_comes_back(
    hub: Any, new_gateway: Callable[..., Any], patiently: Callable[..., Any]
) -> None:
    gateway = new_gateway(hub, 1001, hz=5.0)
    gateway.start_and_wait()
    port = lambda: gateway.status()["ports"]["gnss"]  # noqa: E731
    patiently(lambda: port()["messages"]["good"], "the receiver is not heard")
    gateway.receiver.unplug()
    patiently(lambda: not port()["open"], "the agent does not see that the receiver is gone")
    gateway.receiver.plug()
    patiently(lambda: port()["open"] and port()["messages"]["good"], "the agent does not come back to it")
    assert port()["unplug_count"] == 1


def test_the_doctor_of_the_gateway_finds_port_and_hub(hub: Any, new_gateway: Callable[..., Any]) -> None:
    gateway = new_gateway(hub, 1001, hz=5.0)
    gateway.receiver.start()
    report = json.loads(gateway.command("check", "--seconds", "4", "--json"))
    assert report["ok"]
    assert report["ports"]["gnss"]["fixes"] >= 3
    assert report["hub"]["answers"]
    text = gateway.command("check", "--seconds", "3")
    assert "hub: answers in" in text
    assert "all well" in text

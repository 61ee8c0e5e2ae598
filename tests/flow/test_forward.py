"""Two hubs as programs, with a real agent: one above the other, and a standby that takes over. kill -9 of any of them.

Every row that the agent made is at both hubs in the end, once. Families are made as a person makes them: `below add`,
the file and its code to the other machine, `below join`.
"""

import os
import random
import re
import threading
from collections.abc import Callable
from typing import Any

import pytest

from hub import addresses

SEED = int(os.environ.get("ZHANTU_FORWARD_SEED", "5"))
KILLS = int(os.environ.get("ZHANTU_FORWARD_KILLS", "6"))
Key = tuple[int, int, int, int]


def family(first: Any, second: Any, *, standby: bool, port: int = 0) -> None:
    """`first` exists; `second` begins from its file, below it or as its standby."""
    first.add(1001, "济南消防-01")
    seed = first.folder / "seed.bin"
    options = ["--standby"] if standby else []
    said = first.command(
        "below", "add", "--callsign", "前指-01", "--out", str(seed),
        "--address", f"127.0.0.1:{port or first.mqtt_port}", *options,
    )  # fmt: skip
    code = re.search(r"^code +(\S+)", said, re.MULTILINE)
    assert code is not None, said
    second.command("below", "join", str(seed), "--code", code[1])
    lines = re.findall(r"^ +(above_\w+ = .*)$", said, re.MULTILINE)
    if lines:
        text = "\n".join(lines).replace("ADDRESS OF THE STANDBY", "127.0.0.1")
        text = re.sub(r"above_port = \d+", f"above_port = {second.mqtt_port}", text)
        (first.data / "hub.toml").write_text(text + "\n")


def keys_of(hub: Any) -> list[Key]:
    return [(row["device"], row["boot"], row["stream"], row["row"]) for row in hub.rows()]


def same_rows(first: Any, second: Any) -> bool:
    return sorted(keys_of(first)) == sorted(keys_of(second))


def whole(hub: Any) -> set[Key]:
    """All rows of the hub: each once, and none missing between the first and the last of a stream."""
    found = keys_of(hub)
    assert len(set(found)) == len(found), "a row is there twice"
    streams: dict[tuple[int, int, int], list[int]] = {}
    for *stream, row in found:
        streams.setdefault(tuple(stream), []).append(row)  # type: ignore[arg-type]
    for stream, rows in streams.items():
        assert sorted(rows) == list(range(len(rows))), f"{stream}: {len(rows)} rows up to {max(rows)}"
    return set(found)


def drained(gateway: Any) -> bool:
    status = gateway.status()
    return status["link"] == "up" and not status["waiting_rows"]


@pytest.mark.slow
def test_random_kills_of_either_hub_lose_and_double_nothing(
    new_hub: Callable[[], Any], new_gateway: Callable[..., Any], patiently: Callable[..., Any]
) -> None:
    above, below = new_hub(), new_hub()
    family(above, below, standby=False)
    below.keys = above.keys
    above.start()
    below.start()
    gateway = new_gateway(below, 1001, hz=5.0, row_s=0.2)
    gateway.start_and_wait()
    rng, pause = random.Random(SEED), threading.Event()
    for _ in range(KILLS):
        pause.wait(rng.uniform(0.3, 2.5))  # the random point, not a wait for something
        victim = rng.choice((above, below))
        victim.program.kill()
        pause.wait(rng.uniform(0.0, 2.0))
        victim.start()
    gateway.receiver.unplug()
    patiently(lambda: drained(gateway), "the agent does not get rid of its rows")
    patiently(lambda: same_rows(above, below), "the hub above does not get everything", patience_s=60)
    assert len(whole(above)) > 20
    with above.client() as client:
        above.sign_in(client)
        (unit,) = [unit for unit in client.get("/api/v1/units").json()["units"] if unit["device"] == 1001]
        assert unit["via"] == "前指-01"
        text = {"type": "text", "target": unit["id"], "text": "东侧集结"}
        seq = client.post("/api/v1/orders", json=text).raise_for_status().json()["seq"]

        def receipt() -> Any:
            (target,) = client.get(f"/api/v1/orders/{seq}").json()["targets"]
            return target["received"]

        patiently(receipt, "the device behind the hub below does not get a text from above")


@pytest.mark.slow
def test_the_way_up_is_tls_with_a_certificate_of_its_own(
    open_hub: Any, new_hub: Callable[[], Any], new_gateway: Callable[..., Any], patiently: Callable[..., Any]
) -> None:
    below = new_hub()
    family(open_hub, below, standby=False, port=open_hub.devices_port)
    settings = below.data / "hub.toml"
    assert "above_tls = true" in settings.read_text()
    host = addresses.outward()
    text = settings.read_text().replace('host = "0.0.0.0"', 'host = "127.0.0.1"')
    settings.write_text(text.replace('above_host = "127.0.0.1"', f'above_host = "{host}"'))
    below.keys = open_hub.keys
    below.start()
    gateway = new_gateway(below, 1001)
    gateway.start_and_wait()
    patiently(lambda: len(open_hub.rows()) > 3, "nothing comes over TLS")
    with below.client() as client:
        below.sign_in(client)
        assert client.get("/api/v1/above").json()["connected"] is True


@pytest.mark.slow
def test_a_standby_takes_over_and_the_first_hub_gets_what_it_missed(
    new_hub: Callable[[], Any], new_gateway: Callable[..., Any], patiently: Callable[..., Any]
) -> None:
    main, standby = new_hub(), new_hub()
    family(main, standby, standby=True)
    main.start()
    standby.start()
    gateway = new_gateway(main, 1001, hz=5.0, row_s=0.2)
    with gateway.config.open("a") as config:
        config.write(f'[[mqtt.route]]\nhost = "127.0.0.1"\nport = {standby.mqtt_port}\n')
    gateway.start_and_wait()
    patiently(lambda: len(standby.rows()) > 10, "the standby does not follow")
    main.program.kill()
    before = len(standby.rows())
    patiently(lambda: len(standby.rows()) > before + 20, "nothing comes to the standby", patience_s=60)
    gateway.receiver.unplug()
    patiently(lambda: drained(gateway), "the agent does not get rid of its rows")
    main.start()
    patiently(lambda: same_rows(main, standby), "the two do not agree", patience_s=60)
    assert len(whole(main)) > 30


@pytest.mark.slow
def test_an_order_given_at_a_hub_that_is_lost_is_brought_by_its_standby(
    new_hub: Callable[[], Any], new_gateway: Callable[..., Any], patiently: Callable[..., Any]
) -> None:
    main, standby = new_hub(), new_hub()
    family(main, standby, standby=True)
    main.start()
    standby.start()
    gateway = new_gateway(main, 1001)
    with gateway.config.open("a") as config:
        config.write(f'[[mqtt.route]]\nhost = "127.0.0.1"\nport = {standby.mqtt_port}\n')

    def ordered(hub: Any) -> list[dict[str, Any]]:
        with hub.client() as client:
            hub.sign_in(client)
            return list(client.get("/api/v1/orders").raise_for_status().json()["orders"])

    with main.client() as client:
        main.sign_in(client)
        text = {"type": "text", "target": "all", "text": "东侧集结"}
        seq = client.post("/api/v1/orders", json=text).raise_for_status().json()["seq"]
    patiently(lambda: [one for one in ordered(standby) if one["seq"] == seq], "the standby is not told")
    main.program.kill()
    gateway.start_and_wait()  # it was off when the order was given
    patiently(
        lambda: f"order {seq} obeyed" in gateway.program.output(), "the order does not come by the standby"
    )

    def received() -> Any:
        with standby.client() as client:
            standby.sign_in(client)
            (target,) = client.get(f"/api/v1/orders/{seq}").json()["targets"]
            return target["received"]

    patiently(received, "the standby does not hear the receipt")
    main.start()

    def told() -> Any:
        with main.client() as client:
            main.sign_in(client)
            (target,) = client.get(f"/api/v1/orders/{seq}").json()["targets"]
            return target["received"]

    patiently(told, "the first hub does not hear the receipt afterwards", patience_s=60)
    assert gateway.program.output().count(f"order {seq} obeyed") == 1

"""Orders end to end: a commander's signature, the hub's outbox, an enrolled agent that judges it, and the answer."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hub import addresses
from hub.identity.commanders import proof_bytes
from hub.settings import is_loopback
from protocols import orders
from protocols.orders import Order, OrderType

pytestmark = pytest.mark.skipif(
    is_loopback(addresses.outward()), reason="this machine has no address beyond loopback"
)
CALLSIGN = "济南消防-01"
HOUR_MS = 3_600_000


class Commander:
    """A signed-in person with the key of a shift."""

    def __init__(self, client: httpx.Client, hub: Any, role: str) -> None:
        self.client, self.role = client, role
        hub.sign_in(client, role)
        self.secret = Ed25519PrivateKey.generate()
        public = self.secret.public_key().public_bytes_raw()
        self.key_id = orders.key_id(public).hex()
        proof = self.secret.sign(proof_bytes(role, "live", public)).hex()
        self("POST", "/commanders", public=public.hex(), proof=proof, hours=12)

    def __call__(self, method: str, path: str, **body: Any) -> Any:
        answer = self.client.request(method, f"/api/v1{path}", json=body or None)
        return answer.raise_for_status().json()

    def core(self, type: OrderType, **body: str) -> bytes:
        seq, now_ms = self("GET", "/commanders")["next_seq"], int(time.time() * 1000)
        until_ms = now_ms + HOUR_MS
        order = Order(
            f"o{seq}", "live", "all", type, body, self.role, self.role, max(seq, now_ms), now_ms, until_ms
        )
        return orders.pack_order(order)

    def signature(self, core: bytes) -> dict[str, str]:
        return {"key_id": self.key_id, "signature": self.secret.sign(orders.signed_bytes(core)).hex()}

    def sign(self, type: OrderType, **body: str) -> int:
        core = self.core(type, **body)
        return int(self("POST", "/orders/signed", core=core.hex(), **self.signature(core))["seq"])

    def state(self, seq: int) -> str:
        (target,) = self("GET", f"/orders/{seq}")["targets"]
        return str(target["state"])

    def board(self, seq: int) -> Any:
        return self("GET", f"/evacuations/{seq}")


@pytest.fixture
def gateway(open_hub: Any, enrol: Callable[..., Any]) -> Any:
    made = enrol(open_hub, 1001, CALLSIGN)
    made.start_and_wait()
    return made


@pytest.fixture
def person(open_hub: Any) -> Iterator[Callable[[str], Commander]]:
    with ExitStack() as stack:
        yield lambda role: Commander(stack.enter_context(open_hub.client()), open_hub, role)


def test_leave_and_come_back(
    open_hub: Any, gateway: Any, person: Callable[[str], Commander], patiently: Callable[..., Any]
) -> None:
    wang, li = person("commander"), person("safety-officer")
    evacuate = wang.sign(OrderType.EVACUATE, text="撤到东门")
    patiently(lambda: wang.state(evacuate) == "received", "the agent does not take the evacuation")
    said = gateway.command("orders", "--json")
    assert (str(evacuate) in said, "撤到东门" in json.loads(said).__repr__()) == (True, True)
    patiently(lambda: wang.state(evacuate) == "shown", "it is not said to be shown")
    assert len(wang.board(evacuate)["not"]) == 1, "shown is not acknowledged"
    gateway.command("answer", str(evacuate), "accept")
    patiently(lambda: wang.state(evacuate) == "accepted", "it is not said to be accepted")
    board = wang.board(evacuate)
    (one,) = board["people"]
    assert (board["not"], board["over"]) == ([], False)
    assert one["delivered"] <= one["seen"] <= one["acknowledged"]

    core = wang.core(OrderType.ALL_CLEAR)
    proposed = wang("POST", "/all-clears", core=core.hex(), **wang.signature(core))
    li("POST", f"/all-clears/{proposed['id']}/sign", **li.signature(core))
    clear = patiently(
        lambda: next(
            (one["seq"] for one in li("GET", "/orders")["orders"] if one["type"] == "all_clear"), None
        ),
        "the all-clear is no order",
    )
    patiently(lambda: li.state(clear) in ("received", "shown"), "the agent does not take the all-clear")
    assert wang.board(evacuate)["over"] is True
    assert gateway.status()["trust"]["refused"] == {}


def test_words_tasks_and_a_roll_call_over_a_killed_hub(
    open_hub: Any, gateway: Any, person: Callable[[str], Commander], patiently: Callable[..., Any]
) -> None:
    wang = person("commander")
    text = wang("POST", "/orders", type="text", target="all", text="收到请回复")["seq"]
    patiently(lambda: wang.state(text) == "received", "no text")
    gateway.command("say", "三层已搜完")
    patiently(
        lambda: [one["text"] for one in wang("GET", "/texts")["texts"]] == ["三层已搜完"], "no text came up"
    )

    gateway.program.stop()  # silent while it is ordered
    task = wang("POST", "/orders/task", target="all", text="搜索四层")["seq"]
    open_hub.program.kill()
    open_hub.start()
    assert wang.state(task) in ("waiting", "sent")
    gateway.program.start()
    patiently(lambda: wang.state(task) == "received", "the task is lost")
    gateway.command("answer", str(task), "done")
    patiently(lambda: wang.state(task) == "done", "it is not done")

    roll = wang("POST", "/roll-calls", target="all")
    call = int(roll["id"][1:])
    patiently(lambda: wang.state(call) == "received", "no roll-call")
    assert wang("GET", f"/roll-calls/{roll['id']}")["counts"]["unconfirmed"] == 1, (
        "a device that has it is no answer"
    )
    gateway.command("answer", str(call), "here")
    patiently(lambda: wang("GET", f"/roll-calls/{roll['id']}")["counts"]["confirmed"] == 1, "no answer")
    assert wang.state(call) == "answered"
    assert [one["text"] for one in wang("GET", "/texts")["texts"]] == ["三层已搜完"]


def test_settings_are_changed_from_afar_and_stay_when_the_hub_is_reached(
    open_hub: Any, gateway: Any, person: Callable[[str], Commander], patiently: Callable[..., Any]
) -> None:
    with open_hub.client() as client:
        open_hub.sign_in(client, "technician")

        def state(seq: int) -> str:
            (target,) = client.get(f"/api/v1/orders/{seq}").raise_for_status().json()["targets"]
            return str(target["state"])

        body = {"target": "all", "changes": {"pace.row_s": 2.0}, "confirm_s": 60}
        good = client.post("/api/v1/orders/config", json=body).raise_for_status().json()["seq"]
        patiently(lambda: state(good) in ("accepted", "done"), "the settings are not taken")
        bad = client.post("/api/v1/orders/config", json=body | {"changes": {"device.number": 7}}).json()[
            "seq"
        ]
        patiently(lambda: state(bad) == "refused", "who a gateway is can be changed from afar")

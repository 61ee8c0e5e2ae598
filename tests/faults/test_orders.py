"""Orders while the programs are killed: each reaches every gateway, none is obeyed twice, and the hub knows it.

The hub repeats an order until its receipt, gateways remember what they obeyed; a kill between the two is the hard case.
"""

import re
import runpy
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

HERE = Path(__file__).parent
SHORT_ORDERS, ORDERS_A_MINUTE = 6, 8
OBEYED = re.compile(r"order (\d+) obeyed")
RECEIVED = {"received", "shown", "accepted", "refused", "done", "answered"}


@pytest.fixture(scope="module")
def programs() -> SimpleNamespace:
    """The field of test_programs.py, and the programs as tests/flow starts them."""
    found = runpy.run_path(str(HERE / "test_programs.py"))
    flow = runpy.run_path(str(HERE.parent / "flow" / "conftest.py"))
    flow |= runpy.run_path(str(HERE.parent / "flow" / "test_kills.py"))
    return SimpleNamespace(Field=found["Field"], flow=SimpleNamespace(**flow))


def give(field: Any, text: str) -> int:
    """A text to everybody, again until the hub has taken it; its number."""

    def tried() -> int | None:
        try:
            with field.hub.client() as client:
                field.hub.sign_in(client, "commander")
                body = {"type": "text", "target": "all", "text": text}
                answer = client.post("/api/v1/orders", json=body)
                return int(answer.json()["seq"]) if answer.is_success else None
        except (OSError, AssertionError, field.flow.httpx.HTTPError):
            return None  # it is just being started again

    return int(field.flow.wait_for(tried, "the hub takes no order", 60))


def states(field: Any, seq: int) -> list[str]:
    with field.hub.client() as client:
        field.hub.sign_in(client, "commander")
        targets = client.get(f"/api/v1/orders/{seq}").raise_for_status().json()["targets"]
        return [str(one["state"]) for one in targets]


@pytest.mark.slow
def test_every_order_arrives_and_none_is_obeyed_twice(
    programs: SimpleNamespace, tmp_path: Path, seed: int, minutes: float, report: Callable[..., None]
) -> None:
    field = programs.Field(programs.flow, tmp_path, seed)
    try:
        field.start()
        given: list[int] = []
        for number in range(max(SHORT_ORDERS, round(ORDERS_A_MINUTE * minutes))):
            given.append(give(field, f"第{number}号"))
            field.pause(field.rng.uniform(0.0, 0.6))
            field.kill(field.rng.choice(["edge", "edge", "edge", "hub", "broker"]))
        late = field.flow.wait_for
        late(field.hub.ready, "the hub does not come back", 60)
        for seq in given:
            late(lambda seq=seq: set(states(field, seq)) <= RECEIVED, f"order {seq} does not arrive", 120)
        field.settle()
        received = len(given) * len(field.numbers)
        twice = 0
        for gateway in field.gateways:
            obeyed = Counter(int(seq) for seq in OBEYED.findall(gateway.program.output()))
            twice += sum(count - 1 for count in obeyed.values())
        assert twice == 0, "an order was obeyed twice"
        report("orders under kill -9 of the programs", times=sum(field.kills.values()), made=received,
               stored=received, twice=twice)  # fmt: skip
    finally:
        field.close()

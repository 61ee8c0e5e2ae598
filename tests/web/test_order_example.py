"""What a commander signs, as bytes: tests/web/order_example.json is what protocols.orders makes; Vitest holds
the screen to the same file. `WRITE_EXAMPLE=1` writes it anew."""

import json
import os
from pathlib import Path
from typing import Any

from hub.identity.commanders import proof_bytes
from protocols import orders

FILE = Path(__file__).with_name("order_example.json")
T = 1_795_000_000_000
PUBLIC = bytes(range(32))
ORDERS = [
    orders.Order("0123456789abcdef", "sd-drill", "all", 3, {}, "王海", "commander", T + 5, T, T + 7_200_000),
    orders.Order(
        "fe",
        "live",
        "team:一班",
        3,
        {"break_glass": "另一名指挥员受伤，无法会签"},
        "Li",
        "safety-officer",
        127,
        128,
        2**32,
    ),
    orders.Order("x" * 40, "r", "u-0001", 1, {}, "a", "commander", 0, 65_535, 65_536),
    orders.Order(
        "0a", "live", "units:u1,u2", 2, {"text": "撤到东门"}, "王海", "commander", T, T, T + 7_200_000
    ),
]


def example() -> dict[str, Any]:
    proof = {"name": "王海", "realm": "sd-drill", "public": PUBLIC.hex()}
    return {
        "orders": [
            {
                "order": order._asdict(),
                "core": orders.pack_order(order).hex(),
                "signed": orders.signed_bytes(orders.pack_order(order)).hex(),
            }
            for order in ORDERS
        ],
        "proof": {**proof, "bytes": proof_bytes("王海", "sd-drill", PUBLIC).hex()},
        "key_id": orders.key_id(PUBLIC).hex(),
    }


def test_the_example_in_the_tree_is_what_the_hub_makes() -> None:
    if os.environ.get("WRITE_EXAMPLE"):
        FILE.write_text(json.dumps(example(), ensure_ascii=False, indent=1) + "\n", "utf-8")
    assert json.loads(FILE.read_text("utf-8")) == example()


def test_the_example_opens_as_a_device_would_open_it() -> None:
    for said in json.loads(FILE.read_text("utf-8"))["orders"]:
        assert orders.open_order(bytes.fromhex(said["core"]))._asdict() == said["order"]

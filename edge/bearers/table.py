"""The table of wide bearers: what a [[bearer]] of a kind is made into. Narrow ones ride on a [[port]]: `edge.narrow`.

Enters: a configuration. Leaves: bearers. Caller: `edge.agent`. A new kind is a file beside this one, a dataclass in
`edge.config.BEARERS` and a line here.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from edge.bearers.datagram import DatagramBearer
from edge.config import Config, DatagramConfig
from protocols.keys import MacKey

Hear = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Ends:
    """What a bearer does with what comes down."""

    on_ack: Hear
    on_order: Hear


def make_datagrams(
    config: Config, mac_key: MacKey, ends: Callable[[int], Ends], rng: random.Random
) -> list[DatagramBearer]:
    """One for each [[bearer]] of its kind; `ends(i)` are those of the i-th."""
    wide = [bearer for bearer in config.bearers if isinstance(bearer, DatagramConfig) and bearer.host]
    return [
        DatagramBearer(
            bearer, config.device.number, mac_key, on_ack=ends(i).on_ack, on_order=ends(i).on_order, rng=rng
        )
        for i, bearer in enumerate(wide)
    ]

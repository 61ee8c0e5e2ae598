"""The table of bearers beside MQTT: what a [[bearer]] of a kind is made into. Narrow ones ride on a [[port]].

Enters: a configuration. Leaves: bearers. Caller: `edge.agent`. A new kind is a file beside this one, a dataclass in
`edge.config.BEARERS` and a line here.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge.apart_worker import Worker
from edge.bearers.datagram import DatagramBearer
from edge.bearers.mesh import MeshBearer
from edge.bearers.rdss import RdssBearer
from edge.config import Config, DatagramConfig, MeshConfig, RdssConfig
from protocols.keys import MacKey

Hear = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Ends:
    """What a bearer does with what comes down."""

    on_ack: Hear
    on_order: Hear
    on_ask: Hear


def make_datagrams(
    config: Config, mac_key: MacKey, ends: Callable[[int], Ends], rng: random.Random
) -> list[DatagramBearer]:
    """One for each [[bearer]] of its kind; `ends(i)` are those of the i-th."""
    wide = [bearer for bearer in config.bearers if isinstance(bearer, DatagramConfig) and bearer.host]
    return [
        DatagramBearer(
            bearer,
            config.device.number,
            mac_key,
            on_ack=(own := ends(i)).on_ack,
            on_order=own.on_order,
            on_ask=own.on_ask,
            rng=rng,
        )
        for i, bearer in enumerate(wide)
    ]


def make_narrow(config: Config, ports: Sequence[Worker]) -> list[MeshBearer | RdssBearer]:
    """One for each [[bearer]] that rides on a port."""
    by_name = {port.name: port for port in ports}
    made: list[MeshBearer | RdssBearer] = []
    for bearer in config.bearers:
        if isinstance(bearer, MeshConfig):
            made.append(MeshBearer(bearer, by_name[bearer.port]))
        elif isinstance(bearer, RdssConfig):
            made.append(RdssBearer(bearer, by_name[bearer.port]))
    return made

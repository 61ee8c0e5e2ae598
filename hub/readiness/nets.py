"""Nets that people look after and no gateway tells of: voice, video, sensing, the BeiDou guarantee net.

Enters: entries by the communications officer. Leaves: the feed's `net`. Callers: `hub.api.net_routes`. Each state is a
person's word with its time; what gateways say themselves stands beside it (`hub.live.links`).

**Source:** the groups are those of YJ/T 27-2024.
"""

from dataclasses import dataclass

from hub.readiness.kept import Kept
from hub.safety.part import Ground

GROUPS = ("voice", "video", "sensing", "beidou")
STATES = ("up", "held", "down", "off")


@dataclass(frozen=True, slots=True)
class Net:
    """One net. `state`: a word of the bearers' table; `note`: channel, talk group, who to ask."""

    id: str
    group: str
    name: str
    state: str
    note: str
    agency: str
    by: str
    t_utc_ms: int


class Nets(Kept[Net]):
    """See the module."""

    name, word = "nets", "net"
    most = 200

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground, lambda kept: Net(**kept))

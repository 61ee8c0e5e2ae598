"""The row of AIS receivers: vessels near by. The work is done in a process of its own.

Enters: bytes to recognise. Leaves: how many AIS sentences they hold. Called through the table in `drivers.py`; the
decoder is `firmware_bridge.apart.ais`, because its library would cost the agent 4.5 MB.
"""

import re

from firmware_bridge.apart.elsewhere import Elsewhere
from firmware_bridge.framing import HEX_DIGITS, nmea_checksum
from firmware_bridge.interface import DriverRow

SENTENCE_LEN_MAX = 120
"""Characters between "!" and "*". The standard says 79; some receivers add fields."""

BODY = rb'[ "#%-)+-~]'
"""Printable, without "!", "$" and "*"."""

SENTENCE = re.compile(b"!(" + BODY + rb"{1,%d}+)\*([0-9A-Fa-f]{2})" % SENTENCE_LEN_MAX)
AIS = re.compile(rb"[A-Z]{2}VD[MO],")


def count_ais(data: bytes) -> int:
    """How many AIS sentences with a valid checksum `data` holds."""
    return sum(
        nmea_checksum(body) == HEX_DIGITS.get(digits)
        for body, digits in SENTENCE.findall(data)
        if AIS.match(body)
    )


ROWS = (
    DriverRow(
        "ais",
        "AIS receiver: vessels, their names and types (in a process of its own; needs zhantu[ais])",
        Elsewhere,
        count_ais,
        (
            "observed", "heard", "note", "obs_lat_deg_e7", "obs_lon_deg_e7", "obs_speed_dmps", "obs_course_deg",
            "obs_heading_ddeg", "obs_mode", "obs_ship_type",
        ),
        bauds=(38_400,),
        apart="firmware_bridge.apart.ais",
        auto=False,
    ),
)  # fmt: skip

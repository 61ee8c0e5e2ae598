"""What `zhantu-edge orders` prints.

Enters: `ObeyDesk.listed`. Leaves: text. Called by `edge.cli`.
"""

from typing import Any

from edge.identity import when


def as_text(listed: dict[str, Any]) -> str:
    """A block an order, the newest first."""
    return "\n".join(_block(order) for order in listed["orders"]) or "no order is open"


def _block(order: dict[str, Any]) -> str:
    by = f" by {order['issuer']} ({order['role']})" if order["issuer"] else ""
    until = f", until {when(order['expires_utc_ms'])}" if order["expires_utc_ms"] else ""
    lines = [f"{order['seq']}  {order['type'].upper()}{by}, came {when(order['came_utc_ms'])}{until}"]
    if order["text"]:
        lines.append(f"    {order['text']}")
    if order["lat_deg_e7"] is not None:
        lines.append(f"    at {order['lat_deg_e7'] / 1e7:.6f} {order['lon_deg_e7'] / 1e7:.6f}")
    lines.append(f"    the hub was told: {', '.join(order['receipts']) or 'nothing yet'}")
    return "\n".join(lines)

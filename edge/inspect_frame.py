"""A frame taken apart for a person: its header, its rows with units in the names, or why it is refused.

Enters: bytes, and the device's key when there is one. Leaves: a dict, or text. Called by `zhantu-edge frame`.
"""

import string
from pathlib import Path

from protocols import frame
from protocols.catalog import ClockSource, Kind, Lane, Stream, page_fields
from protocols.errors import FrameError
from protocols.keys import MAC_BYTES, MacKey


def read(argument: str) -> bytes:
    """Hexadecimal digits, or the content of a file that holds a frame raw or in hexadecimal digits."""
    text = "".join(argument.split())
    if text and all(digit in string.hexdigits for digit in text) and not Path(argument).exists():
        return _from_hex(text, "the argument")
    data = Path(argument).read_bytes()
    try:
        text = "".join(data.decode("ascii").split())
    except UnicodeDecodeError:
        return data
    return _from_hex(text, argument) if all(digit in string.hexdigits for digit in text) else data


def _from_hex(text: str, where: str) -> bytes:
    if len(text) % 2:
        raise ValueError(f"{where}: {len(text)} hexadecimal digits, an even number is needed")
    return bytes.fromhex(text)


def inspect(data: bytes, key: bytes | None, realm: str) -> dict[str, object]:
    """`{"bytes", "mac", "header", "rows"}`, or `{"bytes", "refused", "message"}`."""
    out: dict[str, object] = {"bytes": len(data)}
    try:
        if key is None:
            # without the key the MAC cannot be judged: the frame is opened under one of our own making
            mac_key = MacKey(bytes(32), realm)
            opened = data[:-MAC_BYTES] + mac_key.up(data[:-MAC_BYTES])
        else:
            mac_key, opened = MacKey(key, realm), data
        envelope = frame.open_envelope(opened, mac_key)
        out["mac"] = "not checked" if key is None else "good"
        out["header"] = _header(envelope)
        decoded = frame.decode(envelope)
    except FrameError as err:
        return {**out, "refused": err.reason, "message": str(err)}
    out["clock"] = ClockSource(decoded.clock_source).name.lower()
    out["rows"] = _rows(decoded)
    if decoded.body:
        out["body"] = decoded.body
    return out


def _header(envelope: frame.Envelope) -> dict[str, object]:
    kinds = {int(kind): kind.name.lower() for kind in Kind}
    return {
        "version": envelope.version,
        "kind": kinds.get(envelope.kind, envelope.kind),
        "lane": Lane(envelope.lane).name.lower(),
        "device": envelope.device,
        "boot": f"{envelope.boot:016x}",
        "stream": Stream(envelope.stream).name.lower(),
        "row": envelope.row,
        "n": envelope.n,
    }


def _rows(decoded: frame.Frame) -> list[dict[str, object]]:
    names = {bit: field.name for bit, field in page_fields(decoded.envelope.kind).items()}
    rows: list[dict[str, object]] = []
    for i, t_mono_ms in enumerate(decoded.t_mono_ms):
        row: dict[str, object] = {"row": decoded.envelope.row + i, "t_mono_ms": t_mono_ms}
        if decoded.utc_zero_ms is not None:
            row["t_utc_ms"] = decoded.utc_zero_ms + t_mono_ms
        for bit, column in decoded.columns.items():
            if column[i] is not None:
                row[names[bit]] = column[i]
        rows.append(row)
    return rows


def as_text(report: dict[str, object]) -> str:
    """The same for a person: the header, then one row a line."""
    lines = [f"{report['bytes']} bytes"]
    if "header" in report:
        header = report["header"]
        assert isinstance(header, dict)
        lines.append("  ".join(f"{name} {value}" for name, value in header.items()))
    if "refused" in report:
        lines.append(f"refused: {report['refused']}: {report['message']}")
        return "\n".join(lines)
    rows = report["rows"]
    assert isinstance(rows, list)
    lines += ["  ".join(f"{name}={value}" for name, value in row.items()) for row in rows]
    if "body" in report:
        lines.append(f"body {report['body']}")
    return "\n".join([*lines, f"MAC {report['mac']}, clock {report['clock']}"])

"""The table of docs/reliability.md, as the campaign writes it.

Enters: lines, one a kind of fault. Leaves: the page with its table renewed between two marks. Run by path from
conftest.py; tests/docs checks the page's shape with the same `parse`.
"""

import datetime
import platform
from dataclasses import dataclass, replace
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- begin: written by `make faults` -->", "<!-- end -->"
FAMILIES_MIN = 20
HEAD = ["fault", "times", "rows made", "rows stored", "gone, and recorded", "lost", "twice", "worst delay, s"]


@dataclass(frozen=True, slots=True)
class Line:
    """`times`: how often the fault struck. `shed`: not there, and the hub's log says so. `worst_s`: from a row's
    making, or the end of the fault that held it up, to the hub's log; None where time does not run."""

    fault: str
    times: int
    made: int
    stored: int
    shed: int = 0
    lost: int = 0
    twice: int = 0
    worst_s: float | None = None


def joined(old: Line | None, new: Line) -> Line:
    """Two runs of one fault."""
    if old is None:
        return new
    worst = [s for s in (old.worst_s, new.worst_s) if s is not None]
    sums = {
        name: getattr(old, name) + getattr(new, name)
        for name in ("times", "made", "stored", "shed", "lost", "twice")
    }
    return replace(new, **sums, worst_s=max(worst, default=None))


def rendered(lines: list[Line], seed: int, minutes: float) -> str:
    """The table with its head line."""
    today = datetime.datetime.now(datetime.UTC).date()
    rows = [HEAD, ["---", *["--:"] * (len(HEAD) - 1)]]
    for line in sorted(lines, key=lambda line: line.fault):
        worst = "" if line.worst_s is None else f"{line.worst_s:,.1f}"
        counts = (line.times, line.made, line.stored, line.shed, line.lost, line.twice)
        rows.append([line.fault, *(f"{count:,}" for count in counts), worst])
    body = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    return f"{today}, seed {seed}, {minutes:g} minutes, Python {platform.python_version()}.\n\n{body}"


def parse(page: str) -> tuple[str, list[list[str]]]:
    """(the line above the table, its cells without the head). ValueError when the marks or the head are missing."""
    inside = page.partition(BEGIN)[2].partition(END)[0].strip()
    if not inside:
        raise ValueError("the page has no table between its marks")
    about, _, body = inside.partition("\n\n")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in body.splitlines()]
    if rows[0] != HEAD:
        raise ValueError(f"the table's head is {rows[0]}")
    return about, rows[2:]


def write(lines: list[Line], seed: int, minutes: float, page: Path = PAGE) -> None:
    """Renew the table; what stands around it stays."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n{rendered(lines, seed, minutes)}\n{END}{after}", encoding="utf-8")

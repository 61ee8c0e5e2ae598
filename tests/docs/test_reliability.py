"""The page on reliability: its table is as the campaign writes it, and holds what is promised."""

import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def table() -> SimpleNamespace:
    return SimpleNamespace(**runpy.run_path(str(ROOT / "tests" / "faults" / "table.py")))


def test_the_table_has_the_campaigns_shape_and_loses_nothing(table: SimpleNamespace) -> None:
    about, rows = table.parse(table.PAGE.read_text(encoding="utf-8"))
    assert re.fullmatch(r"20\d\d-\d\d-\d\d, seed \d+, [\d.]+ minutes, Python 3\.\d+\.\d+\.", about)
    assert len(rows) >= table.FAMILIES_MIN
    for row in rows:
        assert len(row) == len(table.HEAD), row
        times, made, stored, shed, lost, twice = (int(cell.replace(",", "")) for cell in row[1:7])
        assert times > 0, row
        assert made == stored + shed + lost, row
        assert twice == 0, row
        assert lost == 0 or row[0] == "bits flipped in the hub's log", row
        assert re.fullmatch(r"([\d,]+\.\d)?", row[7]), row


def test_a_table_is_written_and_read_back(table: SimpleNamespace, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n\n{table.BEGIN}\nold\n{table.END}\n\nafter\n")
    lines = [table.Line("b", 2, 3_000, 2_999, shed=1, worst_s=1234.56), table.Line("a", 1, 5, 5)]
    lines[0] = table.joined(lines[0], table.Line("b", 1, 10, 10, worst_s=7.0))
    table.write(lines, 7, 5.0, page)
    _, rows = table.parse(page.read_text())
    assert rows == [
        ["a", "1", "5", "5", "0", "0", "0", ""],
        ["b", "3", "3,010", "3,009", "1", "0", "0", "1,234.6"],
    ]
    assert page.read_text().startswith("before\n")
    assert page.read_text().endswith("after\n")

"""The chain of operator records: what it shows, and what only a head noted elsewhere shows."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.cli import main
from hub.store import chain
from hub.store.registry import SqliteRegistry


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[SqliteRegistry]:
    made = SqliteRegistry(tmp_path / "registry.db")
    made.open(1)
    for number in range(1, 6):
        made.record(number, "王海", "order", {"number": number})
    yield made
    made.close()


def change(registry: SqliteRegistry, *statements: str) -> None:
    for statement in statements:
        registry._file.write(statement)


def test_a_whole_chain(registry: SqliteRegistry) -> None:
    verdict = registry.audit()
    assert (verdict.broken, verdict.count, verdict.notes) == (None, 5, [])
    assert verdict.head == f"5:{registry.records()[-1][-1]}"
    assert verdict.head_digest.startswith("sm3:" if chain.has_sm3() else "sha256:")


@pytest.mark.skipif(not chain.has_sm3(), reason="this OpenSSL has no SM3")
def test_sm3_is_the_standards() -> None:
    """**Source:** GB/T 32905-2016, example 1."""
    made = hashlib.new(chain.SM3, b"abc").hexdigest()
    assert made == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (["UPDATE records SET content = '{}' WHERE seq = 3"], "number 3 (order) does not fit"),
        (["UPDATE records SET who = 'x' WHERE seq = 1"], "number 1 (order) does not fit"),
        (["UPDATE records SET t_utc_ms = 9 WHERE seq = 5"], "number 5 (order) does not fit"),
        (["UPDATE records SET t_utc_ms = 'x' WHERE seq = 5"], "number 5 (order) does not fit"),
        (["UPDATE records SET digest = NULL WHERE seq = 2"], "number 2 (order) does not fit"),
        (["UPDATE records SET digest = 'md5:' || digest WHERE seq = 2"], "a digest of kind"),
        (["DELETE FROM records WHERE seq = 3"], "number 4 where 3 belongs"),
        (["DELETE FROM records WHERE seq = 1"], "number 2 where 1 belongs"),
        (["DELETE FROM records WHERE seq = 3", "UPDATE records SET seq = seq - 1 WHERE seq > 3"], "number 3 "),
        (["INSERT INTO records SELECT 9, t_utc_ms, who, what, content, previous, digest FROM records WHERE seq = 3"],
         "number 9 where 6 belongs"),
        (["UPDATE records SET seq = seq + 100 WHERE seq IN (2, 3)", "UPDATE records SET seq = 3 WHERE seq = 102",
          "UPDATE records SET seq = 2 WHERE seq = 103"], "number 2 (order) does not fit"),
    ],
)  # fmt: skip
def test_tampering_is_named(registry: SqliteRegistry, statements: list[str], words: str) -> None:
    change(registry, *statements)
    broken = registry.verify_records()
    assert broken is not None
    assert words in broken


def test_a_cut_tail_shows_only_against_a_noted_head(registry: SqliteRegistry) -> None:
    number, _, digest = registry.audit().head.partition(":")
    noted = (int(number), digest)
    registry.record(6, "x", "y", {})
    assert registry.audit(noted).broken is None, "what came later is no harm"
    change(registry, "DELETE FROM records WHERE seq >= 5")
    assert registry.verify_records() is None
    assert registry.audit(noted).broken == "records: number 5 was noted, but the last one is 4"
    registry.record(5, "王海", "order", {"number": 6})
    broken = registry.audit(noted).broken
    assert broken is not None
    assert "not the one that was noted" in broken


def old_link(previous: str, seq: int, content: str) -> str:
    record = {"content": content, "seq": seq, "t_utc_ms": seq, "what": "w", "who": "x"}
    said = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256((previous + said).encode()).hexdigest()


def test_records_of_before_stay_valid_and_new_ones_follow(tmp_path: Path) -> None:
    registry = SqliteRegistry(tmp_path / "registry.db")
    registry.open(1)
    previous = "0" * 64
    for seq in (1, 2):
        digest = old_link(previous, seq, "{}")
        sql = "INSERT INTO records VALUES (?, ?, 'x', 'w', '{}', ?, ?)"
        registry._file.write(sql, [seq, seq, previous, digest])
        previous = digest
    registry.record(3, "x", "w", {})
    assert registry.verify_records() is None
    assert registry.audit().notes == []
    registry.close()


@pytest.mark.skipif(not chain.has_sm3(), reason="this OpenSSL has no SM3")
@pytest.mark.parametrize("algorithm", ["", chain.SHA256])
def test_sha256_after_sm3_is_valid_but_noted(registry: SqliteRegistry, algorithm: str) -> None:
    previous = registry.audit().head_digest
    digest = chain.link(previous, 6, 6, "x", "w", "{}", algorithm)
    registry._file.write("INSERT INTO records VALUES (6, 6, 'x', 'w', '{}', ?, ?)", [previous, digest])
    verdict = registry.audit()
    assert verdict.broken is None
    assert len(verdict.notes) == 1
    assert "number 6 (w) uses SHA-256 after SM3" in verdict.notes[0]


def test_without_sm3(registry: SqliteRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine whose OpenSSL has none: it says so, and does not call the chain broken by somebody."""
    if not chain.has_sm3():
        pytest.skip("this OpenSSL has no SM3")
    monkeypatch.setattr(chain, "BEST", chain.SHA256)
    assert "cannot be checked here" in str(registry.verify_records())


def test_the_command(registry: SqliteRegistry, tmp_path: Path, capsys: Any) -> None:
    data = ["--data", str(tmp_path)]
    assert main(["audit", "verify", *data]) == 0
    head = capsys.readouterr().out.splitlines()[-1].removeprefix("head ")
    assert main(["audit", "verify", *data, "--expect", head, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "whole": True, "words": "5 operator records, the chain is whole", "head": head, "notes": []
    }  # fmt: skip
    assert main(["audit", "list", *data, "--after", "3", "--count", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["content"] == {"number": 4}
    change(registry, "UPDATE records SET content = 'no json' WHERE seq = 4")
    assert main(["audit", "verify", *data]) == 1
    assert "number 4 (order)" in capsys.readouterr().out
    assert main(["audit", "list", *data, "--json"]) == 0
    assert '"unreadable": "no json"' in capsys.readouterr().out
    for wrong in ("5", "x:y", ":", "0:ab"):
        assert main(["audit", "verify", *data, "--expect", wrong]) == 1


def test_an_export_leaves_a_record(bench: Any, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "master.key").write_text(bytes(range(32)).hex())
    (tmp_path / "master.key").chmod(0o600)
    assert main(["export", "--data", str(tmp_path), "--from", "0", "--to", "5"]) == 0
    *_, last = bench.registry.records()
    assert (last[2], last[3]) == ("cli", "export")
    assert bench.registry.verify_records() is None


def test_over_http(ask: Callable[..., Any], state: Any) -> None:
    from hub.identity.permissions import Role

    token = state.sign_in.new_token("Zhao", Role.ADMINISTRATOR)
    ask("POST", "/api/v1/session", json={"token": token})
    said = ask("GET", "/api/v1/audit").json()
    assert (said["whole"], said["newest"]) == (True, said["records"][-1]["seq"])
    assert [(r["who"], r["what"]) for r in said["records"]][-3:] == [
        ("cli", "person added"), ("cli", "token made"), ("Zhao", "signed in")
    ]  # fmt: skip
    assert token not in str(said)
    later = ask("GET", f"/api/v1/audit?after={said['records'][0]['seq']}&count=1").json()["records"]
    assert later == said["records"][1:2]
    state.registry._file.write("UPDATE records SET content = 'no json' WHERE seq = 1")
    said = ask("GET", "/api/v1/audit").json()
    assert said["whole"] is False
    assert "number 1" in said["words"]

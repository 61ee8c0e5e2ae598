"""The dry run: a real log in, firings out, the same as live; and the command that does it without a hub."""

import json
import random
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.cli import main
from hub.live.history import Decoder
from hub.safety import rule_trial
from hub.safety.rule_engine import Engine
from hub.safety.rule_file import rule_of
from hub.safety.rule_kinds import Rule
from hub.safety.rule_scene import Entries, Roster, Scene
from hub.safety.rule_trial import Past, Trial, kinds_of
from protocols.catalog import EventCode, Kind, Lane, Stream

T0 = 1_795_000_000_000
S = 1_000


def tried(bench: Any, rule: Rule, from_ms: int = T0, to_ms: int = T0 + 600 * S, **more: Any) -> Trial:
    decoder = Decoder(bench.log, bench.keys.logged)
    past = Past(rule, from_ms, to_ms, **more)
    trial = Trial(past, bench.log, decoder, bench.registry.units(), bench.registry.bindings())
    while not trial.slice(0.001):
        pass
    return trial


Firing = tuple[int, int | None, str]


def in_order(firings: Iterable[Firing]) -> list[Firing]:
    """By time, those that still stand after those that ended."""
    return sorted(firings, key=lambda one: (one[0], one[1] is None, one[1] or 0, one[2]))


class Live:
    """The engine as the hub runs it, beside the bench's own picture."""

    def __init__(self, bench: Any, rule: Rule, since_ms: int) -> None:
        self.bench, self.since_ms = bench, since_ms
        self.engine, self.roster, self.entries = Engine([rule]), Roster(bench.units), Entries()
        self.began: dict[str, int] = {}
        self.found: list[Firing] = []

    def look(self) -> None:
        bench, now_ms = self.bench, self.bench.clock()
        self.roster.look()
        scene = Scene(bench.picture, bench.units, self.roster, self.entries, None, now_ms, self.since_ms)
        standing = self.engine.step(scene)
        for key in [key for key in self.began if key not in standing]:
            self.found.append((self.began.pop(key), now_ms, key.split(":")[2]))
        for key in standing:
            self.began.setdefault(key, now_ms)

    def firings(self) -> list[Firing]:
        return in_order([*self.found, *((t, None, key.split(":")[2]) for key, t in self.began.items())])


def play(bench: Any, lives: list[Live], script: dict[int, list[Any]], seconds: int) -> None:
    """Each second: what comes goes in, then the rules look."""
    for second in range(seconds):
        bench.clock.now = T0 + second * S
        for event in bench.put(*script[second]) if second in script else ():
            for live in lives:
                live.entries.hear(event.code, event.slot, event.t_event_ms)
        for live in lives:
            live.look()


RULES: dict[str, dict[str, Any]] = {
    "threshold": {"channel": "co_ppm", "above": 100, "deadband": 10, "on_s": 2, "off_s": 2, "max_age_s": 8},
    "old": {"kind": "threshold", "channel": "co_ppm", "above": 100, "old": "absence", "max_age_s": 5},
    "battery": {"channel": "board_pct", "below": 20, "on_s": 3},
    "rate": {"channel": "co_ppm", "above": 300, "window_s": 10},
    "absence": {"channel": "co_ppm", "after_s": 4, "off_s": 1}, "lost": {"after_s": 5, "give_up_s": 12},
    "sensor_fault": {"on_s": 2}, "overdue": {"minutes": 0.1},
    "proximity": {"nearer_m": 200, "perhaps": True, "max_age_s": 6},
}  # fmt: skip
row = st.fixed_dictionaries(
    {"lat_deg_e7": st.integers(366_500_000, 366_530_000), "lon_deg_e7": st.just(1_170_000_000)},
    optional={
        "co_ppm": st.integers(80, 120), "gas_faults": st.integers(0, 2), "duty": st.integers(1, 4),
    },
)  # fmt: skip
message = st.tuples(
    st.sampled_from([7, 8]), st.integers(0, 25), st.integers(0, 9), st.sampled_from(["rows", "health", "in", "out"]),
    st.lists(row, min_size=1, max_size=3), st.integers(10, 30),
)  # fmt: skip


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(messages=st.lists(message, max_size=30))
def test_live_and_dry_run_are_one(new_bench: Any, messages: list[Any]) -> None:
    """Late, in batches, out of order: what the hub would have told is what the dry run finds, to the second."""
    compare(new_bench(), messages)


def test_live_and_dry_run_are_one_where_every_rule_fires(new_bench: Any) -> None:
    rng = random.Random(3)
    messages = [
        (rng.choice((7, 8)), second, rng.choice((0, 0, 0, 5)), rng.choice(("rows", "rows", "rows", "health", "in")),
         [{"lat_deg_e7": 366_500_000, "lon_deg_e7": 1_170_000_000, "co_ppm": rng.choice((85, 110, 118)),
           "gas_faults": 1} for _ in range(rng.choice((1, 3)))], rng.choice((10, 12, 30)))
        for second in (*range(14), *range(24, 30)) for _ in range(3)
    ]  # fmt: skip
    assert all(compare(new_bench(), messages).values())


def compare(bench: Any, messages: list[Any]) -> dict[str, Any]:
    rules = [rule_of({"id": "r", **({"kind": name} | said)}) for name, said in RULES.items()]
    lives = [Live(bench, rule, T0 - rule_trial.WARM_MS) for rule in rules]
    script: dict[int, list[Any]] = {}
    for number, (device, second, late_s, what, rows, board) in enumerate(messages):
        place = {"device": device, "row": 10 * number, "t_ms": T0 + (second - late_s) * S}
        script.setdefault(second, []).append(made(bench, what, rows, board, number, place))
    play(bench, lives, script, 40)
    fired = {}
    for name, rule, live in zip(RULES, rules, lives, strict=True):
        found = tried(bench, rule, to_ms=T0 + 39 * S).found
        assert (
            in_order((one.t_utc_ms, one.until_utc_ms, one.unit) for one in found.firings) == live.firings()
        ), rule
        fired[name] = live.firings()
    bench.close()
    return fired


def made(bench: Any, what: str, rows: list[Any], board: int, number: int, place: dict[str, int]) -> Any:
    if what == "rows":
        return bench.frame(rows=rows, **place)
    if what == "health":
        return bench.frame(rows=[{"board_pct": board}], kind=Kind.HEALTH, **place)
    events = {"event_code": int(EventCode.ENTERED if what == "in" else EventCode.LEFT), "event_id": number}
    return bench.frame(rows=[events], kind=Kind.EVENT, lane=Lane.SOS, stream=Stream.EVENTS, **place)


def gas(bench: Any, *values: int, device: int = 7, start_s: int = 0, row: int = 0) -> None:
    """A value a second, each as a frame of its own, as it came."""
    for i, value in enumerate(values):
        bench.clock.now = T0 + (start_s + i) * S
        place = {"lat_deg_e7": 366_500_000 + 1_000 * i, "lon_deg_e7": 1_170_000_000}
        bench.put(bench.frame(device=device, row=row + i, rows=[{"co_ppm": value, **place}]))


CO = rule_of({"id": "co", "kind": "threshold", "channel": "co_ppm", "above": 100, "deadband": 5})


def test_how_often_when_where_and_of_whom(bench: Any) -> None:
    bench.enrol(8)
    gas(bench, 90, 120, 130, 90, 90, 110, 110)
    gas(bench, 105, 90, device=8, start_s=20)
    trial = tried(bench, CO)
    first, second, third = trial.found.firings
    assert first.until_utc_ms is not None
    assert (first.t_utc_ms - T0, first.until_utc_ms - T0, first.callsign, first.value) == (
        1 * S,
        3 * S,
        "C7",
        120,
    )
    assert (first.lat, first.lon) == (36.6501, 117.0)
    assert (second.t_utc_ms - T0, third.callsign, third.t_utc_ms - T0) == (5 * S, "C8", 20 * S)
    assert (trial.found.count, trial.found.by_unit) == (3, {first.unit: 2, third.unit: 1})
    assert (trial.found.looked_rows, trial.found.truncated, trial.trouble) == (9, False, "")


def test_only_these_units_and_only_this_window(bench: Any) -> None:
    bench.enrol(8)
    gas(bench, 120, 90, 120)
    gas(bench, 120, device=8, start_s=3)
    mine = bench.units.rows[bench.slot(8)].id
    assert tried(bench, CO, units=frozenset({mine})).found.by_unit == {mine: 1}
    later = tried(bench, CO, from_ms=T0 + 1 * S).found
    assert [one.t_utc_ms - T0 for one in later.firings] == [2 * S, 3 * S], "what stood before began before"
    assert tried(bench, CO, to_ms=T0 + 1 * S).found.count == 1


def test_last_weeks_wearer(bench: Any) -> None:
    """A device that changed hands: its rows are of who carried it then."""
    bench.enrol(8)
    gas(bench, 120, 90)
    other = bench.units.rows[bench.slot(8)].id
    first = bench.units.rows[bench.slot(7)].id
    bench.registry.bind(7, other, T0 + 10 * S)
    bench.load()
    gas(bench, 120, start_s=20, row=50)
    assert tried(bench, CO).found.by_unit == {first: 1, other: 1}


def test_it_is_done_in_slices_and_can_be_left(bench: Any) -> None:
    gas(bench, *([90, 120] * 20))
    decoder = Decoder(bench.log, bench.keys.logged)
    trial = Trial(
        Past(CO, T0, T0 + 60 * S), bench.log, decoder, bench.registry.units(), bench.registry.bindings()
    )
    slices = 0
    while not trial.slice(0.0):
        slices += 1
        if trial.found.count == 3:
            trial.close()
    assert slices > 3
    assert (trial.found.count, trial.slice()) == (3, True), "nothing more after its end"


def test_bounds_are_said(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gas(bench, *([90, 120] * 20))
    monkeypatch.setattr(rule_trial, "FIRINGS_MAX", 4)
    found = tried(bench, CO).found
    assert (found.count, len(found.firings), found.truncated) == (20, 4, False)
    monkeypatch.setattr(rule_trial, "ROWS_MAX", 11)
    found = tried(bench, CO).found
    assert (found.looked_rows, found.truncated, found.looked_until_utc_ms - T0) == (11, True, 9 * S)
    monkeypatch.setattr(rule_trial, "SECONDS_MAX", 0.0)
    found = tried(bench, CO).found
    assert (found.truncated, found.looked_until_utc_ms) == (True, T0)


def test_a_position_that_cannot_be_is_none_here_either(bench: Any) -> None:
    bench.enrol(8)
    rule = rule_of(
        {"id": "near", "kind": "proximity", "nearer_m": 300, "who": {"units": ["C7"]}, "max_age_s": 900}
    )
    far = {"lat_deg_e7": 366_900_000, "lon_deg_e7": 1_170_000_000, "hacc_dm": 10}
    near = {"lat_deg_e7": 366_500_000, "lon_deg_e7": 1_170_000_000, "hacc_dm": 10}
    bench.put(bench.frame(device=8, rows=[near]), bench.frame(device=7, rows=[far]))
    bench.clock.now += 2 * S
    bench.put(bench.frame(device=7, row=1, rows=[near]))
    bench.clock.now += 2 * S
    bench.put(bench.frame(device=8, row=1, rows=[near]))
    assert bench.refusals == [("teleport", 7)]
    assert tried(bench, rule).found.count == 0


@pytest.mark.parametrize(
    ("said", "kinds"),
    [
        ({"kind": "battery"}, {0}), ({"kind": "battery", "channel": "board_pct"}, {0, 1}),
        ({"kind": "sensor_fault"}, {0, 1}), ({"kind": "lost"}, {0, 1, 2, 8}),
        ({"kind": "absence", "channel": "co_ppm"}, {0, 1, 2, 8}),
        ({"kind": "overdue"}, {0, 1, 2, 8}),
    ],
)  # fmt: skip
def test_it_reads_no_more_kinds_than_it_needs(said: dict[str, Any], kinds: set[int]) -> None:
    assert kinds_of(rule_of({"id": "r", **said})) == kinds


# --- the command ---------------------------------------------------------------------------------------------------


@pytest.fixture
def filled(bench: Any) -> Any:
    (bench.folder / "master.key").write_text(bench.master.hex())
    (bench.folder / "master.key").chmod(0o600)
    gas(bench, 90, 120, 90, 120)
    (bench.folder / "rules.toml").write_text(
        '[[rule]]\nid = "co"\nkind = "threshold"\nzh = "一氧化碳高"\nchannel = "co_ppm"\nabove = 100\n'
        "enabled = false\n",
        encoding="utf-8",
    )
    return bench


def test_try_on_a_folder(filled: Any, capsys: Any) -> None:
    window = ["--data", str(filled.folder), "--from", str(T0), "--to", str(T0 + 60 * S)]
    assert main(["rules", "try", "co", *window]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].endswith("1 s  C7  一氧化碳高：一氧化碳 120 ppm（限 100 ppm）")
    assert out[-1] == "it would have fired 2 times for 1 units; 4 rows looked at"
    assert main(["rules", "try", "co", *window, "--json", "--unit", "C7"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["count"], found["firings"][0]["value"], found["firings"][0]["t_utc_ms"]) == (2, 120, T0 + S)
    for wrong, words in (
        (["nothing", *window], "rules.toml: no rule 'nothing'; it has co"),
        (["co", *window, "--unit", "C9"], "no unit 'C9'"),
        (["co", "--data", str(filled.folder), "--from", "9", "--to", "5"], "is later than"),
    ):
        assert main(["rules", "try", *wrong]) == 1
        assert words in capsys.readouterr().err


def test_check_a_file(filled: Any, tmp_path: Any, capsys: Any) -> None:
    assert main(["rules", "check", "--data", str(filled.folder)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "co                       threshold    high     一氧化碳高  (off)", "rules.toml: 1 rules, 0 of them on",
    ]  # fmt: skip
    bad = tmp_path / "mine.toml"
    bad.write_text('[[rule]]\nid = "b"\nkind = "battery"\nbelo = 3\n', encoding="utf-8")
    assert main(["rules", "check", "--file", str(bad)]) == 1
    assert "mine.toml: rule 1: b: unknown key 'belo', did you mean 'below'?" in capsys.readouterr().out
    bad.write_bytes(b"\xff\xfe")
    assert main(["rules", "check", "--file", str(bad)]) == 1
    assert "mine.toml" in capsys.readouterr().err
    assert main(["rules", "check", "--data", str(tmp_path / "none")]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("sample_rules.toml: ")

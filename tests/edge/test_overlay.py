"""Settings that the hub changed: what may be changed, the trial, and every way back from it."""

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge import identity, overlay
from edge.config import ConfigError, load
from edge.overlay import Outcome, Overlay
from protocols.catalog import EventCode
from protocols.orders import ConfigRefusal

ACCEPTED, REFUSED = EventCode.ACCEPTED, EventCode.REFUSED


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "edge.toml"
    made.write_text("[device]\nnumber = 1\n[pace]\nrow_s = 3.0\n[guard.pass]\npre_s = 25.0\n")
    return made


@pytest.fixture
def new(path: Path) -> Callable[[], Overlay]:
    def make() -> Overlay:
        made = Overlay(path)
        made.start()
        return made

    return make


def body(version: int, confirm_s: int = 60, **changes: Any) -> dict[str, Any]:
    named = {key.replace("__", "."): value for key, value in changes.items()}
    return {"version": version, "changes": named, "confirm_s": confirm_s}


def confirmed(made: Overlay, path: Path, order: int, **changes: Any) -> None:
    assert made.propose(order, body(order, **changes)) is None
    made.start()
    made.heard()
    assert not made.tick(1_000)
    assert made.outcomes()[-1] == Outcome(order, ACCEPTED)


def no_disk() -> Any:
    return patch.object(identity, "write", side_effect=OSError(errno.ENOSPC, "No space left on device"))


# --- the good way ------------------------------------------------------------------------------------------


def test_a_change_is_tried_confirmed_and_stays(new: Callable[[], Overlay], path: Path) -> None:
    made = new()
    assert made.status() == {"version": 0, "changes": {}, "trial": None}
    assert made.propose(7, body(7, pace__row_s=2, guard__pass__pre_s=22.0, person__age_years=51)) is None
    assert load(path).pace.row_s == 3.0
    config = made.start()
    assert (config.pace.row_s, config.guard.pass_.pre_s, config.person.age_years) == (2.0, 22.0, 51)
    assert made.status()["trial"]
    assert not made.tick(59_999)
    made.heard()
    assert not made.tick(60_001)
    assert made.outcomes() == [Outcome(7, ACCEPTED)]
    assert made.status() == {
        "version": 7, "changes": {"pace.row_s": 2, "guard.pass.pre_s": 22.0, "person.age_years": 51}, "trial": None,
    }  # fmt: skip
    again = Overlay(path)
    assert again.start().pace.row_s == 2.0
    assert again.outcomes() == [Outcome(7, ACCEPTED)]  # until it is told
    again.told()
    assert new().outcomes() == []
    assert path.with_name("edge.overlay.json").stat().st_mode & 0o777 == 0o600


def test_changes_add_up_and_a_nil_gives_a_key_back_to_the_file(
    new: Callable[[], Overlay], path: Path
) -> None:
    made = new()
    confirmed(made, path, 7, pace__row_s=2.0, pace__live_s=2.0)
    confirmed(made, path, 8, pace__health_s=20.0, pace__row_s=None)
    assert made.status()["changes"] == {"pace.live_s": 2.0, "pace.health_s": 20.0}
    pace = made.start().pace
    assert (pace.row_s, pace.live_s, pace.health_s) == (3.0, 2.0, 20.0)


def test_another_change_during_a_trial_comes_on_top_of_it_or_in_its_place(
    new: Callable[[], Overlay], path: Path
) -> None:
    made = new()
    assert made.propose(7, body(7, pace__row_s=1.0)) is None
    made.start()
    assert made.propose(8, body(8, pace__rows=1.0)) == Outcome(8, REFUSED, ConfigRefusal.KEY)
    assert made.status()["trial"]
    assert made.propose(9, body(9, pace__live_s=2.0)) is None  # before the hub has answered
    assert made.outcomes() == [Outcome(7, REFUSED, ConfigRefusal.STOPPED)]
    made.start()
    made.heard()
    assert made.propose(10, body(10, pace__health_s=30.0)) is None
    assert made.outcomes()[1:] == [Outcome(9, ACCEPTED)]
    pace = made.start().pace
    assert (pace.row_s, pace.live_s, pace.health_s) == (3.0, 2.0, 30.0)


# --- the ways back -----------------------------------------------------------------------------------------


def test_a_hub_that_is_not_reached_takes_it_back(new: Callable[[], Overlay], path: Path) -> None:
    made = new()
    confirmed(made, path, 7, pace__row_s=2.0)
    made.told()
    assert made.propose(8, body(8, pace__row_s=1.0)) is None
    assert made.start().pace.row_s == 1.0
    assert made.tick(60_000)
    assert made.start().pace.row_s == 2.0
    assert made.outcomes() == [Outcome(8, REFUSED, ConfigRefusal.NOT_REACHED)]
    assert made.status() == {"version": 7, "changes": {"pace.row_s": 2.0}, "trial": None}
    assert not made.tick(10**9)


@pytest.mark.parametrize("starts", [1, 3])
def test_a_crash_or_power_cut_during_the_trial_takes_it_back(
    new: Callable[[], Overlay], path: Path, starts: int
) -> None:
    made = new()
    assert made.propose(8, body(8, pace__row_s=1.0)) is None
    assert Overlay(path).start().pace.row_s == 1.0  # and it is cut here
    for _ in range(starts):
        again = Overlay(path)
        assert again.start().pace.row_s == 3.0
    assert again.outcomes() == [Outcome(8, REFUSED, ConfigRefusal.STOPPED)]


def test_a_cut_before_the_trial_begins_only_delays_it(new: Callable[[], Overlay], path: Path) -> None:
    assert new().propose(8, body(8, pace__row_s=1.0)) is None
    assert Overlay(path).start().pace.row_s == 1.0


def test_a_file_that_changed_meanwhile_takes_it_back(new: Callable[[], Overlay], path: Path) -> None:
    made = new()
    assert made.propose(8, body(8, guard__pass__pre_s=29.0)) is None
    path.write_text(path.read_text().replace("pre_s = 25.0", "alarm_s = 21.0"))
    assert made.start().guard.pass_.alarm_s == 21.0
    assert made.outcomes() == [Outcome(8, REFUSED, ConfigRefusal.KEY)]


def test_confirmed_changes_that_no_longer_fit_the_file_are_left_aside(
    new: Callable[[], Overlay], path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    confirmed(new(), path, 8, guard__pass__pre_s=29.0)
    path.write_text(path.read_text() + "alarm_s = 27.0\n")
    assert Overlay(path).start().guard.pass_.pre_s == 25.0
    assert "the file's own settings are taken" in caplog.text
    path.write_text("[device]\n")
    with pytest.raises(ConfigError, match="device"):
        Overlay(path).start()


# --- refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"device.number": 5}, {"device.realm": "drill"}, {"device.key_file": "/tmp/k"}, {"spool.path": "/tmp/x"},
        {"mqtt.host": "evil"}, {"mqtt.ca_file": ""}, {"port.0.path": "x"}, {"ntrip.host": "evil"}, {"pace": 1},
        {"pace.": 1.0}, {"pace.rows": 1.0}, {"pace.row_s": -1.0}, {"pace.row_s": "fast"}, {"pace.row_s.x": 1},
        {"guard.pass.pre_s": 31.0}, {"guard.pass": 5}, {"guard.gas.co_ppm.high": -1}, {"person.age_years": 3},
        {"guard.pass.pre_s": [1]}, {"guard.x" + "x" * 64: 1}, {"": 1}, {5: 1}, {"guard.on": "x" * 101},
        {"person.age_years": 2**70},
    ],
)  # fmt: skip
def test_what_may_not_be_changed_so_is_refused(new: Callable[[], Overlay], change: dict[Any, Any]) -> None:
    made = new()
    assert made.propose(7, {"version": 7, "changes": change}) == Outcome(7, REFUSED, ConfigRefusal.KEY)
    assert made.status()["trial"] is None


@pytest.mark.parametrize(
    "wrong",
    [
        {}, {"version": 7}, {"changes": {}}, {"version": "7", "changes": {}}, {"version": True, "changes": {}},
        {"version": 0, "changes": {}}, {"version": 7, "changes": []}, {"version": 2**60, "changes": {}},
        {"version": 7, "changes": {}, "confirm_s": 5}, {"version": 7, "changes": {}, "confirm_s": 60.0},
    ],
)  # fmt: skip
def test_what_is_no_change_is_refused(new: Callable[[], Overlay], wrong: dict[str, Any]) -> None:
    assert new().propose(7, wrong) == Outcome(7, REFUSED, ConfigRefusal.SHAPE)


def test_a_version_only_rises_also_over_one_that_was_taken_back(
    new: Callable[[], Overlay], path: Path
) -> None:
    made = new()
    assert made.propose(9, body(9, pace__row_s=1.0)) is None
    made.start()
    assert made.tick(60_000)
    made.start()
    for version in (8, 9):
        outcome = new().propose(version + 100, body(version, pace__row_s=1.0))
        assert outcome == Outcome(version + 100, REFUSED, ConfigRefusal.VERSION)
    confirmed(made, path, 10, pace__row_s=1.0)
    assert made.propose(10, body(10, pace__row_s=1.0)) == Outcome(10, ACCEPTED)  # said again


def test_more_changes_than_allowed_are_refused(new: Callable[[], Overlay]) -> None:
    change = {f"guard.x{i}": 1 for i in range(overlay.CHANGES_MAX + 1)}
    assert new().propose(7, {"version": 7, "changes": change}) == Outcome(7, REFUSED, ConfigRefusal.KEY)


# --- a disk that refuses -----------------------------------------------------------------------------------


def test_a_disk_that_refuses_tries_nothing(new: Callable[[], Overlay], path: Path) -> None:
    made = new()
    with no_disk():
        assert made.propose(7, body(7, pace__row_s=1.0)) == Outcome(7, REFUSED, ConfigRefusal.DISK)
    assert made.propose(7, body(7, pace__row_s=1.0)) is None
    with no_disk():
        assert made.start().pace.row_s == 3.0  # a crash could not be told from the first start
    assert made.outcomes() == [Outcome(7, REFUSED, ConfigRefusal.DISK)]


def test_it_is_confirmed_to_nobody_before_the_disk_has_it(new: Callable[[], Overlay]) -> None:
    made = new()
    assert made.propose(7, body(7, pace__row_s=1.0)) is None
    made.start()
    made.heard()
    with no_disk():
        assert not made.tick(1_000)
        assert not made.tick(100_000)
        assert made.outcomes() == []
    assert not made.tick(100_000 + overlay.RETRY_MS)
    assert made.outcomes() == [Outcome(7, ACCEPTED)]


def test_a_damaged_file_leaves_the_files_own_settings(
    new: Callable[[], Overlay], path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = new()
    confirmed(made, path, 7, pace__row_s=1.0)
    file = path.with_name("edge.overlay.json")
    good = file.read_bytes()
    for i in range(0, len(good) - 1, 3):
        file.write_bytes(good[:i])
        assert Overlay(path).start().pace.row_s == 3.0
    stranger = {"version": 1, "changes": {"device.number": 5}, "order": 1, "confirm_s": 60}
    not_ours: list[Any] = [[], None, {"now": stranger}]
    for kept in not_ours:
        file.write_text(json.dumps(kept))
        assert Overlay(path).start().device.number == 1
    assert str(file) in caplog.text


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.one_of(st.sampled_from(("pace.row_s", "guard.pass.pre_s", "guard.on", "device.realm")), st.text()),
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9), st.binary(max_size=3)),
        max_size=4,
    )
)  # fmt: skip
def test_any_changes_are_refused_or_good(path: Path, changes: dict[str, Any]) -> None:
    path.with_name("edge.overlay.json").unlink(missing_ok=True)
    made = Overlay(path)
    made.start()
    outcome = made.propose(7, {"version": 7, "changes": changes})
    config = made.start()
    assert (config.device.number, config.device.realm) == (1, "live")
    assert outcome is None or (outcome.code == REFUSED and made.status()["trial"] is None)

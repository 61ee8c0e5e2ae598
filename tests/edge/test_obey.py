"""Which orders a gateway obeys: proof, time, replays over restarts, receipts, and a disk that refuses."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge import identity, obey, obey_book, obey_desk, obey_proof
from edge.overlay import Outcome
from protocols import orders
from protocols.catalog import EventCode
from protocols.errors import OrderError
from protocols.orders import BREAK_GLASS, ConfigRefusal, KeyList, OrderType
from protocols.wearer import Pattern

Rig = Any
UTC_MS, HOUR_MS = 1_795_000_000_000, 3_600_000
E, R, C, T, Q, K = (
    OrderType.EVACUATE, OrderType.RETREAT, OrderType.ALL_CLEAR, OrderType.TEXT, OrderType.ROLL_CALL,
    OrderType.TASK,
)  # fmt: skip


@pytest.fixture
def signers(rig: Rig) -> dict[str, Any]:
    names = ("HUB", "LI", "WANG", "THIEF", "commander")
    made: dict[str, Any] = {name: type(rig).send.__globals__[name] for name in names}
    return made


# --- obeyed ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "pattern", "text", "shown"),
    [
        (E, Pattern.EVACUATE, "", "全体撤离 EVACUATE"),
        (E, Pattern.EVACUATE, "走东门", "全体撤离 EVACUATE：走东门"),
        (R, Pattern.EVACUATE, "", "撤退 RETREAT"),
        (T, Pattern.ORDER, "到东门", "到东门"),
        (K, Pattern.ORDER, "搜三楼", "任务：搜三楼"),
        (Q, Pattern.ROLL_CALL, "", "点名 ROLL CALL"),
    ],
)
def test_an_order_is_asked_of_the_wearer_and_received_at_once(
    rig: Rig, kind: OrderType, pattern: Pattern, text: str, shown: str
) -> None:
    rig.send(kind, 5, body={"text": text})
    assert rig.ears.asked == {5: (pattern, shown)}
    assert rig.ears.told == [(5, EventCode.RECEIVED, None)]
    assert rig.desk.refused == {}


@pytest.mark.parametrize("kind", [E, R, T, Q])
def test_brief_and_full_are_the_same_order(rig: Rig, kind: OrderType) -> None:
    rig.send_brief(kind, 5, body={"text": "x"})
    rig.send(kind, 5, body={"text": "x"})
    rig.send_brief(kind, 5, body={"text": "x"})
    assert rig.ears.times == {5: 1}


def test_an_all_clear_ends_what_is_older_and_no_newer_evacuation(rig: Rig) -> None:
    rig.send(E, 5)
    rig.send(R, 6)
    rig.send(E, 9)
    rig.send(C, 8)
    assert set(rig.ears.asked) == {9, 8}
    assert rig.ears.asked[8] == (Pattern.ORDER, "警报解除 ALL CLEAR")
    rig.send(E, 7)
    rig.broadcast(R, 4)
    assert set(rig.ears.asked) == {9, 8}
    assert rig.ears.codes(7) == rig.ears.codes(4) == [EventCode.RECEIVED]
    rig.restart()
    rig.send(E, 3)
    assert 3 not in rig.ears.asked


def test_an_answer_to_an_evacuation_answers_those_before_it(rig: Rig) -> None:
    rig.send(E, 5)
    rig.send(R, 6)
    rig.desk.answered(6, EventCode.ACCEPTED, 0)
    assert rig.ears.asked == {}
    assert rig.ears.codes(5) == [EventCode.RECEIVED, EventCode.ACCEPTED]


# --- refused -----------------------------------------------------------------------------------------------


def test_a_forged_signature_is_refused_counted_and_alarmed(rig: Rig, signers: dict[str, Any]) -> None:
    thief = signers["THIEF"]
    body = orders.open_signed
    for kind in (E, R, C):
        core = orders.pack_order(rig.order(kind, 5))
        li = orders.Signature(
            orders.key_id(bytes(signers["LI"].verify_key)), bytes(thief.sign(core).signature)
        )
        packed = orders.pack_signed(core, [li])
        assert body(packed)
        rig.desk.hear_order(packed, 0)
    assert (rig.desk.refused, rig.ears.alarms) == ({"forged": 3}, 3)
    rig.send(C, 5, by=(signers["LI"],))  # one person alone
    rig.send(E, 5, by=())
    rig.send(E, 5, issuer="王")  # names somebody who did not sign
    assert (rig.desk.refused, rig.ears.alarms) == ({"forged": 6}, 6)
    assert (rig.ears.asked, rig.ears.told) == ({}, [])
    rig.send(C, 6, by=(signers["LI"],), body={BREAK_GLASS: "another cannot sign"})
    assert set(rig.ears.asked) == {6}


def test_an_unknown_key_is_refused_and_alarmed_only_when_it_stays_unknown(
    rig: Rig, signers: dict[str, Any]
) -> None:
    rig.send(E, 5, by=(signers["THIEF"],), issuer="贼")
    rig.run(5)
    rig.send(E, 5, by=(signers["THIEF"],), issuer="贼")
    assert (rig.desk.refused, rig.ears.alarms) == ({"signer": 2}, 0)
    rig.run(obey_proof.STRANGE_MS / 1000)
    rig.send(E, 5, by=(signers["THIEF"],), issuer="贼")
    assert rig.ears.alarms == 1
    keys = KeyList(8, "live", UTC_MS, (signers["commander"](signers["THIEF"]),))
    rig.trust.keys = keys  # the list that has it comes
    rig.send(E, 5, by=(signers["THIEF"],), issuer="贼")
    assert set(rig.ears.asked) == {5}


def test_without_a_list_nothing_signed_is_obeyed_yet_and_everything_else_is(rig: Rig) -> None:
    rig.trust.keys = None
    rig.send(E, 5)
    assert rig.desk.refused == {"keys": 1}
    rig.send(T, 6, body={"text": "x"})
    rig.send_brief(E, 5)
    assert set(rig.ears.asked) == {6, 5}


def test_a_gateway_that_was_never_enrolled_obeys_an_evacuation_by_its_mac_and_no_all_clear(rig: Rig) -> None:
    rig.trust.keys = rig.trust.signer = None
    rig.send(E, 5)
    rig.send(C, 6)
    rig.send(OrderType.CONFIG, 7)
    rig.broadcast(E, 8)
    assert set(rig.ears.asked) == {5}
    assert (rig.desk.refused, rig.ears.alarms) == ({"signer": 3}, 0)


def test_another_realm_and_what_is_no_order(rig: Rig) -> None:
    rig.send(E, 5, realm="drill")
    assert rig.desk.refused == {"realm": 1}
    for seq, changes in (
        (-1, {}),
        (orders.SEQ_MAX + 1, {}),
        (5, {"not_before_utc_ms": -1}),
        (5, {"type": 99}),
    ):
        with pytest.raises(OrderError):
            rig.send(T, seq, **changes)
    with pytest.raises(OrderError):
        rig.desk.hear_order(b"\xc1", 0)
    with pytest.raises(OrderError):
        rig.desk.hear_brief(b"", 0)
    assert rig.ears.told == []


def test_a_broadcast_of_another_hub_or_team_is_no_alarm(
    new_rig: Callable[..., Rig], tmp_path: Path, signers: dict[str, Any]
) -> None:
    rig = new_rig(tmp_path / "a.json", "攻坚一组")
    rig.broadcast(E, 5, by=signers["THIEF"])
    rig.broadcast(E, 5, realm="drill")
    rig.broadcast(E, 5, "team:供水组")
    rig.desk.hear_broadcast(b"\x31" * 77, 0)
    assert rig.ears.asked == {}
    assert (rig.desk.refused, rig.ears.alarms) == ({"broadcast": 3, "target": 1}, 0)
    rig.broadcast(E, 5, "team:攻坚一组")
    rig.broadcast(R, 6)
    rig.send(E, 5)
    assert rig.ears.times == {5: 1, 6: 1}


# --- time --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [T, K, Q, C])
def test_what_has_expired_or_is_too_early_is_refused_and_may_come_again(rig: Rig, kind: OrderType) -> None:
    rig.utc_ms = UTC_MS + HOUR_MS + 1
    rig.send(kind, 5)
    rig.utc_ms = UTC_MS - obey.SKEW_MS - 1
    rig.send(kind, 5)
    assert (rig.desk.refused, rig.ears.told) == ({"late": 1, "early": 1}, [])
    rig.utc_ms = UTC_MS - obey.SKEW_MS
    rig.send(kind, 5)
    assert set(rig.ears.asked) == {5}


@pytest.mark.parametrize("utc_ms", [None, 0, UTC_MS - HOUR_MS, UTC_MS + 1_000 * HOUR_MS])
def test_evacuate_and_retreat_are_never_refused_for_time(
    rig: Rig, signers: dict[str, Any], utc_ms: int | None
) -> None:
    """The clock may have jumped, be unknown, or be right: and the key may have expired on the way."""
    rig.trust.keys = KeyList(8, "live", UTC_MS, (signers["commander"](signers["LI"], UTC_MS + 1),))
    rig.utc_ms = utc_ms
    rig.send(E, 5)
    rig.send_brief(R, 6)
    rig.broadcast(E, 7)
    rig.run(2 * HOUR_MS / 1000)
    assert set(rig.ears.asked) == {5, 6, 7}


def test_without_a_proven_clock_no_all_clear_and_no_settings(rig: Rig, signers: dict[str, Any]) -> None:
    """An expired key could lift an evacuation."""
    rig.utc_ms = None
    rig.send(E, 5)
    rig.send(C, 6)
    rig.send(OrderType.CONFIG, 7)
    rig.send(T, 8, body={"text": "x"}, expires_utc_ms=UTC_MS + 60_000)
    assert rig.desk.refused == {"clock": 2}
    assert set(rig.ears.asked) == {5, 8}
    rig.utc_ms = UTC_MS + 1
    rig.trust.keys = KeyList(
        8, "live", UTC_MS, tuple(signers["commander"](signers[name], UTC_MS) for name in ("LI", "WANG"))
    )
    rig.send(C, 6)
    rig.run(40)
    rig.send(C, 6)
    assert rig.desk.refused == {"clock": 2, "expired": 2}
    assert not rig.ears.alarms, "a key whose time is over is no forgery"
    assert 5 in rig.ears.asked
    rig.trust.keys = KeyList(
        9, "live", UTC_MS, tuple(signers["commander"](signers[name]) for name in ("LI", "WANG"))
    )
    rig.send(C, 6)
    assert set(rig.ears.asked) == {6, 8}
    rig.run(60)
    assert set(rig.ears.asked) == {6}  # the text has expired, and is shown no more


# --- replays -----------------------------------------------------------------------------------------------


def test_a_repeat_is_done_once_and_its_receipts_are_given_again(rig: Rig) -> None:
    rig.send(K, 5, body={"text": "x"})
    rig.desk.answered(5, EventCode.SHOWN, 0)
    rig.desk.answered(5, EventCode.ACCEPTED, 0)
    rig.ears.told.clear()
    for _ in range(10):
        rig.send(K, 5, body={"text": "x"})
        rig.run(1)
    again = [EventCode.RECEIVED, EventCode.SHOWN, EventCode.ACCEPTED]
    assert rig.ears.codes(5) == again
    rig.desk.answered(5, EventCode.DONE, 0)
    rig.restart()
    rig.send(K, 5, body={"text": "x"})
    assert rig.ears.asked == {}
    assert rig.ears.codes(5) == [*again, EventCode.DONE]
    rig.run(obey_desk.AGAIN_MS / 1000)
    rig.send(K, 5, body={"text": "x"})
    assert rig.ears.codes(5) == [*again, EventCode.DONE] * 2


def test_an_open_evacuation_sounds_again_after_a_restart_until_it_is_answered(rig: Rig) -> None:
    rig.send(E, 5, body={"text": "走东门"})
    rig.restart()
    assert rig.ears.asked == {5: (Pattern.EVACUATE, "全体撤离 EVACUATE：走东门")}
    assert rig.ears.told == []
    rig.desk.answered(5, EventCode.ACCEPTED, 0)
    rig.restart()
    assert rig.ears.asked == {}
    rig.send(E, 5)
    rig.broadcast(E, 5)
    assert rig.ears.asked == {}


def test_an_accepted_task_waits_for_done_after_a_restart(rig: Rig) -> None:
    rig.send(K, 5, body={"text": "x", "lat_deg_e7": 366500000, "lon_deg_e7": 1170000000})
    rig.desk.answered(5, EventCode.ACCEPTED, 0)
    rig.restart()
    (one,) = rig.desk.listed(0)["orders"]
    assert (one["seq"], one["lat_deg_e7"], one["receipts"]) == (
        5,
        366500000,
        ["received", "accepted", "shown"],
    )
    rig.desk.answered(5, EventCode.DONE, 0)
    assert rig.desk.listed(0) == {"orders": []}


def test_what_is_below_the_window_is_an_old_one(rig: Rig) -> None:
    for seq in range(1, obey.KEPT_OTHERS + 20):
        rig.send(T, seq, body={"text": "x"})
    rig.ears.times.clear()
    rig.send(T, 3, body={"text": "x"})
    assert (rig.ears.times, rig.desk.refused) == ({}, {"old": 1})
    rig.send(E, 2)  # texts push no evacuation out
    assert rig.ears.times == {2: 1}
    assert len(rig.ears.asked) <= obey_book.OPEN_MAX
    rig.restart()
    assert 2 in rig.ears.asked
    rig.send(T, 3, body={"text": "x"})
    assert rig.desk.refused == {"old": 1}


def test_a_power_cut_before_the_receipt_gives_it_after_the_restart(rig: Rig) -> None:
    rig.send(E, 5)
    kept = obey_book.unpack(rig.path.read_bytes())
    kept["taken"] = [[5, int(E), []]]
    rig.path.write_bytes(obey_book.pack(kept))
    rig.restart()
    assert rig.ears.told == [(5, EventCode.RECEIVED, None)]
    assert set(rig.ears.asked) == {5}


class PowerCut(BaseException):
    """Everything ends here."""


def cut_at(rig: Rig, step: int) -> Any:
    """The power goes at the n-th thing that leaves the desk: before or after a write, an ask, a receipt."""
    left = [step]

    def cutting(real: Callable[..., Any], *, after: bool) -> Callable[..., Any]:
        def run(*words: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] == 0 and not after:
                raise PowerCut
            done = real(*words, **named)
            left[0] -= after
            if left[0] == 0 and after:
                raise PowerCut
            return done

        return run

    stack = ExitStack()
    stack.enter_context(patch.object(identity, "write", cutting(identity.write, after=True)))
    for name in ("ask", "unask", "say"):
        stack.enter_context(patch.object(rig.ears, name, cutting(getattr(rig.ears, name), after=False)))
    return stack


@pytest.mark.parametrize("step", range(1, 40))
def test_a_power_cut_at_any_step_loses_nothing_and_does_nothing_twice(rig: Rig, step: int) -> None:
    told: list[tuple[int, EventCode, int | None]] = []
    obeyed = 0

    def hub_says_all() -> None:
        rig.send(E, 5)
        rig.send(T, 6, body={"text": "x"})
        if 5 in rig.ears.asked:
            rig.desk.answered(5, EventCode.ACCEPTED, rig.t_ms)
        rig.send(E, 8)
        rig.send(C, 9)
        rig.send(E, 11)

    with cut_at(rig, step):
        try:
            hub_says_all()
        except PowerCut:
            told, obeyed = rig.ears.told, rig.desk.obeyed
            rig.restart()
    told += rig.ears.told
    rig.t_ms += obey_desk.AGAIN_MS
    hub_says_all()
    told += rig.ears.told
    assert {seq for seq, code, _ in told if code == EventCode.RECEIVED} == {5, 6, 8, 9, 11}
    assert set(rig.ears.asked) == {6, 9, 11}
    assert obeyed + rig.desk.obeyed <= 5
    rig.restart()
    assert set(rig.ears.asked) == {6, 9, 11}


def test_a_disk_that_refuses_stops_no_evacuation(
    new_rig: Callable[..., Rig], caplog: pytest.LogCaptureFixture
) -> None:
    rig = new_rig(Path("/proc/spool.orders.json"))
    rig.send(E, 5)
    rig.send(E, 5)
    rig.send(T, 6, body={"text": "x"})
    rig.run(60)
    assert rig.ears.times == {5: 1, 6: 1}
    assert caplog.text.count("in memory only") == 1


NOT_A_BOOK: tuple[Any, ...] = ({}, [], None, {"cleared": 1, "open": [[5]]})


@pytest.mark.parametrize("damage", [b"", b"{", b"{}", b"\0", *map(obey_book.pack, NOT_A_BOOK)])
def test_a_damaged_file_is_said_and_begun_anew(
    rig: Rig, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    rig.send(E, 5)
    rig.path.write_bytes(damage)
    rig.restart()
    assert str(rig.path) in caplog.text
    rig.send(E, 6)
    rig.restart()
    assert set(rig.ears.asked) == {6}


def test_every_damaged_twin_of_the_file_is_begun_anew(rig: Rig) -> None:
    """One bit of an all-clear's number could silence every evacuation to come."""
    rig.send(E, 5, body={"text": "走"})
    rig.send(C, 6)
    rig.send(K, 7, body={"text": "x"})
    good = rig.path.read_bytes()
    rig.restart()
    assert rig.desk.status()["open"] == 2
    for i in range(len(good)):
        for twin in (good[:i], good[:i] + bytes([good[i] ^ 4]) + good[i + 1 :]):
            rig.path.write_bytes(twin)
            rig.restart()
            assert (rig.desk.status()["open"], rig.ears.asked) == (0, {})


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seq=st.integers(0, orders.SEQ_MAX),
    kind=st.sampled_from((E, R, C, T, Q, K)),
    text=st.text() | st.just("长" * 2_500),
    until=st.integers(1, orders.SEQ_MAX),
    lat=st.integers() | st.none() | st.text(max_size=2),
    who=st.text(max_size=9),
)
def test_whatever_an_order_says_is_open_after_a_restart(
    rig: Rig, seq: int, kind: OrderType, text: str, until: int, lat: Any, who: str
) -> None:
    rig.path.unlink(missing_ok=True)
    rig.utc_ms = 0
    rig.restart()
    body = {"text": text, "lat_deg_e7": lat, "lon_deg_e7": 5}
    try:
        rig.send(kind, seq, body=body, role=who, not_before_utc_ms=0, expires_utc_ms=until)
    except (OrderError, ValueError, OverflowError):
        assert not rig.path.exists()  # nothing that the wire can carry
        return
    before = rig.desk.listed(0)["orders"]
    rig.restart()
    assert [one["seq"] for one in before] == [seq]
    assert rig.desk.listed(0)["orders"] == before


# --- settings ----------------------------------------------------------------------------------------------


def test_settings_need_the_hubs_own_signature(rig: Rig, signers: dict[str, Any]) -> None:
    body = {"version": 5, "changes": {"pace.row_s": 2.0}}
    rig.send(OrderType.CONFIG, 5, by=(signers["LI"],), body=body)
    rig.send(OrderType.CONFIG, 5, by=(), body=body)
    assert (rig.desk.refused, rig.ears.alarms, rig.configured) == ({"forged": 2}, 2, [])
    rig.send(OrderType.CONFIG, 5, body=body)
    rig.send(OrderType.CONFIG, 5, body=body)
    assert rig.configured == [(5, body)]
    assert rig.ears.told == [(5, EventCode.RECEIVED, None)] * 2
    rig.desk.outcome(Outcome(5, EventCode.REFUSED, ConfigRefusal.NOT_REACHED), 0)
    assert rig.ears.told[-1] == (5, EventCode.REFUSED, ConfigRefusal.NOT_REACHED)
    rig.outcome = Outcome(6, EventCode.REFUSED, ConfigRefusal.KEY)
    rig.send(OrderType.CONFIG, 6, body=body)
    assert rig.ears.told[-2:] == [(6, EventCode.RECEIVED, None), (6, EventCode.REFUSED, ConfigRefusal.KEY)]
    assert rig.ears.asked == {}


# --- a person at the gateway -------------------------------------------------------------------------------


def test_orders_are_listed_and_answered_at_the_gateway(rig: Rig) -> None:
    rig.send(Q, 4)
    rig.send(K, 5, body={"text": "搜三楼"})
    rig.send(E, 6)
    assert EventCode.SHOWN not in rig.ears.codes(6)
    assert [one["seq"] for one in rig.desk.listed(0)["orders"]] == [6, 5, 4]
    assert rig.ears.codes(6) == [EventCode.RECEIVED, EventCode.SHOWN]
    rig.desk.listed(0)
    assert rig.ears.codes(6) == [EventCode.RECEIVED, EventCode.SHOWN]
    for wrong in ("", "5", "9 accept", "5 here", "4 accept", "5 perhaps", "x accept", "² accept"):
        assert "error" in rig.desk.answer(wrong, 0)
    assert rig.desk.answer("4 here", 0) == {"order": 4, "answer": "here"}
    assert rig.desk.answer("5 accept", 0) == {"order": 5, "answer": "accept"}
    assert rig.desk.answer("6 refuse", 0) == {"order": 6, "answer": "refuse"}
    assert rig.ears.asked == {}
    assert [one["seq"] for one in rig.desk.listed(0)["orders"]] == [5]
    assert rig.desk.answer("5 done", 0) == {"order": 5, "answer": "done"}
    told = [
        (seq, code)
        for seq, code, _ in rig.ears.told
        if code >= EventCode.ACCEPTED and code != EventCode.SHOWN
    ]
    assert told == [(5, EventCode.ACCEPTED), (6, EventCode.REFUSED), (5, EventCode.DONE)]
    assert (4, EventCode.ROLL_CALL, None) in rig.ears.told

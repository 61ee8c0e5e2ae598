"""Accounts, passwords and their throttle, and what the command line does to them while the hub runs."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher

from hub.cli import main
from hub.commands.opening import utc_ms
from hub.errors import AccountError
from hub.identity.people import (
    ACTIVE,
    HASHING_MAX,
    LOCKED,
    WAITING_MAX,
    Accounts,
    Busy,
    Passwords,
    Person,
    check_password,
)
from hub.identity.permissions import Audience, Permission, Role
from hub.identity.signin import REMEMBERED_MAX, SignIn, Throttle
from hub.state import HubState

QUICK = {"time_cost": 1, "memory_cost": 8, "parallelism": 1}


def person(name: str, role: Role = Role.MEMBER, state: str = ACTIVE, **more: Any) -> Person:
    return Person(name, role, more.get("agency", ""), more.get("sees", ("*",)), more.get("team", ""), state)


# --- passwords -----------------------------------------------------------------------------------------------------


def test_passwords_are_argon2id_with_the_low_memory_profile() -> None:
    passwords = Passwords()
    stored = passwords.hash("战图 long enough")
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert passwords.matches(stored, "战图 long enough")
    assert not passwords.matches(stored, "战图 long enougH")
    assert not passwords.matches(None, "nobody's"), "who has none cannot sign in with what stands in for it"


def test_one_text_is_one_password_however_it_was_composed() -> None:
    passwords = Passwords(PasswordHasher(**QUICK))
    assert passwords.matches(passwords.hash("caf\u00e9 caf\u00e9!"), "cafe\u0301 cafe\u0301!")


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("short", "5 characters, 10–128"),
        ("x" * 129, "129 characters"),
        ("Wang Haiyang", "it is the name"),
        ("PASSWORD123", "the first that anybody tries"),
        ("啊" * 10, "the first that anybody tries"),
    ],
)
def test_refused_passwords(password: str, words: str) -> None:
    with pytest.raises(AccountError, match=words):
        check_password(password, "wang haiyang")


def test_any_other_password_is_allowed() -> None:
    for password in ("x" * 9 + "y", "ab" * 64, "一二三四五六七八九十", "no digits or capitals here"):
        check_password(password, "Wang")


class Gate(PasswordHasher):
    """A hasher that waits until it is let go, and counts who is in it."""

    def __init__(self) -> None:
        super().__init__(**QUICK)
        self.inside = 0
        self.most = 0
        self.go = threading.Event()
        self.lock = threading.Lock()

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.go.wait(10)
        with self.lock:
            self.inside -= 1
        return super().hash(password, salt=salt)


def test_a_flood_takes_neither_the_memory_nor_the_threads() -> None:
    gate = Gate()
    passwords = Passwords(gate)
    threads = [
        threading.Thread(target=passwords.hash, args=("x" * 10,)) for _ in range(HASHING_MAX + WAITING_MAX)
    ]
    for thread in threads:
        thread.start()
    # All places are taken as soon as every thread has asked, whether it hashes or waits.
    while passwords._waiting.acquire(blocking=False):
        passwords._waiting.release()
    with pytest.raises(Busy):
        passwords.hash("one too many")
    gate.go.set()
    for thread in threads:
        thread.join(10)
    assert gate.most <= HASHING_MAX
    assert passwords.hash("there is room again")


def test_a_hash_with_old_parameters_is_made_anew(bench: Any) -> None:
    old = SignIn(
        bench.registry, bench.clock, token_s=9, session_s=9, passwords=Passwords(PasswordHasher(**QUICK))
    )
    old.accounts.put(person("Li"), "t", 1)
    bench.registry.people.set_password("Li", old.passwords.hash("long enough"))
    stronger = Passwords(PasswordHasher(**{**QUICK, "time_cost": 2}))
    new = SignIn(bench.registry, bench.clock, token_s=9, session_s=9, passwords=stronger)
    assert new.sign_in_password("Li", "long enough") is not None
    assert ",t=2," in bench.registry.people.person("Li").password
    assert new.sign_in_password("Li", "long enough") is not None


def test_nobody_takes_as_long_as_somebody(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told by the work, not by a clock: one verification each, with the same parameters."""
    passwords = Passwords(PasswordHasher(**QUICK))
    sign_in = SignIn(bench.registry, bench.clock, token_s=9, session_s=9, passwords=passwords)
    for name, state in (("Li", ACTIVE), ("Locked", LOCKED), ("Link only", ACTIVE)):
        sign_in.accounts.put(person(name, state=state), "t", 1)
        if name != "Link only":
            bench.registry.people.set_password(name, passwords.hash("long enough"))
    looked: list[str] = []
    verify = PasswordHasher.verify
    monkeypatch.setattr(
        PasswordHasher, "verify", lambda of, h, p: (looked.append(h[:27]), verify(of, h, p))[1]
    )
    for name in ("Li", "Locked", "Link only", "nobody"):
        assert sign_in.sign_in_password(name, "wrong" * 3) is None
    assert len(looked) == 4
    assert len(set(looked)) == 1
    assert sign_in.sign_in_password("Locked", "long enough") is None


# --- throttle ------------------------------------------------------------------------------------------------------


def test_addresses_of_one_customer_count_together() -> None:
    throttle = Throttle()
    for number in range(6):
        throttle.failed("Li", f"2001:db8:0:1::{number}", 0)
    assert throttle.wait_ms("Li", "2001:db8:0:1:ffff::1", 0) > 0
    assert throttle.wait_ms("Li", "2001:db8:0:2::1", 0) == 0
    for address in ("10.0.0.1", "::ffff:10.0.0.1"):
        for _ in range(3):
            throttle.failed("Li", address, 0)
    assert throttle.wait_ms("Li", "10.0.0.1", 0) > 0
    assert throttle.wait_ms("", "not an address", 0) == 0


def test_tries_are_forgotten_and_bounded() -> None:
    throttle = Throttle()
    for _ in range(8):
        throttle.failed("Li", "10.0.0.1", 0)
    later = 31 * 60_000
    throttle.failed("Li", "10.0.0.1", later)
    assert throttle.wait_ms("Li", "10.0.0.1", later) == 0
    for number in range(REMEMBERED_MAX):
        throttle.failed(f"n{number}", "10.0.0.2", later)
    assert len(throttle._tries) == REMEMBERED_MAX
    assert throttle.wait_ms("", "10.0.0.2", later) > 0, "who tries all the time is not forgotten"


# --- accounts ------------------------------------------------------------------------------------------------------


def test_what_an_account_may_not_be(bench: Any) -> None:
    accounts = Accounts(bench.registry)
    bad = [
        person(""), person(" Li"), person("x" * 41), person("a\nb"), person("Li", state="gone"),
        person("Li", agency="x" * 41), person("Li", sees=("a,b",)), person("Li", sees=tuple(map(str, range(33)))),
    ]  # fmt: skip
    for one in bad:
        with pytest.raises(AccountError):
            accounts.put(one, "t", 1)
    assert accounts.everybody() == []


def test_the_last_active_administrator_stays(bench: Any) -> None:
    accounts = Accounts(bench.registry)
    accounts.put(person("Zhao", Role.ADMINISTRATOR), "t", 1)
    accounts.put(person("Qian", Role.ADMINISTRATOR, LOCKED), "t", 1)
    for worse in (person("Zhao", Role.OBSERVER), person("Zhao", Role.ADMINISTRATOR, LOCKED)):
        with pytest.raises(AccountError, match="last active administrator"):
            accounts.put(worse, "t", 1)
    accounts.put(person("Zhao", Role.ADMINISTRATOR, team="x"), "t", 1)
    accounts.put(person("Qian", Role.ADMINISTRATOR), "t", 1)
    accounts.put(person("Zhao", Role.OBSERVER), "t", 1)
    assert accounts.person("Zhao").role == Role.OBSERVER


def test_every_change_is_a_record_without_secrets(state: HubState, bench: Any) -> None:
    secrets = [state.sign_in.new_token("Li")]
    began = state.sign_in.sign_in(secrets[0], "10.0.0.7")
    assert began is not None
    secrets += [began.cookie, "a long password"]
    state.sign_in.set_password(began.principal, secrets[-1], "")
    token_id, secret = state.sign_in.new_api_token("Li", "x", [Permission.PICTURE], 1, "Li")
    secrets.append(secret)
    state.sign_in.end_token(token_id, "Li")
    state.sign_in.accounts.put(person("Li", Role.MEDIC), "Zhao", 5)
    state.sign_in.sign_out(began.principal)
    said = [(row[2], row[3]) for row in bench.registry.records()]
    assert said == [
        ("cli", "person added"), ("cli", "token made"), ("Li", "signed in"), ("Li", "password changed"),
        ("Li", "API token made"), ("Li", "API token ended"), ("Zhao", "person changed"), ("Li", "signed out"),
    ]  # fmt: skip
    whole = str(bench.registry.records())
    assert not any(secret in whole for secret in secrets)
    assert "argon2" not in whole
    unchanged = len(said)
    state.sign_in.accounts.put(person("Li", Role.MEDIC), "Zhao", 5)
    assert len(bench.registry.records()) == unchanged, "nothing changed, nothing recorded"


def test_a_role_of_a_later_version_signs_nobody_in(state: HubState, bench: Any) -> None:
    began = state.sign_in.sign_in(state.sign_in.new_token("Li"))
    assert began is not None
    bench.registry._file.write("UPDATE users SET role = 'emperor'")
    state.sign_in.forget()
    assert state.sign_in.session(began.cookie) is None
    assert state.sign_in.accounts.everybody() == []


# --- the command line beside a running hub -------------------------------------------------------------------------


@pytest.fixture
def data(tmp_path: Path) -> list[str]:
    return ["--data", str(tmp_path)]


def test_the_first_account_is_an_administrator(tmp_path: Path, data: list[str], capsys: Any) -> None:
    assert main(["user", "link", *data]) == 0
    assert main(["user", "link", *data, "--name", "Li"]) == 1, "the second needs a role"
    assert "needs a role" in capsys.readouterr().err
    assert main(["user", "link", *data, "--name", "Li", "--role", "emperor"]) == 1
    assert main(["user", "link", *data, "--name", "Li", "--role", "medic"]) == 0
    assert main(["user", "link", *data, "--name", "Li"]) == 0
    assert main(["user", "link", *data, "--name", "Li", "--role", "member"]) == 1, "a link changes no role"
    capsys.readouterr()
    main(["user", "list", *data])
    listed = sorted(line.split("\t") for line in capsys.readouterr().out.splitlines())
    assert listed == [
        ["Li", "medic", "", "*", "", "active", "link only"],
        ["administrator", "administrator", "", "*", "", "active", "link only"],
    ]


def test_link_with_the_right_address(tmp_path: Path, data: list[str], capsys: Any, bench: Any) -> None:
    def link(*more: str) -> str:
        assert main(["user", "link", *data, *more]) == 0
        out: str = capsys.readouterr().out
        return out.partition("/#t=")[0]

    assert link() == "http://127.0.0.1:8600"
    (tmp_path / "hub.toml").write_text('host = "192.0.2.7"\nport = 443\n')
    assert link() == "https://192.0.2.7:443"
    (tmp_path / "hub.toml").write_text('host = "::1"\nport = 8611\n')
    assert link() == "http://[::1]:8611"
    (tmp_path / "hub.toml").write_text('host = "0.0.0.0"\npublic_hosts = ["hub.example:8600"]\n')
    assert link() == "https://hub.example:8600"
    bench.registry.set_setting("address", "http://127.0.0.1:9000")
    assert link() == "http://127.0.0.1:9000", "as the hub runs"
    assert link("--url", "https://x.example") == "https://x.example"


def test_a_change_from_the_command_line_counts_within_a_second(
    state: HubState, bench: Any, data: list[str], new_browser: Callable[[], Any], capsys: Any
) -> None:
    bench.clock.now = utc_ms()  # the command line's clock is the real one
    assert main(["user", "link", *data]) == 0
    assert main(["user", "add", *data, "--name", "Li", "--role", "safety-officer", "--agency", "市消防"]) == 0
    assert main(["user", "add", *data, "--name", "Li", "--role", "medic"]) == 1
    ask = new_browser()
    ask("POST", "/api/v1/session", json={"token": state.sign_in.new_token("Li")})
    said = ask("GET", "/api/v1/session").json()
    assert (said["role"], said["agency"], said["sees"]) == ("safety-officer", "市消防", [])

    assert main(["user", "set", *data, "--name", "Li", "--role", "observer", "--sees", "*"]) == 0
    bench.clock.now += 1_000
    said = ask("GET", "/api/v1/session").json()
    assert (said["role"], said["agency"], said["sees"]) == ("observer", "市消防", ["*"])

    capsys.readouterr()
    made = ["token", "add", *data, "--user", "Li", "--name", "x", "--scope"]
    assert main([*made, "picture,order"]) == 1
    assert main([*made, "nonsense"]) == 1
    assert main([*made, "picture", "--json"]) == 0
    token = json.loads(capsys.readouterr().out)
    program, headers = new_browser(), {"Authorization": f"Bearer {token['token']}"}
    assert program("GET", "/api/v1/units", headers=headers).status_code == 200
    main(["token", "list", *data])
    assert token["id"] in capsys.readouterr().out

    unused = state.sign_in.new_token("Li")
    assert main(["user", "lock", *data, "--name", "Li"]) == 0
    bench.clock.now += 1_000
    assert ask("GET", "/api/v1/session").status_code == 401
    assert program("GET", "/api/v1/units", headers=headers).status_code == 401
    assert ask("POST", "/api/v1/session", json={"token": unused}).status_code == 401
    assert main(["user", "link", *data, "--name", "Li"]) == 1
    assert main(["user", "unlock", *data, "--name", "Li"]) == 0
    bench.clock.now += 1_000
    assert program("GET", "/api/v1/units", headers=headers).status_code == 401, "what ended stays ended"
    assert ask("POST", "/api/v1/session", json={"token": state.sign_in.new_token("Li")}).status_code == 200

    capsys.readouterr()
    main(["user", "sessions", *data])
    line = capsys.readouterr().out
    assert "Li\tobserver" in line
    assert main(["user", "end", *data, line.partition("\t")[0]]) == 0
    bench.clock.now += 1_000
    assert ask("GET", "/api/v1/session").status_code == 401
    assert main(["user", "end", *data, "nobody"]) == 1
    assert main(["token", "end", *data, token["id"]]) == 1, "its user's lock ended it"
    assert main(["user", "lock", *data, "--name", "administrator"]) == 1, "the last one"
    assert bench.registry.verify_records() is None


def test_people_over_http(state: HubState, new_browser: Callable[[], Any]) -> None:
    admin, li = new_browser(), new_browser()
    admin("POST", "/api/v1/session", json={"token": state.sign_in.new_token("Zhao", Role.ADMINISTRATOR)})
    path, body = "/api/v1/people/李", {"role": "medic", "agency": "市消防", "sees": ["矿山"], "team": "一队"}
    assert admin("PUT", path, json=body).json() == {
        "name": "李", **body, "state": "active", "has_password": False
    }  # fmt: skip
    assert [p["name"] for p in admin("GET", "/api/v1/people").json()["people"]] == ["Zhao", "李"]
    link = admin("POST", f"{path}/link").json()
    assert link["path"] == f"/#t={link['token']}"
    assert li("POST", "/api/v1/session", json={"token": link["token"]}).json()["role"] == "medic"
    me = state.sign_in.session(li.jar["zhantu"])
    assert me is not None
    assert me.audience == Audience(frozenset({"市消防", "矿山"}), "all")
    assert admin("PUT", path, json={**body, "role": "observer"}).status_code == 200
    assert li("GET", "/api/v1/session").json()["role"] == "observer", "at once"
    assert admin("PUT", path, json={**body, "state": "locked"}).status_code == 200
    assert li("GET", "/api/v1/session").status_code == 401
    assert admin("POST", f"{path}/link").status_code == 422
    assert admin("POST", "/api/v1/people/nobody/link").status_code == 404
    for bad in ({"role": "emperor"}, {"state": "gone"}, {"sees": ["a"] * 33}, {"agency": "x" * 41}):
        assert admin("PUT", path, json={**body, **bad}).status_code == 422, bad
    answer = admin("PUT", "/api/v1/people/Zhao", json={"role": "observer"})
    assert (answer.status_code, "last active administrator" in answer.json()["detail"]) == (422, True)
    roles = {role["role"]: role for role in admin("GET", "/api/v1/roles").json()["roles"]}
    assert set(roles) == set(Role)
    assert roles["medic"]["zh"] == "医务员"

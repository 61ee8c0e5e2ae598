"""Trust in the registry: commanders' keys and their lists, all-clears of two people, security notices, seen events.

Enters and leaves: plain rows; public keys and signatures only.
"""

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import NamedTuple

from hub.store.registry_file import RegistryFile


class KeyRow(NamedTuple):
    """A commander's key that has not ended. `role` and `state` are its person's, as they are now."""

    key_id: str
    public: str
    user: str
    from_utc_ms: int
    until_utc_ms: int
    offered_to: str
    role: str
    state: str


class AllClearRow(NamedTuple):
    """An all-clear and who signed it: `signatures` [(key id, signature, name)], hexadecimal."""

    id: str
    core: bytes
    proposed_by: str
    proposed_utc_ms: int
    expires_utc_ms: int
    state: str
    signatures: list[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """A security notice: what, of which device (0: not known), how often, from when to when, who has seen to it."""

    id: str
    reason: str
    device: int
    words: str
    count: int
    first_utc_ms: int
    last_utc_ms: int
    taken_by: str


_ALL_CLEAR = (
    "SELECT id, core, proposed_by, proposed_utc_ms, expires_utc_ms, state, signatures FROM all_clears"
)


class Trust:
    """Every method is one short transaction."""

    def __init__(self, file: RegistryFile) -> None:
        self._file = file

    # --- commanders' keys --------------------------------------------------------------------------------

    def add_key(self, key_id: str, public: str, user: str, from_utc_ms: int, until_utc_ms: int) -> None:
        self._file.write(
            "INSERT INTO commander_keys (key_id, public, user, from_utc_ms, until_utc_ms) VALUES (?, ?, ?, ?, ?)",
            [key_id, public, user, from_utc_ms, until_utc_ms],
        )

    def standing_keys(self) -> list[KeyRow]:
        """Keys that have not ended, oldest first; those past their time too."""
        sql = (
            "SELECT k.key_id, k.public, k.user, k.from_utc_ms, k.until_utc_ms, coalesce(k.offered_to, ''),"
            " coalesce(u.role, ''), coalesce(u.state, '') FROM commander_keys k"
            " LEFT JOIN users u ON u.name = k.user WHERE k.ended_utc_ms IS NULL ORDER BY k.from_utc_ms, k.key_id"
        )
        return [KeyRow(*row) for row in self._file.rows(sql)]  # type: ignore[arg-type]

    def knows_key(self, key_id: str) -> bool:
        """Whether this key was ever registered: an ended one never comes back."""
        return bool(self._file.rows("SELECT 1 FROM commander_keys WHERE key_id = ?", [key_id]))

    def end_key(self, key_id: str, t_utc_ms: int, why: str) -> bool:
        sql = "UPDATE commander_keys SET ended_utc_ms = ?, why = ? WHERE key_id = ? AND ended_utc_ms IS NULL"
        return self._file.write(sql, [t_utc_ms, why, key_id]) > 0

    def offer_key(self, key_id: str, to: str) -> bool:
        sql = "UPDATE commander_keys SET offered_to = ? WHERE key_id = ? AND ended_utc_ms IS NULL"
        return self._file.write(sql, [to, key_id]) > 0

    def add_list(self, number: int, t_utc_ms: int, signed: bytes) -> None:
        self._file.write("INSERT INTO key_lists VALUES (?, ?, ?)", [number, t_utc_ms, signed])

    def newest_list(self) -> tuple[int, bytes] | None:
        """(number, signed bytes) of the list that holds; None when there never was one."""
        found = self._file.rows("SELECT number, signed FROM key_lists ORDER BY number DESC LIMIT 1")
        return (int(str(found[0][0])), bytes(found[0][1])) if found else None  # type: ignore[call-overload]

    def devices_with_identity(self) -> set[int]:
        """Enrolled with a code, so that they know the hub's signer and can judge a list."""
        sql = "SELECT device FROM devices WHERE state = 'active' AND not_after_utc_ms IS NOT NULL"
        return {int(str(device)) for (device,) in self._file.rows(sql)}

    # --- all-clears --------------------------------------------------------------------------------------

    def add_all_clear(self, row: AllClearRow) -> None:
        self._file.write(
            "INSERT INTO all_clears (id, core, proposed_by, proposed_utc_ms, expires_utc_ms, state, signatures)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            [*row[:-1], json.dumps(row.signatures)],
        )

    def decide(self, row: AllClearRow, t_utc_ms: int) -> bool:
        """Take over state and signatures of one that was only proposed; False when it was decided before."""
        sql = "UPDATE all_clears SET state = ?, signatures = ?, decided_utc_ms = ? WHERE id = ? AND state = 'proposed'"
        return self._file.write(sql, [row.state, json.dumps(row.signatures), t_utc_ms, row.id]) > 0

    def all_clear(self, id: str) -> AllClearRow | None:
        found = self._file.rows(f"{_ALL_CLEAR} WHERE id = ?", [id])
        return _all_clear(found[0]) if found else None

    def all_clears(self, most: int) -> list[AllClearRow]:
        """The newest ones, newest first."""
        sql = f"{_ALL_CLEAR} ORDER BY proposed_utc_ms DESC, id LIMIT ?"
        return [_all_clear(row) for row in self._file.rows(sql, [most])]

    def waiting_all_clears(self) -> list[AllClearRow]:
        """All that nobody has decided, newest first. They are few: each waits some minutes at most."""
        sql = f"{_ALL_CLEAR} WHERE state = 'proposed' ORDER BY proposed_utc_ms DESC, id"
        return [_all_clear(row) for row in self._file.rows(sql)]

    # --- security notices --------------------------------------------------------------------------------

    def keep_notices(self, rows: Sequence[NoticeRow]) -> None:
        """New and grown notices. Who took one in the meantime stays."""
        sql = (
            "INSERT INTO notices (id, reason, device, words, count, first_utc_ms, last_utc_ms, taken_by)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET count = excluded.count, last_utc_ms = excluded.last_utc_ms"
        )
        with self._file.all_or_none():
            for row in rows:
                self._file.write(sql, astuple(row))

    def take_notice(self, row: NoticeRow, t_utc_ms: int) -> None:
        with self._file.all_or_none():
            self.keep_notices([row])
            sql = "UPDATE notices SET taken_by = ?, taken_utc_ms = ? WHERE id = ?"
            self._file.write(sql, [row.taken_by, t_utc_ms, row.id])

    def open_notices(self, most: int) -> list[NoticeRow]:
        """Those nobody has taken, the latest first."""
        sql = (
            "SELECT id, reason, device, words, count, first_utc_ms, last_utc_ms, taken_by FROM notices"
            " WHERE taken_by = '' ORDER BY last_utc_ms DESC LIMIT ?"
        )
        return [NoticeRow(*row) for row in self._file.rows(sql, [most])]  # type: ignore[arg-type]

    # --- seen events -------------------------------------------------------------------------------------

    def see_event(self, id: str, by: str, t_utc_ms: int, most: int) -> None:
        """Somebody has seen an event: the first one counts. Of all that is kept, at most `most`."""
        with self._file.all_or_none():
            self._file.write("INSERT OR IGNORE INTO seen_events VALUES (?, ?, ?)", [id, by, t_utc_ms])
            self._file.write(
                "DELETE FROM seen_events WHERE rowid <= (SELECT max(rowid) FROM seen_events) - ?",
                [most],
            )

    def seen_events(self) -> list[tuple[str, str, int]]:
        """(id, by, when), oldest first."""
        sql = "SELECT id, seen_by, t_utc_ms FROM seen_events ORDER BY rowid"
        return [(str(id), str(by), int(str(t))) for id, by, t in self._file.rows(sql)]


def _all_clear(row: tuple[object, ...]) -> AllClearRow:
    *head, signatures = row
    said = [(str(key), str(made), str(name)) for key, made, name in json.loads(str(signatures))]
    return AllClearRow(*head, said)  # type: ignore[arg-type, call-arg]

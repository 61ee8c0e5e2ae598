"""The registry's schema, step by step. A step is never changed once released.

Secrets are never here: one-time codes, cookies and tokens as digests, passwords as argon2, keys not at all.
"""

from sqlite_utils import Database

from hub.store.migrations import Step


def _first_schema(db: Database) -> None:
    db.table("devices").create({"device": int, "epoch": int, "enrolled_utc_ms": int}, pk="device")
    db.table("units").create(
        {
            "number": int,
            "id": str,
            "callsign": str,
            "kind": str,
            "branch": str,
            "team": str,
            "stale_s": int,
            "lost_s": int,
        },
        pk="number",
        not_null={"id", "callsign"},
    )
    db.table("units").create_index(["id"], unique=True)
    db.table("units").create_index(["callsign"], unique=True)
    db.table("bindings").create(
        {"id": int, "device": int, "unit": str, "from_utc_ms": int, "to_utc_ms": int}, pk="id"
    )
    db.table("bindings").create_index(["device"])
    db.table("users").create({"name": str, "role": str, "created_utc_ms": int}, pk="name")
    db.table("tokens").create(
        {"digest": str, "user": str, "expires_utc_ms": int, "used_utc_ms": int}, pk="digest"
    )
    db.table("sessions").create(
        {
            "digest": str,
            "id": str,
            "user": str,
            "created_utc_ms": int,
            "expires_utc_ms": int,
            "ended_utc_ms": int,
        },
        pk="digest",
    )
    db.table("holds").create({"id": int, "from_utc_ms": int, "to_utc_ms": int, "reason": str}, pk="id")
    db.table("settings").create({"key": str, "value": str}, pk="key")
    db.table("records").create(
        {
            "seq": int,
            "t_utc_ms": int,
            "who": str,
            "what": str,
            "content": str,
            "previous": str,
            "digest": str,
        },
        pk="seq",
    )


def _identity_schema(db: Database) -> None:
    """Devices with a life of their own, people with roles and agencies, commanders' keys, security notices."""
    _devices_with_a_life(db)
    _people_with_roles(db)
    _command(db)
    _notices(db)


def _devices_with_a_life(db: Database) -> None:
    for statement in (
        "ALTER TABLE devices ADD COLUMN state TEXT NOT NULL DEFAULT 'active'",
        "ALTER TABLE devices ADD COLUMN kind TEXT NOT NULL DEFAULT 'gateway'",
        "ALTER TABLE devices ADD COLUMN relay INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE devices ADD COLUMN firmware TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE devices ADD COLUMN not_after_utc_ms INTEGER",
        "ALTER TABLE devices ADD COLUMN changed_utc_ms INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE devices ADD COLUMN why TEXT NOT NULL DEFAULT ''",
    ):
        db.execute(statement)
    db.table("codes").create(
        {"digest": str, "device": int, "made_by": str, "expires_utc_ms": int, "used_utc_ms": int}, pk="digest"
    )
    db.table("certificates").create(
        {
            "serial": str,
            "device": int,
            "epoch": int,
            "not_before_utc_ms": int,
            "not_after_utc_ms": int,
            "revoked_utc_ms": int,
        },
        pk="serial",
    )
    db.table("certificates").create_index(["device"])


def _people_with_roles(db: Database) -> None:
    for statement in (
        "ALTER TABLE units ADD COLUMN agency TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE users ADD COLUMN password TEXT",
        "ALTER TABLE users ADD COLUMN agency TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE users ADD COLUMN sees TEXT NOT NULL DEFAULT '*'",
        "ALTER TABLE users ADD COLUMN team TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE users ADD COLUMN state TEXT NOT NULL DEFAULT 'active'",
        "ALTER TABLE sessions ADD COLUMN seen_utc_ms INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE sessions ADD COLUMN address TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE sessions ADD COLUMN browser TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE sessions ADD COLUMN by_link INTEGER NOT NULL DEFAULT 0",
    ):
        db.execute(statement)
    db.table("api_tokens").create(
        {
            "id": str,
            "digest": str,
            "user": str,
            "name": str,
            "scope": str,
            "created_utc_ms": int,
            "expires_utc_ms": int,
            "ended_utc_ms": int,
        },
        pk="id",
    )
    db.table("api_tokens").create_index(["digest"], unique=True)


def _command(db: Database) -> None:
    db.table("commander_keys").create(
        {
            "key_id": str,
            "public": str,
            "user": str,
            "from_utc_ms": int,
            "until_utc_ms": int,
            "ended_utc_ms": int,
            "why": str,
            "offered_to": str,
        },
        pk="key_id",
    )
    db.table("key_lists").create({"number": int, "t_utc_ms": int, "signed": bytes}, pk="number")
    db.table("all_clears").create(
        {
            "id": str,
            "core": bytes,
            "proposed_by": str,
            "proposed_utc_ms": int,
            "expires_utc_ms": int,
            "state": str,
            "signatures": str,
            "decided_utc_ms": int,
        },
        pk="id",
    )


def _notices(db: Database) -> None:
    db.table("notices").create(
        {
            "id": str,
            "reason": str,
            "device": int,
            "words": str,
            "count": int,
            "first_utc_ms": int,
            "last_utc_ms": int,
            "taken_by": str,
            "taken_utc_ms": int,
        },
        pk="id",
    )


def _seen_schema(db: Database) -> None:
    """Who has seen which event."""
    db.table("seen_events").create({"id": str, "seen_by": str, "t_utc_ms": int}, pk="id")


def _orders_schema(db: Database) -> None:
    """Orders as they were signed, whom they were for, by which devices, and what these said."""
    db.table("orders").create(
        {
            "seq": int,
            "id": str,
            "type": int,
            "core": bytes,
            "signatures": str,
            "t_utc_ms": int,
            "origin": str,
        },
        pk="seq",
    )
    db.table("orders").create_index(["id"], unique=True)
    db.table("order_units").create({"seq": int, "unit": str}, pk=("seq", "unit"))
    db.table("order_devices").create({"seq": int, "device": int, "unit": str}, pk=("seq", "device", "unit"))
    db.table("order_receipts").create(
        {"seq": int, "device": int, "code": int, "t_device_ms": int, "t_hub_ms": int, "value": int},
        pk=("seq", "device", "code"),
    )


def _documents_schema(db: Database) -> None:
    """What the rooms of the hub keep of their own; and answers to commands that may be asked again."""
    db.table("documents").create({"kind": str, "id": str, "body": str, "t_utc_ms": int}, pk=("kind", "id"))
    db.table("answers").create(
        {"digest": str, "asked": str, "status": int, "body": bytes, "media": str, "t_utc_ms": int},
        pk="digest",
    )


STEPS: tuple[Step, ...] = (
    _first_schema,
    _identity_schema,
    _seen_schema,
    _orders_schema,
    _documents_schema,
)

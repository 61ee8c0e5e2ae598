"""Numbered steps from an empty file to today's schema.

Enters: an open database and a list of steps. Leaves: the same database with every step done once, each in
its own transaction and noted in table `_migrations`. A step is never changed once released.
"""

from collections.abc import Callable, Sequence

from sqlite_utils import Database

from hub.errors import StoreError

Step = Callable[[Database], None]


def migrate(db: Database, steps: Sequence[Step], t_utc_ms: int) -> None:
    """Do the steps that this database has not seen. StoreError when it comes from a newer hub."""
    db.execute(
        "CREATE TABLE IF NOT EXISTS _migrations (number INTEGER PRIMARY KEY, name TEXT, t_utc_ms INTEGER)"
    )
    done = db.execute("SELECT coalesce(max(number), 0) FROM _migrations").fetchone()[0]
    if done > len(steps):
        raise StoreError(f"store: schema {done} is from a newer hub, this one knows up to {len(steps)}")
    for number, step in enumerate(steps, 1):
        if number <= done:
            continue
        with db.atomic():
            step(db)
            db.execute("INSERT INTO _migrations VALUES (?, ?, ?)", [number, step.__name__, t_utc_ms])

"""Pages of a list: `?limit=&after=`, and `next` in the answer.

A page begins after a place, not at a number, so that what is added meanwhile is neither doubled nor left out.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, TypeVar

from fastapi import HTTPException, Query

T = TypeVar("T")
LIMIT, LIMIT_MAX = 100, 500
After = Annotated[str | None, Query(max_length=120, description="`next` of the page before")]
Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="at most so many")]


def page(
    items: Iterable[T], place: Callable[[T], tuple[int, str]], after: str | None, limit: int
) -> tuple[Sequence[T], str | None]:
    """The items of one page, the greatest place first, and `next`, None at the end. A place is (UTC ms, id).

    422 when `after` is no `next`.
    """
    below = _place(after)
    found = sorted((i for i in items if below is None or place(i) < below), key=place, reverse=True)
    shown = found[:limit]
    return shown, "{}:{}".format(*place(shown[-1])) if len(found) > limit else None


def _place(after: str | None) -> tuple[int, str] | None:
    if after is None:
        return None
    t, _, id = after.partition(":")
    if not t.removeprefix("-").isdecimal() or not id or len(t) > 18:
        raise HTTPException(422, f"after = {after[:40]!r}: `next` of the page before is needed")
    return int(t), id

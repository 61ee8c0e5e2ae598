"""Regular expressions of a configuration, checked so that no line can keep the agent busy.

Enters: a pattern. Leaves: it compiled, or ValueError. Called by the options of `line`. A backtracking matcher needs
exponential time where a repeat stands in a repeat and both can take the same text, and the length to the power of n
where n repeats that follow one another can. So each repeat is compared with what may follow it: where the two have no
character in common there is one way only to match, and at most CHOICES_MAX repeats may be without that.
"""

import re
from collections.abc import Sequence
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

PATTERN_LEN_MAX = 500
WIDE, NARROW, COST_MAX = 4, 1, 8
"""What a repeat with many ways to match costs, and an option with two; the line's length is 2 to the power of 9."""

LATIN = 256
DIGITS, SPACES, LETTERS, OTHERS = range(LATIN, LATIN + 4)
"""Stand for the characters beyond U+00FF."""

Chars = frozenset[int]
EVERY: Chars = frozenset(range(OTHERS + 1))
_BEYOND: Chars = frozenset((DIGITS, SPACES, LETTERS, OTHERS))
_NONE: Chars = frozenset()
_CATEGORIES = {
    op.CATEGORY_DIGIT: (r"\d", {DIGITS}),
    op.CATEGORY_NOT_DIGIT: (r"\D", {SPACES, LETTERS, OTHERS}),
    op.CATEGORY_SPACE: (r"\s", {SPACES}),
    op.CATEGORY_NOT_SPACE: (r"\S", {DIGITS, LETTERS, OTHERS}),
    op.CATEGORY_WORD: (r"\w", {DIGITS, LETTERS}),
    op.CATEGORY_NOT_WORD: (r"\W", {SPACES, OTHERS}),
}
_ALL_REPEATS = (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT)


def compiled(text: str) -> re.Pattern[str]:
    """A pattern that takes at most about the square of the line's length. ValueError that says why not."""
    if len(text) > PATTERN_LEN_MAX:
        raise ValueError(f"{len(text)} characters came, at most {PATTERN_LEN_MAX} are allowed")
    try:
        made = re.compile(text)
        tree = parser.parse(text)
    except (re.error, OverflowError, RecursionError) as err:
        raise ValueError(f"no regular expression: {err}") from None
    if made.flags & ~re.UNICODE:
        raise ValueError("flags such as (?i) came, they are not allowed; write [Tt]")
    if _cost(list(tree), _NONE) > COST_MAX:  # behind the last node nothing is left to fail
        raise ValueError(
            "more than two repeats can take the same text as what follows them; "
            r"write [^,]* or \d+ in place of .*, and a sign such as = behind it"
        )
    return made


def _cost(nodes: Sequence[Any], follow: Chars) -> int:
    """What those repeats and branches cost that have more than one way. `follow`: how what comes after may begin."""
    count = 0
    for kind, value in reversed(nodes):
        count += _cost_of(kind, value, follow)
        first, empty = _first([(kind, value)])
        follow = first | follow if empty else first
    return count


def _cost_of(kind: Any, value: Any, follow: Chars) -> int:
    if kind is op.SUBPATTERN:
        if value[1] or value[2]:
            raise ValueError("flags such as (?i:…) came, they are not allowed; write [Tt]")
        return _cost(list(value[3]), follow)
    if kind is op.BRANCH:
        return _branch([list(branch) for branch in value[1]], follow)
    if kind in _ALL_REPEATS:
        return _repeat(value[0], value[1], list(value[2]), follow)
    if kind in (op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN, op.AT):
        return 0
    raise ValueError(f"{str(kind).lower()} came: look-around, back-references and conditions are not allowed")


def _branch(branches: list[list[Any]], follow: Chars) -> int:
    inside = max(_cost(branch, follow) for branch in branches)
    seen: Chars = _NONE
    for branch in branches:
        first, empty = _first(branch)
        first = first | follow if empty else first
        if first & seen:
            return inside + NARROW * len(branches)
        seen |= first
    return inside


def _repeat(least: int, most: int, body: list[Any], follow: Chars) -> int:
    first, empty = _first(body)
    if most == 1:
        return _cost(body, follow) + (NARROW if least == 0 and first & follow else 0)
    inside = _cost(body, first | follow)
    if inside or (empty and most > 1):
        raise ValueError(
            "a repeat within a repeat came that can take the same text in many ways: it never ends"
        )
    return WIDE if least != most and first & follow else 0


def _first(nodes: Sequence[Any]) -> tuple[Chars, bool]:
    """How a sequence may begin, and whether it may be empty."""
    chars: Chars = _NONE
    for kind, value in nodes:
        here, empty = _first_of(kind, value)
        chars |= here
        if not empty:
            return chars, False
    return chars, True


def _first_of(kind: Any, value: Any) -> tuple[Chars, bool]:
    if kind is op.SUBPATTERN:
        return _first(list(value[3]))
    if kind is op.BRANCH:
        parts = [_first(list(branch)) for branch in value[1]]
        return _NONE.union(*(chars for chars, _ in parts)), any(empty for _, empty in parts)
    if kind in _ALL_REPEATS:
        chars, empty = _first(list(value[2]))
        return chars, empty or value[0] == 0
    if kind is op.AT:
        return _NONE, True
    return _chars(kind, value), False


def _chars(kind: Any, value: Any) -> Chars:
    """What one character may be; rather too much than too little."""
    if kind is op.LITERAL:
        return _range(value, value)
    if kind is op.NOT_LITERAL:
        return EVERY - {value} if value < LATIN else EVERY
    if kind is not op.IN:
        return EVERY
    negated = bool(value) and value[0][0] is op.NEGATE
    chars: Chars = _NONE
    whole: Chars = _NONE  # stand-ins all of whose characters are meant, so that the negation leaves them out
    for each, what in value:
        if each is op.LITERAL:
            chars |= _range(what, what)
        elif each is op.RANGE:
            chars |= _range(*what)
        elif each is op.CATEGORY:
            pattern, beyond = _CATEGORIES[what]
            chars |= {code for code in range(LATIN) if re.match(pattern, chr(code))} | beyond
            whole = whole | beyond
    return EVERY - (chars - (_BEYOND - whole)) if negated else chars


def _range(lo: int, hi: int) -> Chars:
    return frozenset(range(lo, min(hi, LATIN - 1) + 1)) | (_BEYOND if hi >= LATIN else _NONE)

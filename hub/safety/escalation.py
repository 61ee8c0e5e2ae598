"""Whom an alarm calls aloud: who is on duty for it first, the next roles when nobody answers, then everybody.

Enters: an alarm's priority and step, and which roles have a screen open. Leaves: roles. Pure. Caller:
`hub.safety.alarms`. Whoever sees the unit sees the alarm from the first moment; this is about whose screen sounds.
"""

from collections.abc import Set

from hub.identity.permissions import Role

FIRST = frozenset({Role.DUTY_OFFICER, Role.DISPATCHER, Role.SAFETY_OFFICER, Role.TEAM_LEADER})
NEXT = FIRST | {Role.COMMANDER, Role.MEDIC}
EVERYBODY: frozenset[Role] = frozenset()
"""As the feed says it: no role named."""


def called(priority: int, step: int, present: Set[Role]) -> frozenset[Role]:
    """The roles that are called at `step` of an alarm's escalation; EVERYBODY when it is empty.

    A critical one calls everybody at once. A step of which nobody has a screen is no step: the next one is taken, so
    that no alarm is told to an empty room.
    """
    if priority > 1:
        for roles in (FIRST, NEXT)[step:]:
            if roles & present:
                return roles
    return EVERYBODY

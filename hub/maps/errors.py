"""What the rooms of hub.maps refuse.

HubError
├── MapError             a base map cannot be read, or does not answer
└── Refused
    └── PlanRefused      a plan or a drawing that is not allowed
"""

from hub.errors import HubError, Refused


class MapError(HubError):
    """A base map cannot be read, or its server does not answer. Its words hold no address and no key."""


class PlanRefused(Refused):
    """A plan or a drawing that is not allowed: 404, 409, 415 or 422, in words."""

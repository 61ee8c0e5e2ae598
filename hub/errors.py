"""The exception tree of the hub.

HubError                 anything that the hub refuses or cannot do, in words for a person
├── SettingsError        a configuration that is not allowed
├── RosterError          a roster line that is not allowed; says file, line, what came, what is allowed
├── StoreError           the store could not do it
│   └── StoreFull        no room on the disk
├── KeyFileError         the master key is missing, open to others or damaged
├── AuthorityError       a certificate, or a request for one, that cannot be used
├── BrokerError          the broker cannot be started
└── Refused              refused to whoever asks for it; says with which status of HTTP, and how long to wait
    ├── AccountError     an account, a password or an API token that is not allowed
    ├── CommandError     in hub.identity.commanders: a key or an all-clear
    ├── EnrolmentRefused in hub.identity.enrolment: a code, an enrolment or a renewal
    ├── Throttled        in hub.identity.signin: too many wrong tries
    └── Busy             in hub.identity.people: too many passwords at once
"""


class HubError(Exception):
    """Something the hub refuses or cannot do; its text is meant for a person."""


class SettingsError(HubError):
    """A configuration that is not allowed."""


class RosterError(HubError):
    """A roster line that is not allowed."""


class StoreError(HubError):
    """The store could not read or write."""


class StoreFull(StoreError):
    """The disk, or the budget given to the hub, is full."""


class KeyFileError(HubError):
    """The master key is missing, readable by others, or damaged."""


class AuthorityError(HubError):
    """A certificate, or a request for one, cannot be used."""


class BrokerError(HubError):
    """The broker cannot be started."""


class Refused(HubError):
    """Refused to whoever asks. `status` is HTTP's; `wait_s` not 0: ask again after so long."""

    def __init__(self, status: int, words: str, wait_s: int = 0) -> None:
        super().__init__(words)
        self.status = status
        self.wait_s = wait_s


class AccountError(Refused):
    """An account, password or API token that is not allowed."""

    def __init__(self, words: str) -> None:
        super().__init__(422, words)

"""The exception tree of the hub.

HubError                 anything that the hub refuses or cannot do, in words for a person
├── SettingsError        a configuration that is not allowed
├── RosterError          a roster line that is not allowed; says file, line, what came, what is allowed
├── StoreError           the store could not do it
│   └── StoreFull        no room on the disk
├── KeyFileError         the master key is missing, open to others or damaged
├── AccountError         an account, a password or an API token that is not allowed
├── AuthorityError       a certificate, or a request for one, that cannot be used
└── BrokerError          the broker cannot be started
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


class AccountError(HubError):
    """An account, password or API token that is not allowed."""


class AuthorityError(HubError):
    """A certificate, or a request for one, cannot be used."""


class BrokerError(HubError):
    """The broker cannot be started."""

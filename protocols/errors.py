"""The exception tree of what comes from a network.

    ProtocolError               anything wrong with bytes or values from outside
    ├── FrameError              a frame that is refused; `.reason` is one of REASONS
    ├── AckError                an acknowledgement that is refused
    ├── TopicError              a topic that is not ours
    ├── FieldError              a value that the catalog does not allow
    ├── OrderError              an order, or a list of commanders' keys, that is refused
    ├── EnrolmentError          a code or an answer of an enrolment that cannot be used
    ├── RelayError              what a relay passes on, or is told, is refused
    └── MqttError               a broker's packet that MQTT does not allow, or longer than we accept

Each message says what came, where, and what is allowed. `reason` is a short stable word, so that a hub can
count refusals by it and a device can be told.
"""

from typing import Final

REASONS: Final[dict[str, int]] = {
    # The numbers cross the wire in acknowledgements, so one is never given a new meaning.
    "ok": 0,
    "size": 1,  # shorter or longer than a frame may be
    "mac": 2,  # not made with this device's key
    "msgpack": 3,  # not msgpack, nested too deep, or too many elements
    "version": 4,  # a version this program does not speak
    "shape": 5,  # an element has the wrong type, or a column the wrong length
    "count": 6,  # more rows than a frame may hold
    "kind": 7,  # a kind this program does not know
    "field": 8,  # a field this catalog does not know
    "range": 9,  # a value outside its field's range
    "device": 10,  # the frame names another device than its topic
    "unknown_device": 11,  # nobody has enrolled this device
    "future": 12,  # a fix more than 30 s ahead of the hub
    "realm": 13,  # a topic of another realm
    "lane": 14,  # a lane or stream that does not exist
    "revoked": 15,  # a device whose enrolment was taken back
    "expired": 16,  # a device whose certificate has run out and was not renewed
    "teleport": 17,  # a position that nothing could have reached since the last one
    "replay": 18,  # rows that were acknowledged long ago
    "relay": 19,  # passed on by a device that may not, or not as a relay does
    "preview": 20,  # a narrow-band preview: kept and shown, and replaced by the full rows
}
"""Why a frame, or a part of it, was refused: word -> number on the wire."""


class ProtocolError(ValueError):
    """Something from outside is not what the protocol allows."""


class FrameError(ProtocolError):
    """A frame was refused. `reason` is a key of REASONS."""

    def __init__(self, reason: str, message: str) -> None:
        assert reason in REASONS, reason
        super().__init__(f"frame: {message}")
        self.reason = reason


class AckError(ProtocolError):
    """An acknowledgement was refused."""


class TopicError(ProtocolError):
    """A topic is not of this protocol."""


class FieldError(ProtocolError):
    """A value is outside what the catalog allows for its field."""


class OrderError(ProtocolError):
    """An order, or a list of commanders' keys, was refused."""


class EnrolmentError(ProtocolError):
    """A code is mistyped, or an answer is not what an enrolment gives."""


class RelayError(ProtocolError):
    """What a relay passes on, or is told to pass back, is not of this protocol."""


class MqttError(ProtocolError):
    """The broker sent what MQTT does not allow, or more than is accepted."""

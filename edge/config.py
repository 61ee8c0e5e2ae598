"""The agent's configuration: one TOML file, read once into frozen dataclasses.

Enters: a path. Leaves: `Config`, or ConfigError that says which file, which key, what came and what is allowed.
`sample.toml` holds every key; a test keeps it so.
"""

import difflib
import fcntl
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_args, get_origin

from edge import identity
from edge.guard.settings import GuardConfig, Person
from edge.identity import Identity, IdentityError
from firmware_bridge.drivers import AUTO, DRIVERS
from firmware_bridge.interface import no_options
from protocols.errors import TopicError
from protocols.keys import KEY_BYTES
from protocols.links import NAME_CHARS_MAX
from protocols.topics import DEVICE_MAX, check_realm


class ConfigError(ValueError):
    """The configuration cannot be used; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Device:
    """Who this gateway is. `number` 1–2^32-1; `key_file` holds 64 hexadecimal digits. `identity` is the file that an
    enrolment wrote; it says all the others but `team`, and those of the broker, unless they are written."""

    identity: Path | None = None
    number: int = 0
    realm: str = "live"
    key_file: Path = Path("device.key")
    callsign: str = ""
    team: str = ""


@dataclass(frozen=True, slots=True)
class SpoolConfig:
    """Where rows wait, how much of them, and how often they are committed (s)."""

    path: Path = Path("spool.db")
    mib_max: int = 512
    commit_s: float = 1.0


@dataclass(frozen=True, slots=True)
class PaceConfig:
    """Seconds between rows, live frames, health rows, and rows of one thing that is observed."""

    row_s: float = 1.0
    live_s: float = 1.0
    health_s: float = 10.0
    observed_s: float = 5.0


@dataclass(frozen=True, slots=True)
class PortConfig:
    """One serial port. `baud` 0 means: find it. `options` is what the driver made of [port.options]."""

    name: str = ""
    path: str = ""
    driver: str = "gnss"
    baud: int = 0
    options: Any = None


@dataclass(frozen=True, slots=True)
class RouteConfig:
    """One way to the hub's brokers: a host, and the network interface to leave by, "" for any."""

    host: str = "127.0.0.1"
    port: int = 18830
    interface: str = ""


@dataclass(frozen=True, slots=True)
class MqttConfig:
    """The hub's broker, and further routes to it or to its standby in order of preference. Files are empty for none;
    `cert_file` may hold the key too."""

    name: str = "mqtt"
    cost: int = 1
    host: str = "127.0.0.1"
    port: int = 18830
    interface: str = ""
    route: tuple[RouteConfig, ...] = ()
    version: str = "auto"
    keepalive_s: int = 20
    ca_file: Path | None = None
    cert_file: Path | None = None
    cert_key_file: Path | None = None

    def routes(self) -> tuple[RouteConfig, ...]:
        """All of them, the best first."""
        return (RouteConfig(self.host, self.port, self.interface), *self.route)


@dataclass(frozen=True, slots=True)
class DatagramConfig:
    """[[bearer]] of kind "datagram": UDP to the hub, or to a relay in the same LAN. Without `host` it is off."""

    kind: str = "datagram"
    name: str = "udp"
    cost: int = 2
    host: str = ""
    port: int = 18832
    interface: str = ""
    history: bool = False


@dataclass(frozen=True, slots=True)
class MeshConfig:
    """[[bearer]] of kind "mesh": LoRa by the radio of a [[port]] with driver "mesh". `to`: the relay's node number, 0
    for all. Above `use_pct_max` of the channel only alarms go."""

    kind: str = "mesh"
    name: str = "lora"
    cost: int = 5
    port: str = "mesh"
    to: int = 0
    use_pct_max: float = 25.0


@dataclass(frozen=True, slots=True)
class RdssConfig:
    """[[bearer]] of kind "rdss": BeiDou short messages by the terminal of a [[port]] with driver "rdss". `to`: the
    card number of the hub's terminal. `every_s`: the least time between messages that are no alarm."""

    kind: str = "rdss"
    name: str = "beidou"
    cost: int = 9
    port: str = "rdss"
    to: int = 0
    every_s: float = 60.0
    broadcast: int = 0


BearerConfig = DatagramConfig | MeshConfig | RdssConfig
BEARERS: dict[str, type[BearerConfig]] = {"datagram": DatagramConfig, "mesh": MeshConfig, "rdss": RdssConfig}


@dataclass(frozen=True, slots=True)
class RelayConfig:
    """Whether this gateway carries frames of others who reach only it: `listen` is the address of its UDP port in the
    LAN, "" for none; its radio and its BeiDou terminal are heard anyway."""

    on: bool = False
    listen: str = ""
    port: int = 18832


@dataclass(frozen=True, slots=True)
class TeamConfig:
    """The local page of a relay's team. Beyond loopback it needs `code_file`, whose one line people type in."""

    on: bool = False
    listen: str = "127.0.0.1"
    port: int = 8640
    code_file: Path | None = None


@dataclass(frozen=True, slots=True)
class NtripConfig:
    """The caster of RTK corrections, none without a `host`, and the port of the receiver that gets them. `account_file`
    holds user and password, two lines, and only its owner may read it."""

    host: str = ""
    tcp_port: int = 2101
    mountpoint: str = ""
    port: str = "gnss"
    version: str = "auto"
    account_file: Path | None = None
    tls: bool = False
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """The whole of it. Paths are absolute. `path` is the file it came from, `identity` what an enrolment left."""

    path: Path = Path()
    identity: Identity | None = None
    device: Device = field(default_factory=Device)
    spool: SpoolConfig = field(default_factory=SpoolConfig)
    pace: PaceConfig = field(default_factory=PaceConfig)
    ports: tuple[PortConfig, ...] = ()
    mqtt: MqttConfig = field(default_factory=MqttConfig)
    bearers: tuple[BearerConfig, ...] = ()
    relay: RelayConfig = field(default_factory=RelayConfig)
    team: TeamConfig = field(default_factory=TeamConfig)
    ntrip: NtripConfig = field(default_factory=NtripConfig)
    guard: GuardConfig = field(default_factory=GuardConfig)
    person: Person = field(default_factory=Person)


def load(path: Path, changes: Mapping[str, Any] | None = None) -> Config:
    """Read and check a file and the identity it names; ConfigError when they cannot be used. Opens nothing else.
    `changes`: values by dotted key that win over the file's (`edge.overlay`)."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as err:
        raise ConfigError(f"{path}: {err.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise ConfigError(f"{path}: not TOML: {err}") from None
    try:
        raw = _changed(raw, changes or {})
        return _check(replace(_build(raw, path.resolve().parent), path=path.resolve()))
    except (ConfigError, IdentityError) as err:
        raise ConfigError(f"{path}: {err}") from None


def _changed(raw: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    for dotted, value in changes.items():
        *tables, key = dotted.split(".")
        place = raw
        for name in tables:
            place = place.setdefault(name, {})
            if not isinstance(place, dict):
                raise ConfigError(f"{dotted}: {name} is no table")
        place[key] = value
    return raw


def read_key(path: Path) -> bytes:
    """The device's key out of its file: 64 hexadecimal digits."""
    try:
        text = path.read_text(encoding="ascii").strip()
        key = bytes.fromhex(text)
    except OSError as err:
        raise ConfigError(
            f"{path}: {err.strerror}; `zhantu-edge enrol` or the hub's roster command writes it"
        ) from None
    except ValueError:
        raise ConfigError(f"{path}: not hexadecimal; 64 digits are needed") from None
    if len(key) != KEY_BYTES:
        raise ConfigError(f"{path}: {len(text)} digits, {2 * KEY_BYTES} are needed")
    return key


def key_files(config: Config) -> list[Path]:
    """The files that hold a secret of this gateway."""
    tls = config.mqtt.cert_key_file or config.mqtt.cert_file
    others = (tls, config.ntrip.account_file, config.team.code_file)
    return [config.device.key_file, *(path for path in others if path)]


def read_code(path: Path | None) -> bytes:
    """The code of the team's page: one line of 6–64 characters; b"" where none is asked for."""
    if path is None:
        return b""
    try:
        code = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(f"{path}: {err}") from None
    if not 6 <= len(code) <= 64:
        raise ConfigError(f"{path}: a code of {len(code)} characters, 6–64 are needed")
    return code.encode()


@contextmanager
def alone(device: Device) -> Iterator[None]:
    """One program a device. A second one would take the first one's link and the socket that an SOS comes through.

    The lock is on the key file: nothing is written, so it holds on a full disk too, and a kill frees it.
    """
    read_key(device.key_file)
    with device.key_file.open("rb") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"device {device.number}: another zhantu-edge runs with {device.key_file}; "
                "`zhantu-edge status` asks it, or stop it first"
            ) from None
        yield


def _build(raw: dict[str, Any], base: Path) -> Config:
    sections = {
        "device": Device,
        "spool": SpoolConfig,
        "pace": PaceConfig,
        "mqtt": MqttConfig,
        "relay": RelayConfig,
        "team": TeamConfig,
        "ntrip": NtripConfig,
        "guard": GuardConfig,
        "person": Person,
    }
    _known(raw, [*sections, "port", "bearer"], "section")
    raw, found = _with_identity(raw, base)
    parts = {name: _section(kind, name, raw.get(name, {}), base) for name, kind in sections.items()}
    tables = _tables(raw.get("port", []), "port")
    ports = tuple(_section(PortConfig, f"port {i + 1}", table, base) for i, table in enumerate(tables))
    bearers = tuple(_bearer(table, base) for table in _tables(raw.get("bearer", []), "bearer"))
    return Config(
        ports=tuple(_with_options(port, base) for port in ports), bearers=bearers, identity=found, **parts
    )


def _tables(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise ConfigError(f"{name}: write [[{name}]], one table for each {name}")
    return value


def _bearer(table: Any, base: Path) -> BearerConfig:
    kind = table.get("kind") if isinstance(table, dict) else None
    if kind not in BEARERS:
        raise ConfigError(f"bearer: kind {kind!r}, allowed are {', '.join(BEARERS)}")
    made: BearerConfig = _section(BEARERS[kind], f"bearer {table.get('name', kind)}", table, base)
    return made


def _with_options(port: PortConfig, base: Path) -> PortConfig:
    row = DRIVERS.get(port.driver)
    if row is None and port.driver != AUTO:
        return port  # told later, with the name that is near
    options = row.options if row else no_options
    try:
        return replace(port, options=options(port.options or {}, base))
    except (ValueError, OSError) as err:
        raise ConfigError(f"port {port.name}: {err}") from None


def _with_identity(raw: dict[str, Any], base: Path) -> tuple[dict[str, Any], Identity | None]:
    """The tables with what the identity says; a key that is written wins. Wrong tables are told later."""
    device = raw.get("device")
    where = device.get("identity") if isinstance(device, dict) else None
    if not isinstance(where, str) or not where:
        return raw, None
    path = base / where
    found = identity.read(path)
    merged = dict(raw)
    for section, said in identity.defaults(found, path.parent).items():
        written = raw.get(section, {})
        merged[section] = said | written if isinstance(written, dict) else written
    return merged, found


def _known(table: dict[str, Any], names: list[str], what: str) -> None:
    for key in table:
        if key not in names:
            near = difflib.get_close_matches(key, names, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(names)}"
            raise ConfigError(f"unknown {what} {key!r}; {hint}")


def _section(kind: Callable[..., Any], name: str, table: Any, base: Path, made: Any = None) -> Any:
    """The defaults, or `made`, with what the table says."""
    if not isinstance(table, dict):
        raise ConfigError(f"{name}: a table is needed, got {type(table).__name__}")
    # "pass" is a word of Python's own, so its field has an underscore that the file has not
    specs = {spec.name.rstrip("_"): spec for spec in fields(kind)}  # type: ignore[arg-type]
    _known(table, list(specs), f"key in [{name}]")
    made = made or kind()
    for key, value in table.items():
        spec, where = specs[key], f"{name}.{key}"
        if is_dataclass(spec.type):
            part = _section(spec.type, where, value, base, getattr(made, spec.name))  # type: ignore[arg-type]
        else:
            part = _typed(where, spec.type, value, base)
            if "lo" in spec.metadata:
                _within(where, part, spec.metadata["lo"], spec.metadata["hi"])
        made = replace(made, **{spec.name: part})
    for key, spec in specs.items():
        if spec.type is Path and key not in table:
            made = replace(made, **{key: base / getattr(made, key)})
    return made


def _typed(where: str, wanted: Any, value: Any, base: Path) -> Any:
    if wanted in (Path, Path | None):
        if not isinstance(value, str):
            raise ConfigError(f"{where}: a path in quotes is needed, got {value!r}")
        return base / value if value else None
    if get_origin(wanted) is tuple:
        return tuple(
            _section(get_args(wanted)[0], f"{where} {i + 1}", table, base)
            for i, table in enumerate(_tables(value, where))
        )
    if wanted is Any:
        if not isinstance(value, dict):
            raise ConfigError(f"{where}: a table is needed, got {type(value).__name__}")
        return value
    if wanted is float and type(value) is int:
        value = float(value)
    if type(value) is not wanted:
        raise ConfigError(f"{where}: {wanted.__name__} needed, got {value!r}")
    return value


def _within(where: str, value: float, lo: float, hi: float) -> None:
    if not lo <= value <= hi:
        raise ConfigError(f"{where}: {value}, {lo}–{hi} allowed")


def _check(config: Config) -> Config:
    if config.device.identity is None and config.device.number == 0:
        raise ConfigError("device: an identity or a number is missing; `zhantu-edge enrol` writes the one")
    _within("device.number", config.device.number, 1, DEVICE_MAX)
    try:
        check_realm(config.device.realm)
    except TopicError as err:
        raise ConfigError(f"device.realm: {err}") from None
    _within("spool.mib_max", config.spool.mib_max, 1, 1_000_000)
    _within("spool.commit_s", config.spool.commit_s, 0.05, 10)
    _within("pace.row_s", config.pace.row_s, 0.05, 3_600)
    _within("pace.live_s", config.pace.live_s, 0, 3_600)
    _within("pace.health_s", config.pace.health_s, 1, 3_600)
    _within("pace.observed_s", config.pace.observed_s, 0, 3_600)
    _within("mqtt.port", config.mqtt.port, 1, 65_535)
    _within("mqtt.keepalive_s", config.mqtt.keepalive_s, 5, 3_600)
    if config.mqtt.version not in ("auto", "5", "3.1.1"):
        raise ConfigError(f'mqtt.version: {config.mqtt.version!r}, "auto", "5" or "3.1.1" allowed')
    if config.mqtt.cert_file is None and config.mqtt.cert_key_file is not None:
        raise ConfigError("mqtt: cert_key_file needs a cert_file")
    if config.mqtt.cert_file is not None and config.mqtt.ca_file is None:
        raise ConfigError("mqtt: cert_file needs a ca_file: without it there is no TLS")
    for route in config.mqtt.routes():
        _within("mqtt.route.port", route.port, 1, 65_535)
        _check_interface("mqtt", route.interface)
    _within("relay.port", config.relay.port, 1, 65_535)
    _within("team.port", config.team.port, 1, 65_535)
    if config.team.on and not config.relay.on:
        raise ConfigError("team.on: a team is heard by a relay; set relay.on too")
    if config.team.on and config.team.code_file is None and config.team.listen not in ("127.0.0.1", "::1"):
        raise ConfigError(f"team.listen: {config.team.listen!r} is reached by others; it needs a code_file")
    _check_bearers(config)
    names = [port.name for port in config.ports]
    for port in config.ports:
        _check_port(port, names)
    if config.guard.pass_.alarm_s <= config.guard.pass_.pre_s:
        raise ConfigError("guard.pass.alarm_s: more than pre_s is needed, or nobody is asked")
    if config.guard.fall.still_s <= config.guard.fall.ask_s:
        raise ConfigError("guard.fall.still_s: more than ask_s is needed, or nobody is asked")
    if config.ntrip.host:
        _check_ntrip(config.ntrip, names)
    return config


def _check_bearers(config: Config) -> None:
    drivers = {port.name: port.driver for port in config.ports}
    names = [config.mqtt.name, *(bearer.name for bearer in config.bearers)]
    for bearer in (config.mqtt, *config.bearers):
        where = f"bearer {bearer.name}"
        if not 0 < len(bearer.name) <= NAME_CHARS_MAX or names.count(bearer.name) > 1:
            raise ConfigError(f"{where}: a name of its own, 1–{NAME_CHARS_MAX} characters, is needed")
        _within(f"{where}.cost", bearer.cost, 0, 1_000)
        if isinstance(bearer, DatagramConfig):
            _within(f"{where}.port", bearer.port, 1, 65_535)
            _check_interface(where, bearer.interface)
        elif isinstance(bearer, MeshConfig | RdssConfig):
            if drivers.get(bearer.port) not in (bearer.kind, AUTO):
                raise ConfigError(f"{where}.port: {bearer.port!r} is no [[port]] with driver {bearer.kind!r}")
            _within(f"{where}.to", bearer.to, 0, 2**32 - 1)
        if isinstance(bearer, RdssConfig):
            if not bearer.to:
                raise ConfigError(f"{where}.to: the card number of the hub's terminal is needed")
            _within(f"{where}.every_s", bearer.every_s, 1, 86_400)
            _within(f"{where}.broadcast", bearer.broadcast, 0, 2**32 - 1)
        if isinstance(bearer, MeshConfig):
            _within(f"{where}.use_pct_max", bearer.use_pct_max, 1, 100)


def _check_interface(where: str, interface: str) -> None:
    if len(interface) > 15 or not interface.isascii() or " " in interface or "/" in interface:
        raise ConfigError(f"{where}.interface: {interface!r}, 1–15 characters such as wwan0 are allowed")


def _check_ntrip(ntrip: NtripConfig, ports: list[str]) -> None:
    for name, value in (("host", ntrip.host), ("mountpoint", ntrip.mountpoint)):
        if not value or len(value) > 200 or not value.isascii() or not value.isprintable() or " " in value:
            raise ConfigError(f"ntrip.{name}: {value!r}, 1–200 characters of ASCII without spaces are needed")
    _within("ntrip.tcp_port", ntrip.tcp_port, 1, 65_535)
    if ntrip.version not in ("auto", "1", "2"):
        raise ConfigError(f'ntrip.version: {ntrip.version!r}, "auto", "1" or "2" allowed')
    if ntrip.port not in ports:
        raise ConfigError(f"ntrip.port: {ntrip.port!r} is no port; known are {', '.join(ports) or 'none'}")


def _check_port(port: PortConfig, names: list[str]) -> None:
    if not port.name or names.count(port.name) > 1:
        raise ConfigError(f"port: name {port.name!r} is empty or used twice")
    if not port.path:
        raise ConfigError(f"port {port.name}: path is missing")
    if port.driver not in (AUTO, *DRIVERS):
        near = difflib.get_close_matches(port.driver, [AUTO, *DRIVERS], n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {AUTO}, {', '.join(DRIVERS)}"
        raise ConfigError(f"port {port.name}: driver {port.driver!r}; {hint}")
    if port.baud and not 300 <= port.baud <= 4_000_000:
        raise ConfigError(f"port {port.name}: baud {port.baud}, 0 or 300–4000000 allowed")

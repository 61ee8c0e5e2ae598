"""What the API answers, as typed models: the OpenAPI page is made of them."""

from pydantic import BaseModel, Field


class TokenIn(BaseModel):
    """The one-time link's token."""

    token: str = Field(min_length=1, max_length=128)


class SessionOut(BaseModel):
    """Who is signed in, and to what."""

    name: str
    role: str
    realm: str
    drill: bool
    version: str


class ValueOut(BaseModel):
    """One value with its own time. `value` is in `unit`."""

    name: str
    zh: str
    en: str
    unit: str
    value: float | int
    t_utc_ms: int


class UnitOut(BaseModel):
    """A unit of docs/feed.md's `meta`, with its last values."""

    slot: int
    id: str
    callsign: str
    kind: str
    branch: str
    team: str
    device: int
    stale_s: int
    lost_s: int
    agency: str
    t_fix_utc_ms: int | None
    t_rx_utc_ms: int | None
    lat_deg: float | None
    lon_deg: float | None
    flags: int
    values: list[ValueOut]


class UnitsOut(BaseModel):
    """All units."""

    units: list[UnitOut]


class TrailColumns(BaseModel):
    """Times in UTC ms, positions in 1e-7 degrees."""

    t: list[int]
    lat: list[int]
    lon: list[int]


class TrailOut(BaseModel):
    """A trail, oldest first."""

    n: int
    c: TrailColumns


class SeriesColumns(BaseModel):
    """Middle of each bucket in UTC ms, least and greatest value."""

    t: list[int]
    min: list[float | int]
    max: list[float | int]


class SeriesOut(BaseModel):
    """Series by channel name."""

    channels: dict[str, SeriesColumns]


class HealthOut(BaseModel):
    """`ok` false comes with status 503 and its reasons."""

    ok: bool
    reasons: list[str]
    notes: list[str]

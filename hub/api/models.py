"""What the API answers, as typed models: the OpenAPI page is made of them."""

from typing import Any

from pydantic import BaseModel, Field


class SignInIn(BaseModel):
    """The one-time link's token, or a name and its password."""

    token: str = Field("", max_length=128)
    name: str = Field("", max_length=40)
    password: str = Field("", max_length=256)


class PasswordIn(BaseModel):
    """A new password of one's own, and the one until now."""

    password: str = Field(max_length=256)
    old: str = Field("", max_length=256)


class SessionOut(BaseModel):
    """Who is signed in, as what, and to what. `session`: its id, or that of the API token."""

    name: str
    role: str
    title_zh: str
    title_en: str
    agency: str
    sees: list[str]
    team: str
    realm: str
    drill: bool
    version: str
    permissions: list[str]
    session: str
    expires_utc_ms: int
    has_password: bool


class SessionRowOut(BaseModel):
    """A session that holds. `seen_utc_ms`: used last, to the minute; `mine`: of the one who asks."""

    id: str
    user: str
    role: str
    address: str
    browser: str
    created_utc_ms: int
    seen_utc_ms: int
    expires_utc_ms: int
    mine: bool


class SessionsOut(BaseModel):
    """Oldest first."""

    sessions: list[SessionRowOut]


class ValueOut(BaseModel):
    """One value with its own time. `value` is in `unit`."""

    name: str
    zh: str
    en: str
    unit: str
    value: float | int
    t_utc_ms: int


class ReportedOut(BaseModel):
    """By what somebody else heard it (mesh, ais, drone, rdss), and the unit that reports it."""

    source: str
    by: str


class DeviceOut(BaseModel):
    """One device that the unit carries. `bearer`: by what its newest live frame came. `drawn`: the unit is drawn at its
    fix; if not, `why` says why: `no_fix`, `undated`, `older` or `less_sure` than that of the one it is drawn at."""

    device: int
    bearer: str = Field(examples=["mqtt"])
    t_rx_utc_ms: int | None
    t_fix_utc_ms: int | None
    radius_m: float | None
    usual_s: float | None = Field(description="seconds between its reports, as learned by that bearer")
    drawn: bool
    why: str = ""
    zh: str = ""
    en: str = ""


class TrackOut(BaseModel):
    """What the filter makes of the unit's fixes (docs/tracking.md), at its newest good one: nothing is drawn there.
    `radius_m`: of its 68 % circle. `outlier`: the newest fix is one; `outliers`: since the hub started."""

    t_utc_ms: int
    lat_deg: float
    lon_deg: float
    radius_m: float
    speed_mps: float
    course_deg: float
    outlier: bool
    outliers: int


class UnitOut(BaseModel):
    """A unit of docs/feed.md's `meta`, with its last values. `via`: the relay or hub below that passed its last
    news on. `reported`: it has no device of ours. `fix_device`: of several devices the one it is drawn at. Of one unit
    asked alone: `devices`, `track`, `inside` (docs/tracking.md), `vehicle` (docs/vehicles.md)."""

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
    via: str = ""
    reported: ReportedOut | None = None
    fix_device: int | None = None
    devices: list[DeviceOut] = []
    track: TrackOut | None = None
    inside: dict[str, Any] | None = Field(None, examples=[None])
    vehicle: dict[str, Any] | None = Field(None, examples=[None])


class UnitsOut(BaseModel):
    """Units in the order of their slots. `next`: for the page after this one."""

    units: list[UnitOut]
    next: str | None = Field(None, examples=[None])


class TrailColumns(BaseModel):
    """Times in UTC ms, positions in 1e-7 degrees; `gap` 1: nothing is known for half a minute before."""

    t: list[int]
    lat: list[int]
    lon: list[int]
    gap: list[int]


class TrailOut(BaseModel):
    """A trail, oldest first. `tolerance_m`: how far a position may be off at its own time, 0: not at all; `whole`: of
    how many positions it was made."""

    n: int
    c: TrailColumns
    tolerance_m: float = 0.0
    whole: int = 0


class SeriesColumns(BaseModel):
    """Middle of each bucket in UTC ms, how many values it has, least and greatest. One that is missing is a gap."""

    t: list[int]
    n: list[int]
    min: list[float | int]
    max: list[float | int]


class SeriesOut(BaseModel):
    """Series by channel name, in buckets of `width_ms`."""

    channels: dict[str, SeriesColumns]
    width_ms: int


class HealthOut(BaseModel):
    """`ok` false comes with status 503 and its reasons."""

    ok: bool
    reasons: list[str]
    notes: list[str]

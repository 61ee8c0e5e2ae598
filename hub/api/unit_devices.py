"""What a unit's devices and its track are like, for `GET /units/{id}`. Thin: `hub.live` knows.

Enters: the hub's state, a slot. Leaves: models. Caller: `hub.api.unit_routes`.
"""

import numpy as np

from hub.api.models import DeviceOut, TrackOut
from hub.live import track_law as law
from hub.state import HubState
from protocols.catalog import Bearer

_WHY = {
    "no_fix": ("没有定位", "no fix"),
    "undated": ("时钟未确认", "its clock is unproven"),
    "older": ("定位较旧", "its fix is older"),
    "less_sure": ("精度不及所用设备", "less accurate than the one in use"),
}


def devices(state: HubState, slot: int) -> list[DeviceOut]:
    """Every device that the unit carries now, the one it is drawn at first."""
    made = [_device(state, slot, device) for device in state.units.devices_of(slot)]
    return sorted(made, key=lambda one: (not one.drawn, one.device))


def _device(state: HubState, slot: int, device: int) -> DeviceOut:
    picture, rhythms = state.picture, state.ingest.rhythms
    bearer = rhythms.last_bearer(device) or Bearer.NONE
    rhythm = rhythms.of(device).get(bearer)
    own = state.ingest.paths.own(device)
    heard = [way.last_ms for way in state.ingest.paths.ways(device).values()] + ([own.last_ms] if own else [])
    if slot in state.units.shared:
        receiver = state.ingest.tracks.receivers.of(slot).get(device)
        t_ms = None if receiver is None else receiver.t_ms
        hacc_dm = -1 if receiver is None else receiver.values[5]
        drawn = state.units.fix_device.get(slot) == device
        why = "" if drawn else _why(state, slot, t_ms, 0 if receiver is None else receiver.tag)
    else:
        t_ms = None if np.isnan(picture.pos_time[slot]) else float(picture.pos_time[slot])
        hacc_dm = int(picture.pos[5, slot])
        drawn, why = t_ms is not None, "" if t_ms is not None else "no_fix"
    zh, en = _WHY.get(why, ("", ""))
    return DeviceOut(
        device=device,
        bearer=Bearer(bearer).name.lower(),
        t_rx_utc_ms=max(heard, default=None),
        t_fix_utc_ms=None if t_ms is None else int(t_ms),
        radius_m=None if hacc_dm < 0 else hacc_dm / 10,
        usual_s=rhythm.usual_ms / 1_000 if rhythm is not None and rhythm.usual_ms else None,
        drawn=drawn,
        why=why,
        zh=zh,
        en=en,
    )


def _why(state: HubState, slot: int, t_ms: float | None, tag: int) -> str:
    """Why the unit is not drawn at this device's fix."""
    if t_ms is None:
        return "no_fix"
    if tag:
        return "undated"
    return "older" if t_ms < state.picture.pos_time[slot] - 1_000 else "less_sure"


def track(state: HubState, slot: int) -> TrackOut | None:
    """The unit's track, None: it has none yet."""
    found = state.ingest.tracks.of(slot)
    if found is None:
        return None
    said, t_ms = found
    return TrackOut(
        t_utc_ms=int(t_ms),
        lat_deg=round(float(said.lat_deg[0]), 7),
        lon_deg=round(float(said.lon_deg[0]), 7),
        radius_m=round(float(said.radius_m[0]), 2),
        speed_mps=round(float(said.speed_mps[0]), 2),
        course_deg=round(float(said.course_deg[0]), 1),
        outlier=state.ingest.tracks.state(slot)[law.OUT] > 0,
        outliers=state.ingest.tracks.outliers(slot),
    )

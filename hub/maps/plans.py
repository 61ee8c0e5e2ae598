"""Site and floor plans: pictures that lie on the map by control points, one layer a level.

Enters: uploads and placements of people. Leaves: files in DATA/plans, documents, the feed's `plan`. Callers: `hub.app`,
`hub.api.plan_routes`. A plan is kept before it is told. Bounds: PLANS_MAX plans, BYTES_MAX of pictures.
"""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hub.errors import StoreFull
from hub.identity.permissions import Principal
from hub.maps import geotiff
from hub.maps.errors import PlanRefused
from hub.maps.images import Picture, form_of, picture
from hub.maps.placing import Control, Placed, place
from hub.safety.part import Ground, Maker, Part

KIND = "plan"
PLANS_MAX = 200
BYTES_MAX = 1_073_741_824
GREETED_PLANS = 50
"""In one message."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan. `level`: the floor, 0 the ground's, negative below; `placed` None: it lies nowhere yet."""

    id: str
    name: str
    site: str
    level: int
    form: str
    from_form: str
    width_px: int
    height_px: int
    bytes: int
    note: str
    source: str
    t_utc_ms: int
    by: str
    controls: tuple[Control, ...] = ()
    placed: Placed | None = None

    def message(self) -> dict[str, Any]:
        """As the API and the feed tell it."""
        return asdict(self)


def plan_of(kept: dict[str, Any]) -> Plan:
    """Out of its document. The fit is made again: it is derived."""
    controls = tuple(Control(**one) for one in kept["controls"])
    placed = place(kept["width_px"], kept["height_px"], controls) if controls else None
    return Plan(**{**kept, "controls": controls, "placed": placed})


class Plans(Part):
    """See the module."""

    name = "plans"

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._folder = ground.data / "plans"
        self.plans: dict[str, Plan] = {}
        self._fresh: dict[str, None] = {}

    def load(self) -> None:
        for kept in self._ground.registry.documents.all(KIND).values():
            plan = plan_of(kept)
            self.plans[plan.id] = plan

    def changes(self) -> Iterable[Maker]:
        if not self._fresh:
            return []
        fresh, self._fresh = self._fresh, {}
        told = [self.plans[id].message() for id in fresh if id in self.plans]
        message = {"k": "plan", "plans": told, "gone": [id for id in fresh if id not in self.plans]}
        return [lambda _: message]

    def greeting(self, me: Principal) -> Iterable[dict[str, Any]]:
        told = [plan.message() for plan in self.plans.values()]
        return [
            {"k": "plan", "plans": told[i : i + GREETED_PLANS], "gone": []}
            for i in range(0, len(told), GREETED_PLANS)
        ]

    def gauges(self) -> dict[str, float]:
        return {"plans": float(len(self.plans))}

    # --- what people do --------------------------------------------------------------------------------------------

    def get(self, id: str) -> Plan:
        plan = self.plans.get(id)
        if plan is None:
            raise PlanRefused(404, f"no plan {id[:40]!r}")
        return plan

    def path(self, plan: Plan) -> Path:
        return self._folder / f"{plan.id}.{plan.form}"

    async def looked_at(self, data: bytes, page: int) -> tuple[Picture, str, tuple[Control, ...], str]:
        """The picture of an upload, what it came as, where it lies if it says so, and a note. PlanRefused otherwise."""
        if len(self.plans) >= PLANS_MAX:
            raise PlanRefused(409, f"{PLANS_MAX} plans are kept; delete one")
        if sum(plan.bytes for plan in self.plans.values()) + len(data) > BYTES_MAX:
            raise PlanRefused(409, f"plans of {BYTES_MAX} bytes are kept; delete one")
        form = form_of(data)
        said = geotiff.read(data) if form == "tiff" else None
        made = await picture(data, form, page)
        return made, form, said.controls if said else (), said.why if said else ""

    def add(self, made: Picture, plan: Plan) -> Plan:
        """Keep a new one: first its file, then its document. Blocks."""
        self._folder.mkdir(parents=True, exist_ok=True)
        part = self._folder / f"{plan.id}.part"
        try:
            part.write_bytes(made.body)
            part.replace(self.path(plan))
        except OSError as err:
            part.unlink(missing_ok=True)
            raise StoreFull(f"plans: {err.strerror}") from None
        self._keep(plan, "plan added")
        return plan

    def change(self, plan: Plan) -> None:
        """Keep a new state of one. Blocks."""
        self._keep(plan, "plan placed")

    def drop(self, plan: Plan, who: str) -> None:
        """Forget one and its file. Blocks."""
        registry = self._ground.registry
        with registry.together():
            registry.documents.drop(KIND, [plan.id])
            self._ground.record(who, "plan deleted", {"plan": plan.id, "name": plan.name})
        self.path(plan).unlink(missing_ok=True)

    def _keep(self, plan: Plan, what: str) -> None:
        body = {key: value for key, value in plan.message().items() if key != "placed"}
        registry = self._ground.registry
        about = {
            "plan": plan.id,
            "name": plan.name,
            "level": plan.level,
            "rms_m": plan.placed.rms_m if plan.placed else None,
            "controls": len(plan.controls),
        }
        with registry.together():
            registry.documents.put(KIND, {plan.id: body}, self._ground.clock_ms())
            self._ground.record(plan.by, what, about)

    def told(self, id: str, plan: Plan | None) -> None:
        """It is kept, or gone: from now on screens see it so. On the hub's loop."""
        if plan is None:
            self.plans.pop(id, None)
        else:
            self.plans[id] = plan
        self._fresh[id] = None


def new_plan(
    made: Picture, from_form: str, controls: Sequence[Control], note: str, *, name: str, site: str, level: int,
    source: str, by: str, now_ms: int,
) -> Plan:  # fmt: skip
    """One that was just uploaded; it lies where its file says, if it says so."""
    placed = place(made.width_px, made.height_px, controls) if controls else None
    return Plan(
        secrets.token_hex(6), name, site, level, made.form, from_form, made.width_px, made.height_px, len(made.body),
        note, source, now_ms, by, tuple(controls), placed,
    )  # fmt: skip

"""What the drill's staff has prepared at the hub before it begins: zones drawn, entry teams made up.

Enters: a scenario's `desk`, a hub, a sign-in link. Leaves: requests to the hub's HTTP, as a person's browser makes
them; what is there by its name already is left as it is. Caller: `sim.demo`.
"""

import http.client
import json
from typing import Any

from sim.access import HTTP_TIMEOUT_S, AccessError, HubAddress, sign_in, token_of
from sim.scenario import DeskTeam, DeskZone, Scenario


class Desk:
    """Signed in at a hub."""

    def __init__(self, hub: HubAddress, link: str) -> None:
        self._hub = hub
        self._headers = {
            "Content-Type": "application/json", "Origin": hub.origin, "Cookie": sign_in(hub, token_of(link)),
        }  # fmt: skip

    def prepare(self, scenario: Scenario) -> None:
        """Everything of the scenario's desk. AccessError says what the hub did not take."""
        drawn = {zone["properties"]["name"] for zone in self._ask("GET", "/zones")["features"]}
        for zone in scenario.desk.zones:
            if zone.name not in drawn:
                self._ask("POST", "/zones", _feature(zone))
        made = {team["name"] for team in self._ask("GET", "/entry-teams?open=true")["teams"]}
        ids = {unit["callsign"]: unit["id"] for unit in self._ask("GET", "/units")["units"]}
        for team in scenario.desk.entry_teams:
            if team.name not in made:
                self._make_up(team, ids)

    def _make_up(self, team: DeskTeam, ids: dict[str, str]) -> None:
        units = [ids[callsign] for callsign in team.units]
        made = self._ask("POST", "/entry-teams", {"name": team.name, "task": team.task, "units": units})
        for name, bar in team.people:
            self._ask("POST", f"/entry-teams/{made['id']}/people", {"name": name, "bar": bar})

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        kind = http.client.HTTPSConnection if self._hub.scheme == "https" else http.client.HTTPConnection
        connection = kind(self._hub.host, self._hub.port, timeout=HTTP_TIMEOUT_S)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, f"/api/v1{path}", text, self._headers)
            answer = connection.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException) as err:
            raise AccessError(f"{self._hub.origin}{path}: {err}") from None
        finally:
            connection.close()
        if answer.status >= 300:
            raise AccessError(
                f"{self._hub.origin}{path}: {answer.status}: {said[:200].decode(errors='replace')}"
            )
        return json.loads(said)


def _feature(zone: DeskZone) -> dict[str, object]:
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [zone.at.lon_deg, zone.at.lat_deg]},
        "properties": {"name": zone.name, "kind": zone.kind, "shape": "circle", "radius_m": zone.radius_m},
    }

"""The hub's HTTP application: routes of docs/feed.md, metrics, health, and the screen's files.

Enters: `HubState`. Leaves: an ASGI app. Caller: `hub.app`.
"""

from pathlib import Path

from fastapi import APIRouter, FastAPI, WebSocket
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles

from hub.api import (
    above_routes,
    alarm_routes,
    camera_routes,
    commander_routes,
    coverage_routes,
    device_routes,
    drawing_routes,
    entry_routes,
    event_routes,
    feed_socket,
    history_routes,
    link_routes,
    map_routes,
    metrics,
    net_routes,
    notice_routes,
    openapi,
    order_routes,
    people_routes,
    plan_routes,
    problems,
    rollcall_routes,
    rule_routes,
    session_routes,
    station_routes,
    token_routes,
    trust_page,
    unit_routes,
    vehicle_routes,
    warning_routes,
    zone_routes,
)
from hub.api.guard import FALLBACK_PATH, FEED_PATH, Guard, Names, check_declared, needs, open_to_all
from hub.api.models import HealthOut
from hub.api.once import Once
from hub.identity.permissions import Permission
from hub.state import HubState

STATIC = Path(__file__).parent.parent / "static"
PLAIN_PAGE = """<!doctype html><html lang="zh-CN"><meta charset="utf-8"><title>战图</title>
<p>中心已运行，但未安装界面文件。<p>The hub runs, but its screen has not been built: hub/static is empty.
<p><a href="/healthz">/healthz</a></html>"""
MIME = {".js": "text/javascript", ".mjs": "text/javascript", ".geojson": "application/geo+json"}


class ScreenFiles(StaticFiles):
    """The built screen. MIME types do not depend on what the machine has in its tables."""

    def file_response(self, full_path, stat_result, scope, status_code=200):  # type: ignore[no-untyped-def]
        response = super().file_response(full_path, stat_result, scope, status_code)
        mime = MIME.get(Path(full_path).suffix)
        if mime:
            response.headers["content-type"] = mime
        response.headers["cache-control"] = "no-cache"
        return response


def make(state: HubState, names: Names, static: Path = STATIC) -> Guard:
    """The app with its guard around it. TypeError when a route declares no permission."""
    app = FastAPI(
        title="Zhantu hub",
        version=state.version,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    problems.install(app)
    api = APIRouter(prefix="/api/v1")
    api.include_router(session_routes.router(state))
    api.include_router(token_routes.router(state))
    api.include_router(people_routes.router(state))
    api.include_router(unit_routes.router(state))
    api.include_router(history_routes.router(state))
    api.include_router(vehicle_routes.router(state))
    api.include_router(event_routes.router(state))
    api.include_router(alarm_routes.router(state))
    api.include_router(link_routes.router(state))
    api.include_router(above_routes.router(state))
    api.include_router(commander_routes.router(state))
    api.include_router(order_routes.router(state))
    api.include_router(notice_routes.router(state))
    api.include_router(device_routes.router(state))
    api.include_router(warning_routes.router(state))
    api.include_router(camera_routes.router(state))
    api.include_router(net_routes.router(state))
    api.include_router(coverage_routes.router(state))
    api.include_router(station_routes.router(state))
    api.include_router(zone_routes.router(state))
    api.include_router(rule_routes.router(state))
    api.include_router(entry_routes.router(state))
    api.include_router(rollcall_routes.router(state))
    api.include_router(map_routes.router(state))
    api.include_router(plan_routes.router(state))
    api.include_router(drawing_routes.router(state))
    app.include_router(api)
    app.include_router(trust_page.router(state))
    app.include_router(map_routes.tiles(state))

    @app.get(
        "/healthz", tags=["hub"], dependencies=[open_to_all("whoever runs the machine asks it unattended")]
    )
    async def healthz(response: Response) -> HealthOut:
        """200 when the hub is well, 503 with the reasons when it is not."""
        health = state.health()
        response.status_code = 503 if health.reasons else 200
        return HealthOut(ok=not health.reasons, reasons=health.reasons, notes=health.notes)

    seen_by = needs(Permission.DEVICES, Permission.SECURITY, any_of=True, loopback=True)

    @app.get("/metrics", tags=["hub"], dependencies=[seen_by], response_class=metrics.MetricsResponse)
    async def prometheus() -> Response:
        """Prometheus' text form. From loopback, or by who looks after devices or security."""
        return metrics.MetricsResponse(metrics.text(state))

    @app.websocket(FEED_PATH)
    async def feed(socket: WebSocket) -> None:
        await feed_socket.serve(socket, state, names)

    @app.get(FALLBACK_PATH, include_in_schema=False)
    async def nothing(_path: str) -> JSONResponse:
        return problems.problem(404, "no such address; /api/v1/openapi.json lists them all")

    if (static / "index.html").exists():
        app.mount("/", ScreenFiles(directory=static, html=True))
    else:
        app.add_api_route("/", lambda: HTMLResponse(PLAIN_PAGE), include_in_schema=False)
    openapi.install(app)
    once = Once(app, state.registry.answers, state.clock.now_ms, state.readers)
    origins = state.safety.cameras.origins
    return Guard(app, names, check_declared(app.routes), state.sign_in, once, origins)

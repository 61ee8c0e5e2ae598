"""/metrics in Prometheus' text form, made from the hub's plain counters when it is asked for."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.responses import Response

from hub.state import HubState

COUNTERS = {
    "frames": "Messages that came from the broker on uplink topics.",
    "rows": "Rows that were new.",
    "duplicates": "Frames that held nothing new.",
    "gap_rows": "Rows that will never come.",
    "batches": "Batches handled.",
    "acks": "Acknowledgements sent.",
    "quarantined_rows": "Rows more than 30 s ahead of the hub.",
    "commit_failures": "Batches that could not be committed.",
    "events": "Rows of events shown.",
    "reported_refused": "Rows of things heard that are not shown, because there are too many things.",
    "reported_jumps": "Positions of things heard that nothing could have reached.",
    "track_failures": "Times the tracks had to begin anew, because of an error of the hub's own.",
    "said_dropped": "Messages heard that are in the log only, because their device brought too many at once.",
}


class MetricsResponse(Response):
    """Prometheus' text form, version 0.0.4."""

    media_type = "text/plain; version=0.0.4; charset=utf-8"


class HubCollector(Collector):
    """Reads the counters at each scrape."""

    def __init__(self, state: HubState) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        counters = self._state.counters
        for name, words in COUNTERS.items():
            yield CounterMetricFamily(f"zhantu_hub_{name}", words, value=getattr(counters, name))
        refused = CounterMetricFamily("zhantu_hub_refused", "Frames refused, by reason.", labels=["reason"])
        for reason, count in sorted(counters.refused.items()):
            refused.add_metric([reason], count)
        yield refused
        for name, value in self._state.gauges().items():
            yield GaugeMetricFamily(f"zhantu_hub_{name}", name.replace("_", " "), value=value)


def text(state: HubState) -> bytes:
    """The page."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(HubCollector(state))
    return generate_latest(registry)

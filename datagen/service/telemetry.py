"""What operators see: a JSON line for each request, metrics for Prometheus, health."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

LOGGER = "datagen.service"


class Telemetry:
    """The metrics of one application."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "datagen_requests", "Requests by route and status", ["method", "route", "status"], registry=self._registry
        )
        self.seconds = Histogram(
            "datagen_request_seconds", "Time until a reply was sent", ["route"], registry=self._registry
        )
        self.sequences = Counter(
            "datagen_sequences", "Sequences that were rendered for requests", registry=self._registry
        )
        self.cached = Gauge("datagen_cache_bytes", "Bytes of chunks in memory", registry=self._registry)
        self.hits = Gauge("datagen_cache_hits", "Chunks that were in memory", registry=self._registry)
        self.misses = Gauge("datagen_cache_misses", "Chunks that were rendered", registry=self._registry)
        self.jobs = Gauge("datagen_jobs", "Renders by state", ["state"], registry=self._registry)
        self.streams = Gauge("datagen_event_streams", "Streams of events that are open", registry=self._registry)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)


class JsonLines(logging.Formatter):
    """Format records as JSON: what a record's `fields` say, after its time, level and message."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)

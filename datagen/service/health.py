"""Health, readiness and metrics."""

from typing import Literal

from fastapi import APIRouter, Request, Response

from datagen.service.state import state_of
from schemas.model import Model

router = APIRouter(tags=["operations"])


class Health(Model):
    """The service answers."""

    status: Literal["ok"] = "ok"


@router.get("/healthz")
async def healthz() -> Health:
    """Say that the process answers."""
    return Health()


@router.get("/readyz")
async def readyz(request: Request) -> Health:
    """Say that the kernels are compiled, and requests are rendered at once."""
    state_of(request)
    return Health()


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(request: Request) -> Response:
    """Return metrics in Prometheus' text format."""
    state = state_of(request)
    state.telemetry.cached.set(state.cache.size)
    state.telemetry.hits.set(state.cache.hits)
    state.telemetry.misses.set(state.cache.misses)
    for name, count in state.jobs.counts().items():
        state.telemetry.jobs.labels(name).set(count)
    return Response(state.telemetry.text(), media_type="text/plain; version=0.0.4")

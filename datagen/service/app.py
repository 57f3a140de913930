"""The application: wiring, nothing else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from datagen.service import health, renders, sequences, stores, virtual, web
from datagen.service.access import AccessMiddleware
from datagen.service.cache import ByteCache
from datagen.service.catalogue import Catalogue
from datagen.service.description import describe, operation_id
from datagen.service.jobs import Jobs
from datagen.service.keys import Key
from datagen.service.lane import CachedChunks
from datagen.service.pool import Gate, RenderPool
from datagen.service.problems import add_handlers
from datagen.service.settings import Settings
from datagen.service.state import State, new_quotas
from datagen.service.telemetry import Telemetry
from datagen.storage.target import package_version
from datagen.warmup import warm_up

DESCRIPTION = """Synthetic image sequences with known physics: rendered now, read as a Zarr store that lies nowhere, or
rendered into a store by a job. Sequence i is a function of the spec and i alone."""


def create_app(settings: Settings) -> FastAPI:
    """
    Return the application; nothing is read, written or started before it is run.

    Raises
    ------
    InputError
        keys are needed and there are none, or they cannot be read.
    """
    keys, quotas, telemetry = settings.api_keys(), new_quotas(), Telemetry()
    make = partial(_new_state, settings, keys, telemetry)

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(warm_up)
        await asyncio.to_thread(app.openapi)  # a third of a second, for which no request should wait
        state: State = make(quotas)
        app.state.service = state
        await asyncio.to_thread(state.jobs.start, asyncio.get_running_loop())
        try:
            yield
        finally:
            await asyncio.to_thread(state.jobs.stop, settings.stop_seconds)
            state.pool.close()

    app: FastAPI = FastAPIOffline(
        title="stmoe-synth datagen",
        version=package_version(),
        description=DESCRIPTION,
        lifespan=running,
        redoc_url=None,
        generate_unique_id_function=operation_id,
    )
    describe(app)
    add_handlers(app)
    for part in (virtual, sequences, renders, stores, health, web):  # chunks first: they are asked for most
        app.include_router(part.router)
    app.add_middleware(CachedChunks, state=lambda: getattr(app.state, "service", None))
    app.add_middleware(AccessMiddleware, settings=settings, keys=keys, quotas=quotas, telemetry=telemetry)
    return app


def _new_state(settings: Settings, keys: tuple[Key, ...], telemetry: Telemetry, quotas: object) -> State:
    gate = Gate()
    return State(
        settings=settings,
        keys=keys,
        pool=RenderPool(settings.threads, settings.waiting, gate),
        cache=ByteCache(settings.cache_bytes),
        catalogue=Catalogue(settings.data_root / "specs", settings.specs),
        jobs=Jobs(settings, gate),
        telemetry=telemetry,
        quotas=quotas,  # type: ignore[arg-type]
    )

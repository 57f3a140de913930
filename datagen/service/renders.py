"""Jobs: submitted, listed, followed as server-sent events, cancelled."""

from collections.abc import AsyncIterable
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent

from datagen.service.problems import problems
from datagen.service.state import state_of
from schemas.service import Job, RenderRequest

router = APIRouter(tags=["renders"])

Id = Annotated[str, Path(description="name of the store", max_length=100)]


@router.post(
    "/v1/renders",
    status_code=202,
    responses={
        200: {"model": Job, "description": "the same job was asked for before"},
        **problems(409, 422, 429),
    },
)
async def post_render(request: Request, response: Response, body: Annotated[RenderRequest, Body()]) -> Job:
    """Render n sequences into a store; the same request again is the same job, and revives one that failed."""
    job, new = await run_in_threadpool(state_of(request).jobs.submit, body)
    response.status_code = 202 if new else 200
    response.headers["Location"] = f"/v1/renders/{job.id}"
    return job


@router.get("/v1/renders")
async def get_renders(request: Request) -> list[Job]:
    """List the jobs since the service started, and those that it found unfinished."""
    return state_of(request).jobs.all()


@router.get("/v1/renders/{id}", responses=problems(404, 422))
async def get_render(request: Request, id: Id) -> Job:  # noqa: A002
    """Return a job."""
    return await run_in_threadpool(state_of(request).jobs.get, id)


async def _known(request: Request, id: Id) -> str:  # noqa: A002
    """Return the id of a job that there is: once a stream has begun, its status cannot say that there is none."""
    await run_in_threadpool(state_of(request).jobs.get, id)
    return id


@router.get("/v1/renders/{id}/events", response_class=EventSourceResponse, responses=problems(404, 422))
async def get_events(request: Request, id: Annotated[str, Depends(_known)]) -> AsyncIterable[ServerSentEvent]:  # noqa: A002
    """Follow a job: an event `job` now and after every change, until it is over."""
    state = state_of(request)
    with state.telemetry.streams.track_inprogress():
        async for job in state.jobs.events(id):
            yield ServerSentEvent(event="job", data=job)


@router.delete("/v1/renders/{id}", status_code=202, responses=problems(404, 422))
async def delete_render(request: Request, id: Id) -> Job:  # noqa: A002
    """Cancel a job once the unit in hand is committed; what is finished stays, and the same request goes on with it."""
    return await run_in_threadpool(state_of(request).jobs.cancel, id)

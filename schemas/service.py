"""What the service takes and answers: bodies of requests and replies, states of jobs, problems (RFC 9457)."""

from typing import Any, Literal

from pydantic import Field

from schemas.model import Model
from schemas.render import MAX_SEQUENCES, RenderSpec

JobState = Literal["queued", "running", "waiting", "finished", "failed", "cancelled"]
NAME = "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
"""Of a store, which is a job's id too."""
DIGEST = "^[0-9a-f]{64}$"
VIRTUAL_SEQUENCES = 2**20
"""Of a virtual store whose address does not say how many."""
MAX_VIRTUAL_SEQUENCES = 2**40

_ROTATION: dict[str, Any] = {"property": "rotation", "frames": 10, "height": 64, "width": 64, "noise": {"ratio": 0.26}}


class SequencesRequest(Model):
    """Sequences of a spec, to be rendered at once."""

    spec: RenderSpec = Field(description="what to render", examples=[_ROTATION])
    start: int = Field(0, ge=0, lt=MAX_SEQUENCES, description="number of the first sequence")
    count: int = Field(1, ge=1, le=2**20, description="sequences")


class SpecReply(Model):
    """A spec that the service knows."""

    digest: str = Field(pattern=DIGEST, description="SHA-256 of the spec's canonical JSON, which names the data set")
    spec: dict[str, Any] = Field(description="the RenderSpec as JSON, with its defaults")
    zarr: str = Field(description="path of the virtual store, whose chunks are rendered when they are read")
    sequences: int = Field(description="of that store; /v1/specs/{digest}/{n}/zarr has n")


class RenderRequest(Model):
    """A store to be rendered."""

    spec: RenderSpec = Field(description="what to render", examples=[_ROTATION])
    n: int = Field(ge=1, le=MAX_VIRTUAL_SEQUENCES, description="sequences in the store", examples=[10_000])
    name: str | None = Field(
        None, pattern=NAME, description="of the store and the job; null: property, first 12 digits of the digest, and n"
    )
    target: str | None = Field(
        None, min_length=1, description="URL that the operator allows, below which the store goes; null: the data root"
    )


class Job(Model):
    """A render that was asked for; its id is the name of its store."""

    id: str = Field(pattern=NAME, description="name of the store")
    state: JobState = Field(description="waiting: for a Dask scheduler that does not answer")
    digest: str = Field(description="of the spec")
    n: int = Field(ge=1, description="sequences asked for")
    done: int = Field(ge=0, description="sequences committed")
    rate: float = Field(ge=0, description="sequences a second, 0 while nothing is rendered")
    seconds_left: float | None = Field(None, ge=0, description="estimate; null where there is none")
    reason: str | None = Field(None, description="why it failed or waits, in one line")
    zarr: str | None = Field(None, description="path of the finished store; null before, and where it lies elsewhere")

    @property
    def over(self) -> bool:
        """Whether the state will not change by itself."""
        return self.state in ("finished", "failed", "cancelled")


class StoredSequences(Model):
    """A finished store."""

    name: str = Field(pattern=NAME)
    digest: str = Field(description="of the spec or recipe")
    n: int = Field(ge=1, description="sequences")
    property: str | None = Field(description="kind of the spec's property; null for real data")
    arrays: tuple[str, ...] = Field(description="names")
    bytes: int = Field(ge=0, description="of all objects")
    created: str = Field(description="UTC, ISO 8601")
    zarr: str = Field(description="path of the store")


class Problem(Model):
    """Why a request was refused (RFC 9457)."""

    type: str = Field("about:blank", description="URI of the kind of problem")
    title: str = Field(description="the status in words")
    status: int = Field(ge=400, le=599, description="HTTP status")
    detail: str = Field(description="what is wrong, the value, and what would be right, in one line")
    field: str | None = Field(None, description="path of the field at fault")
    request_id: str | None = Field(None, description="under which the log has it")

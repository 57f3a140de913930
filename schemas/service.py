"""What the service takes and answers: bodies of requests and replies, states of jobs, problems (RFC 9457)."""

from typing import Any, Literal

from pydantic import Field

from schemas.model import Model
from schemas.render import MAX_SEQUENCES, RenderSpec

Overlay = Literal["flow", "mask"]
JobState = Literal["queued", "running", "waiting", "finished", "failed", "cancelled"]
NAME = "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
"""Of a store, which is a job's id too."""
DIGEST = "^[0-9a-f]{64}$"
VIRTUAL_SEQUENCES = 2**20
"""Of a virtual store whose address does not say how many."""
MAX_VIRTUAL_SEQUENCES = 2**40

EXAMPLE: dict[str, Any] = {"property": "rotation", "frames": 10, "height": 64, "width": 64, "noise": {"ratio": 0.26}}
"""Fields of a spec, for descriptions."""
_DIGEST = RenderSpec.parse(EXAMPLE).digest
_STORE = f"rotation-{_DIGEST[:12]}-10000"


class SequencesRequest(Model):
    """Sequences of a spec, to be rendered at once."""

    spec: RenderSpec = Field(description="what to render", examples=[EXAMPLE])
    start: int = Field(0, ge=0, lt=MAX_SEQUENCES, description="number of the first sequence")
    count: int = Field(1, ge=1, le=2**20, description="sequences")
    overlay: tuple[Overlay, ...] = Field((), max_length=2, description="truth to draw over the frames of a picture")


class SpecReply(Model):
    """A spec that the service knows."""

    digest: str = Field(
        pattern=DIGEST,
        description="SHA-256 of the spec's canonical JSON, which names the data set",
        examples=[_DIGEST],
    )
    spec: dict[str, Any] = Field(description="the RenderSpec as JSON, with its defaults", examples=[EXAMPLE])
    zarr: str = Field(
        description="path of the virtual store, whose chunks are rendered when they are read",
        examples=[f"/v1/specs/{_DIGEST}/zarr"],
    )
    sequences: int = Field(description="of that store; /v1/specs/{digest}/{n}/zarr has n", examples=[VIRTUAL_SEQUENCES])


class RenderRequest(Model):
    """A store to be rendered."""

    spec: RenderSpec = Field(description="what to render", examples=[EXAMPLE])
    n: int = Field(ge=1, le=MAX_VIRTUAL_SEQUENCES, description="sequences in the store", examples=[10_000])
    name: str | None = Field(
        None, pattern=NAME, description="of the store and the job; null: property, first 12 digits of the digest, and n"
    )
    target: str | None = Field(
        None, min_length=1, description="URL that the operator allows, below which the store goes; null: the data root"
    )


class Job(Model):
    """A render that was asked for; its id is the name of its store."""

    id: str = Field(pattern=NAME, description="name of the store", examples=[_STORE])
    state: JobState = Field(description="waiting: for a Dask scheduler that does not answer")
    digest: str = Field(description="of the spec", examples=[_DIGEST])
    n: int = Field(ge=1, description="sequences asked for", examples=[10_000])
    done: int = Field(ge=0, description="sequences committed", examples=[3_072])
    rate: float = Field(ge=0, description="sequences a second, 0 while nothing is rendered", examples=[757.0])
    seconds_left: float | None = Field(None, ge=0, description="estimate; null where there is none", examples=[9.2])
    reason: str | None = Field(None, description="why it failed or waits, in one line")
    zarr: str | None = Field(None, description="path of the finished store; null before, and where it lies elsewhere")

    @property
    def over(self) -> bool:
        """Whether the state will not change by itself."""
        return self.state in ("finished", "failed", "cancelled")


class StoredSequences(Model):
    """A finished store."""

    name: str = Field(pattern=NAME, examples=[_STORE])
    digest: str = Field(description="of the spec or recipe", examples=[_DIGEST])
    n: int = Field(ge=1, description="sequences", examples=[10_000])
    property: str | None = Field(description="kind of the spec's property; null for real data", examples=["rotation"])
    arrays: tuple[str, ...] = Field(description="names", examples=[["frames", "radius"]])
    bytes: int = Field(ge=0, description="of all objects", examples=[412_000_000])
    created: str = Field(description="UTC, ISO 8601", examples=["2026-11-27T12:00:00+00:00"])
    zarr: str = Field(description="path of the store", examples=[f"/v1/stores/{_STORE}/zarr"])


class Problem(Model):
    """Why a request was refused (RFC 9457)."""

    type: str = Field("about:blank", description="URI of the kind of problem")
    title: str = Field(description="the status in words", examples=["Unprocessable Entity"])
    status: int = Field(ge=400, le=599, description="HTTP status", examples=[422])
    detail: str = Field(
        description="what is wrong, the value, and what would be right, in one line",
        examples=["noise.ratio is -1; give 0 or more, e.g. 0 (no noise)"],
    )
    field: str | None = Field(None, description="path of the field at fault", examples=["noise.ratio"])
    request_id: str | None = Field(None, description="under which the log has it")

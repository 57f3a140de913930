"""The layout of a store of real data, as `trainer prepare` writes it: that of a rendered store, with other columns."""

from dataclasses import dataclass
from typing import Any

from pydantic import Field

from schemas.model import Model
from schemas.rain import Scaling
from schemas.recipe import Recipe
from schemas.store import SPLIT_COLUMN, ArrayLayout, Column, column_layout

REAL_COLUMNS: tuple[Column, ...] = (
    SPLIT_COLUMN,
    Column(name="source_file", dtype="int32", units="1", long_name="index into the attribute `sources`", dimensions=()),
    Column(
        name="first_frame",
        dtype="int32",
        units="1",
        long_name="picture of the source, from 0, that is the first frame",
        dimensions=(),
    ),
    Column(name="cadence", dtype="float64", units="s", long_name="between two frames, NaN if unknown", dimensions=()),
)
"""Per sequence."""


VALID_TIME = "valid_time"
VALID = "valid"


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What of a store depends on its sources."""

    dtype: str
    """Of the frames, uint8 or float32."""
    timed: bool = False
    """Whether the time of any frame is known: then there is `valid_time`."""
    masked: bool = False
    """Whether any pixel has no data: then there is `valid`."""


def real_layouts(recipe: Recipe, contents: Contents) -> tuple[ArrayLayout, ...]:
    """Return the layouts of the columns, of `valid` where it is there and, last, of `frames`."""
    columns = tuple(column_layout(column, {}) for column in REAL_COLUMNS)
    times = (_valid_time(recipe),) if contents.timed else ()
    mask = (
        (_video(recipe, VALID, "uint8", "1 where there are data, 0 where there are none"),) if contents.masked else ()
    )
    return (*columns, *times, *mask, _video(recipe, "frames", contents.dtype, _FRAMES_ARE))


_FRAMES_ARE = "intensity; full scale is 255 in uint8, 1 in float, or what the group's attribute scaling says"


def _valid_time(recipe: Recipe) -> ArrayLayout:
    return ArrayLayout(
        name=VALID_TIME,
        dtype="float64",
        dimensions=("sequence", "time"),
        shape=(recipe.frames,),
        attributes={
            "long_name": "when a frame was taken, or the time ends over which it was accumulated; NaN if unknown",
            "units": "seconds since 1970-01-01T00:00:00Z",
            "calendar": "proleptic_gregorian",
        },
    )


def _video(recipe: Recipe, name: str, dtype: str, long_name: str) -> ArrayLayout:
    return ArrayLayout(
        name=name,
        dtype=dtype,
        dimensions=("sequence", "time", "y", "x"),
        shape=(recipe.frames, recipe.height, recipe.width),
        attributes={"long_name": long_name, "units": "1"},
    )


class RealStoreAttributes(Model):
    """The attributes of the group of a store of real data."""

    schema_version: int = Field(ge=1, description="of the layout")
    recipe: dict[str, Any] = Field(description="the Recipe as JSON")
    digest: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the recipe's canonical JSON")
    files_digest: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of names and sizes of the files")
    n: int = Field(ge=1, description="sequences, committed or not")
    sources: list[str] = Field(description="clips that sequences come from, by the column `source_file`")
    splits: dict[str, list[str]] = Field(description="sources of each split")
    scaling: Scaling | None = Field(None, description="of rain: what frames are in mm/h; null for pictures")
    skipped: list[str] = Field(description="what could not be read, and why")
    package_version: str = Field(description="of stmoe-synth that wrote it")
    created: str = Field(description="UTC, ISO 8601")
    produced_by: str = Field(description="program that wrote it")
    complete: bool = Field(description="true once the last unit is committed")

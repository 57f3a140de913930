"""The layout of a store of real data, as `trainer prepare` writes it: that of a rendered store, with other columns."""

from typing import Any

from pydantic import Field

from schemas.model import Model
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


def real_layouts(recipe: Recipe, dtype: str) -> tuple[ArrayLayout, ...]:
    """
    Return the layouts of the columns and, last, of `frames`.

    Parameters
    ----------
    recipe : of the store
    dtype : of the frames, uint8 or float32
    """
    frames = ArrayLayout(
        name="frames",
        dtype=dtype,
        dimensions=("sequence", "time", "y", "x"),
        shape=(recipe.frames, recipe.height, recipe.width),
        attributes={"long_name": "intensity; full scale is 255 in uint8, 1 in float", "units": "1"},
    )
    return (*(column_layout(column, {}) for column in REAL_COLUMNS), frames)


class RealStoreAttributes(Model):
    """The attributes of the group of a store of real data."""

    schema_version: int = Field(ge=1, description="of the layout")
    recipe: dict[str, Any] = Field(description="the Recipe as JSON")
    digest: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the recipe's canonical JSON")
    files_digest: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of names and sizes of the files")
    n: int = Field(ge=1, description="sequences, committed or not")
    sources: list[str] = Field(description="clips that sequences come from, by the column `source_file`")
    splits: dict[str, list[str]] = Field(description="sources of each split")
    skipped: list[str] = Field(description="what could not be read, and why")
    package_version: str = Field(description="of stmoe-synth that wrote it")
    created: str = Field(description="UTC, ISO 8601")
    produced_by: str = Field(description="program that wrote it")
    complete: bool = Field(description="true once the last unit is committed")

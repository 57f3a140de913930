"""The layout of a store: arrays, dimensions, dtypes, units and attributes. Each program has its own writer of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from schemas.model import Model
from schemas.render import MAX_POLYGON_VERTICES, Dtype, RenderSpec, TruthArray

CHUNK_BYTES = 4 * 2**20
"""Upper bound of a chunk of `frames`: large enough to stream, small enough to shuffle."""
MAX_CHUNK_SEQUENCES = 1024
CHUNKS_PER_UNIT = 16

ITEM_BYTES: dict[str, int] = {"uint8": 1, "float16": 2, "float32": 4, "float64": 8, "int32": 4}


@dataclass(frozen=True, kw_only=True)
class ArrayLayout:
    """One array of a store; its first dimension is always `sequence`."""

    name: str
    dtype: str
    """NumPy name, little endian on disk."""
    dimensions: tuple[str, ...]
    shape: tuple[int, ...]
    """Of one sequence: without the first dimension."""
    attributes: dict[str, Any]
    """`long_name`, `units`, and CF's `flag_values` and `flag_meanings` where they apply."""

    @property
    def sequence_bytes(self) -> int:
        """Bytes of one sequence."""
        size = ITEM_BYTES[self.dtype]
        for length in self.shape:
            size *= length
        return size


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of the parameter table."""

    name: str
    dtype: Literal["float64", "uint8", "int32"]
    units: str
    long_name: str
    dimensions: tuple[str, ...] = ("object",)
    flag_values: tuple[int, ...] = ()
    flag_meanings: str = ""


OBJECT_KINDS = {"circle": 1, "line": 2, "polygon": 3, "sprite": 4}
"""Values of the column `kind`; 0 is no object."""
PROPERTY_BITS = {"translation": 1, "rotation": 2, "intensity": 4}
"""Bits of the column `property` and of the array `property_mask`."""
SPLIT_VALUES = {"train": 0, "validation": 1, "test": 2}

_XY = ("object", "component")

OBJECT_COLUMNS: tuple[Column, ...] = (
    Column(
        name="kind",
        dtype="uint8",
        units="1",
        long_name="kind of shape",
        flag_values=(0, *OBJECT_KINDS.values()),
        flag_meanings=" ".join(("none", *OBJECT_KINDS)),
    ),
    Column(
        name="property",
        dtype="uint8",
        units="1",
        long_name="bit set of the properties that act on the object",
        flag_values=tuple(PROPERTY_BITS.values()),
        flag_meanings=" ".join(PROPERTY_BITS),
    ),
    Column(name="sprite", dtype="int32", units="1", long_name="index into `sprites`, -1 for none"),
    Column(name="size", dtype="float64", units="px", long_name="radius, half length or half side"),
    Column(name="line_width", dtype="float64", units="px", long_name="half width of a line, 0 for others"),
    Column(name="vertex_count", dtype="uint8", units="1", long_name="vertices of a polygon, 0 for others"),
    Column(
        name="vertices",
        dtype="float64",
        units="px",
        long_name="(x, y) of a polygon's vertices from its centroid at angle 0",
        dimensions=("object", "vertex", "component"),
    ),
    Column(name="intensity", dtype="float64", units="1", long_name="intensity at t = 0, full scale 1"),
    Column(name="texture_contrast", dtype="float64", units="1", long_name="depth of the sine texture"),
    Column(name="texture_wavelength", dtype="float64", units="px", long_name="of the sine texture"),
    Column(
        name="texture_direction",
        dtype="float64",
        units="1",
        long_name="unit vector (x, y) of the sine texture at angle 0",
        dimensions=_XY,
    ),
    Column(
        name="texture_phase", dtype="float64", units="turns", long_name="of the sine texture at the object's centre"
    ),
    Column(name="position", dtype="float64", units="px", long_name="(x, y) of the centre at t = 0", dimensions=_XY),
    Column(name="velocity", dtype="float64", units="px/frame", long_name="(x, y) at t = 0", dimensions=_XY),
    Column(name="acceleration", dtype="float64", units="px/frame^2", long_name="(x, y) at t = 0", dimensions=_XY),
    Column(name="jerk", dtype="float64", units="px/frame^3", long_name="(x, y)", dimensions=_XY),
    Column(name="angle", dtype="float64", units="rad", long_name="clockwise on screen at t = 0"),
    Column(name="angular_velocity", dtype="float64", units="rad/frame", long_name="clockwise at t = 0"),
    Column(name="angular_acceleration", dtype="float64", units="rad/frame^2", long_name="clockwise at t = 0"),
    Column(name="angular_jerk", dtype="float64", units="rad/frame^3", long_name="clockwise"),
    Column(
        name="pivot",
        dtype="float64",
        units="px",
        long_name="(x, y) of the pivot from the centre at t = 0; it moves with the trajectory",
        dimensions=_XY,
    ),
    Column(name="growth", dtype="float64", units="1/frame", long_name="total weight of the growth kernel, 1 for none"),
    Column(name="kernel_width", dtype="uint8", units="px", long_name="odd width of the growth kernel, 0 for none"),
    Column(
        name="kernel_sigma",
        dtype="float64",
        units="px",
        long_name="standard deviation of the growth kernel (along, across) its direction",
        dimensions=_XY,
    ),
    Column(
        name="kernel_direction",
        dtype="float64",
        units="1",
        long_name="unit vector (x, y) of the growth kernel",
        dimensions=_XY,
    ),
)
"""Per (sequence, object): everything that was drawn, exact to the bit on every machine."""

SEQUENCE_COLUMNS: tuple[Column, ...] = (
    Column(name="noise_ratio", dtype="float64", units="1", long_name="noise ratio asked for", dimensions=()),
    Column(
        name="noise_ratio_measured",
        dtype="float64",
        units="1",
        long_name="sum |noise| / sum |clean| as rendered, before clipping; 0 for a black sequence",
        dimensions=(),
    ),
)

SPLIT_COLUMN = Column(
    name="split",
    dtype="uint8",
    units="1",
    long_name="what the sequence is for",
    dimensions=(),
    flag_values=tuple(SPLIT_VALUES.values()),
    flag_meanings=" ".join(SPLIT_VALUES),
)

COMPONENTS = 2
_TRUTH: dict[TruthArray, tuple[str | None, str, str]] = {
    "clean": (None, "1", "the sequence before noise"),
    "flow": (
        "float16",
        "px",
        "forward displacement (dx, dy) of the visible surface point from t to t + 1; 0 on background",
    ),
    "mask": ("uint8", "1", "index of the front object + 1 where its coverage is at least 1/2; 0 for background"),
    "property_mask": ("uint8", "1", "bit set of the properties that act at the pixel; 0 for background"),
}


def frame_layouts(spec: RenderSpec) -> tuple[ArrayLayout, ...]:
    """Return the layouts of the truth arrays that the spec asks for and, last, of `frames`."""
    truth = tuple(_truth_layout(spec, name) for name in spec.truth)
    return (*truth, _video_layout(spec, "frames", spec.dtype, "1", "intensity; full scale is 255 in uint8, 1 in float"))


def table_layouts(spec: RenderSpec) -> tuple[ArrayLayout, ...]:
    """Return the layouts of the parameter table's columns for a spec."""
    columns = OBJECT_COLUMNS + SEQUENCE_COLUMNS + ((SPLIT_COLUMN,) if spec.splits else ())
    lengths = {"object": spec.objects.count[1], "component": COMPONENTS, "vertex": MAX_POLYGON_VERTICES}
    return tuple(column_layout(column, lengths) for column in columns)


def column_layout(column: Column, lengths: Mapping[str, int]) -> ArrayLayout:
    """
    Return the layout of a column.

    Parameters
    ----------
    lengths : of its dimensions but `sequence`, by name
    """
    return ArrayLayout(
        name=column.name,
        dtype=column.dtype,
        dimensions=("sequence", *column.dimensions),
        shape=tuple(lengths[dimension] for dimension in column.dimensions),
        attributes=_column_attributes(column),
    )


def chunk_sequences(spec: RenderSpec) -> int:
    """Return the sequences of one chunk: the largest power of two within 4 MiB of `frames` and 1,024, at least 1."""
    return chunk_length(frame_layouts(spec)[-1].sequence_bytes)


def chunk_length(sequence_bytes: int) -> int:
    """Return the sequences of one chunk, as `chunk_sequences`, by the bytes of one sequence of `frames`."""
    fit = CHUNK_BYTES // sequence_bytes
    return min(MAX_CHUNK_SEQUENCES, 1 << max(fit.bit_length() - 1, 0))


def unit_sequences(spec: RenderSpec) -> int:
    """Return the sequences of one unit: what is committed at once, one shard of 16 chunks."""
    return CHUNKS_PER_UNIT * chunk_sequences(spec)


class StoreAttributes(Model):
    """The attributes of a rendered store's group."""

    schema_version: int = Field(ge=1, description="of the layout and of the spec")
    spec: dict[str, Any] = Field(description="the RenderSpec as JSON")
    digest: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the spec's canonical JSON")
    n: int = Field(ge=1, description="sequences, committed or not")
    package_version: str = Field(description="of stmoe-synth that wrote it")
    created: str = Field(description="UTC, ISO 8601")
    produced_by: str = Field(description="program and machine type that wrote it")
    complete: bool = Field(description="true once the last unit is committed")
    cancelled: bool = Field(False, description="true where the service was told not to finish it")

    @property
    def render_spec(self) -> RenderSpec:
        """The spec as a model; raises InputError where it is none."""
        return RenderSpec.parse(self.spec, "attribute spec")


def _truth_layout(spec: RenderSpec, name: TruthArray) -> ArrayLayout:
    dtype, units, long_name = _TRUTH[name]
    return _video_layout(spec, name, dtype or spec.dtype, units, long_name)


def _video_layout(spec: RenderSpec, name: str, dtype: Dtype | str, units: str, long_name: str) -> ArrayLayout:
    component = ("component",) if name == "flow" else ()
    attributes: dict[str, Any] = {"long_name": long_name, "units": units}
    if name == "property_mask":
        attributes["flag_masks"] = list(PROPERTY_BITS.values())
        attributes["flag_meanings"] = " ".join(PROPERTY_BITS)
    return ArrayLayout(
        name=name,
        dtype=dtype,
        dimensions=("sequence", "time", *component, "y", "x"),
        shape=(spec.frames, *((COMPONENTS,) if component else ()), spec.height, spec.width),
        attributes=attributes,
    )


def _column_attributes(column: Column) -> dict[str, Any]:
    attributes: dict[str, Any] = {"long_name": column.long_name, "units": column.units}
    if column.flag_meanings:
        key = "flag_masks" if column.name == "property" else "flag_values"
        attributes[key] = list(column.flag_values)
        attributes["flag_meanings"] = column.flag_meanings
    return attributes

"""The page on the layout of stores, from `schemas.store` and `schemas.real_store`."""

import json
from collections.abc import Iterable

from docs.generators.fields import model_sections
from docs.generators.markdown import code, page, plain, table
from schemas.real_store import REAL_COLUMNS, Contents, RealStoreAttributes, real_layouts
from schemas.recipe import Recipe
from schemas.render import MAX_POLYGON_VERTICES, SCHEMA_VERSION, RenderSpec
from schemas.store import (
    CHUNK_BYTES,
    CHUNKS_PER_UNIT,
    MAX_CHUNK_SEQUENCES,
    OBJECT_COLUMNS,
    SEQUENCE_COLUMNS,
    SPLIT_COLUMN,
    ArrayLayout,
    Column,
    StoreAttributes,
    chunk_sequences,
    frame_layouts,
    unit_sequences,
)

LEAD = f"""A store is one Zarr v3 group, of layout version {SCHEMA_VERSION}. `zarr.open_group`, `xarray.open_zarr` and
tensorstore open it; `datagen inspect` prints what one holds. The first dimension of every array is `sequence`, but
for `sprites`."""

CHUNKS = f"""## Chunks, units and checksums

A chunk of `frames` is a power of two of whole sequences, as many as fit into {CHUNK_BYTES // 2**20} MiB, at most
{MAX_CHUNK_SEQUENCES:,}. A unit is one shard of {CHUNKS_PER_UNIT} chunks, for every n; at the default size that is
{{chunk}} and {{unit}} sequences. Truth is sharded like `frames`, and a column has one chunk a unit, so that no two
units share an object.

Inside a shard the codecs are `bytes`, little endian, and `crc32c`; nothing is compressed. A unit has one writer, and
its `frames` go last, each object by one atomic put: a unit is done when its object of `frames` is there, and a store
is done when its attribute `complete` is true."""

SPRITES = """## Sprites

A store whose objects are sprites carries them, so that it resumes, verifies and repairs without the files they came
from: array `sprites`, (sprite, sprite_y, sprite_x), uint8. The spec names them by count, size and SHA-256."""

REAL = """## Stores of real data

Written by `trainer prepare`; they have the same chunks, units and checksums. `valid_time` is there where files have
times, `valid` where some pixels have no data; `frames` are float32 for rain, else uint8.

"""

GLOSSARY = (
    ("sequence", "n", "number of the sequence in the store, from 0"),
    ("time", "`frames` of the spec", "frame, from 0"),
    ("y", "`height`", "row, from the top; the centre of row 0 lies at 0.5 px"),
    ("x", "`width`", "column, from the left; the centre of column 0 lies at 0.5 px"),
    ("component", "2", "x, then y"),
    ("object", "the most objects that the spec allows", "from back to front; `kind` is 0 where there is none"),
    ("vertex", str(MAX_POLYGON_VERTICES), "of a polygon; those beyond `vertex_count` are 0"),
)


def store_format() -> str:
    """Return the page."""
    spec = RenderSpec(property="mixed", truth=("clean", "flow", "mask", "property_mask"))
    chunks = CHUNKS.format(chunk=chunk_sequences(spec), unit=unit_sequences(spec))
    rendered = "\n\n".join(("## Rendered frames and truth", _videos(frame_layouts(spec), "as the spec's `dtype`")))
    real = real_layouts(Recipe(kind="video", height=64, width=64), Contents(dtype="uint8", timed=True, masked=True))
    beside = [layout for layout in real if layout.name not in {column.name for column in REAL_COLUMNS}]
    return page(
        "Store format",
        LEAD,
        (
            f"## Dimensions\n\n{table(('dimension', 'length', 'meaning'), GLOSSARY)}",
            rendered,
            "## Drawn parameters\n\nFor each sequence and object, always there, exact to the bit on every machine.\n\n"
            + _columns(OBJECT_COLUMNS),
            "## Columns of a sequence\n\n`split` is there where the spec has splits.\n\n"
            + _columns((*SEQUENCE_COLUMNS, SPLIT_COLUMN)),
            SPRITES,
            chunks,
            *model_sections(StoreAttributes.model_json_schema()),
            REAL + _videos(beside, "uint8 or float32") + "\n\n" + _columns(REAL_COLUMNS),
            *model_sections(RealStoreAttributes.model_json_schema()),
            *model_sections(Recipe.model_json_schema()),
        ),
    )


def _videos(layouts: Iterable[ArrayLayout], of_spec: str) -> str:
    rows = (
        (
            code(layout.name),
            ", ".join(layout.dimensions),
            of_spec if layout.name in {"frames", "clean"} else layout.dtype,
            plain(str(layout.attributes["units"])),
            plain(str(layout.attributes["long_name"])) + _flags(layout),
        )
        for layout in layouts
    )
    return table(("array", "dimensions", "type", "unit", "meaning"), rows)


def _flags(layout: ArrayLayout) -> str:
    masks = layout.attributes.get("flag_masks")
    return f": {_pairs(masks, layout.attributes['flag_meanings'])}" if masks else ""


def _columns(columns: Iterable[Column]) -> str:
    rows = (
        (
            code(column.name),
            ", ".join(("sequence", *column.dimensions)),
            column.dtype,
            plain(column.units),
            plain(column.long_name)
            + (f": {_pairs(column.flag_values, column.flag_meanings)}" if column.flag_meanings else ""),
        )
        for column in columns
    )
    return table(("column", "dimensions", "type", "unit", "meaning"), rows)


def _pairs(values: Iterable[int], meanings: str) -> str:
    return ", ".join(f"{json.dumps(value)} {word}" for value, word in zip(values, meanings.split(), strict=True))

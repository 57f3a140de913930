"""The layout of a store: the laws of chunks and units, and what readers of others may rely on."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import InputError, RenderSpec, StoreAttributes
from schemas.store import (
    CHUNK_BYTES,
    MAX_CHUNK_SEQUENCES,
    OBJECT_KINDS,
    PROPERTY_BITS,
    ArrayLayout,
    chunk_sequences,
    frame_layouts,
    table_layouts,
    unit_sequences,
)

TRUTH = ("clean", "flow", "mask", "property_mask")


def spec(**fields: Any) -> RenderSpec:
    return RenderSpec.parse({"property": "rotation", **fields})


def layouts(some: RenderSpec) -> tuple[ArrayLayout, ...]:
    return frame_layouts(some) + table_layouts(some)


@given(st.integers(1, 64), st.integers(1, 512), st.integers(1, 512), st.sampled_from(["uint8", "float16", "float32"]))
def test_chunk_is_the_largest_power_of_two_within_4_mib_and_1024(t: int, height: int, width: int, dtype: str) -> None:
    some = spec(frames=t, height=height, width=width, dtype=dtype)
    bytes_each = t * height * width * np.dtype(dtype).itemsize
    fitting = [2**k for k in range(11) if 2**k * bytes_each <= CHUNK_BYTES]
    assert chunk_sequences(some) == max(fitting, default=1)
    assert chunk_sequences(some) <= MAX_CHUNK_SEQUENCES


def test_default_spec_has_chunks_of_16_and_units_of_256_sequences_in_42_mb() -> None:
    assert chunk_sequences(spec()) == 16
    assert unit_sequences(spec()) == 256
    assert unit_sequences(spec()) * frame_layouts(spec())[-1].sequence_bytes == 41_943_040


def test_truth_and_table_do_not_move_the_units() -> None:
    assert unit_sequences(spec(truth=TRUTH)) == unit_sequences(spec())
    assert unit_sequences(spec(objects={"count": [1, 16]})) == unit_sequences(spec())


@pytest.mark.parametrize("truth", [(), ("mask",), TRUTH])
def test_frames_come_last_because_they_mark_a_finished_unit(truth: tuple[str, ...]) -> None:
    assert [layout.name for layout in frame_layouts(spec(truth=truth))] == [*truth, "frames"]


def test_every_array_has_distinct_name_dimension_names_and_units() -> None:
    some = spec(truth=TRUTH, splits={"train": 1, "validation": 1, "test": 1})
    names = [layout.name for layout in layouts(some)]
    assert len(set(names)) == len(names)
    for layout in layouts(some):
        assert layout.dimensions[0] == "sequence"
        assert len(layout.dimensions) == len(layout.shape) + 1
        assert layout.name not in layout.dimensions  # xarray would load it whole, as a coordinate
        assert layout.attributes["long_name"]
        assert layout.attributes["units"]


def test_a_dimension_has_one_length_in_the_whole_store() -> None:
    some = spec(truth=TRUTH, height=24, width=40, frames=5, objects={"count": [2, 7]})
    lengths = {pair for layout in layouts(some) for pair in zip(layout.dimensions[1:], layout.shape, strict=True)}
    assert lengths == {("time", 5), ("y", 24), ("x", 40), ("component", 2), ("object", 7), ("vertex", 8)}


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32"])
def test_bytes_of_a_sequence_are_numpys(dtype: str) -> None:
    for layout in layouts(spec(dtype=dtype, truth=TRUTH)):
        assert layout.sequence_bytes == np.empty(layout.shape, layout.dtype).nbytes


def test_clean_has_the_dtype_of_frames_and_flow_is_always_float16() -> None:
    by_name = {layout.name: layout for layout in frame_layouts(spec(dtype="float32", truth=TRUTH))}
    assert by_name["clean"].dtype == by_name["frames"].dtype == "float32"
    assert by_name["flow"].dtype == "float16"
    assert by_name["flow"].dimensions == ("sequence", "time", "component", "y", "x")
    assert by_name["mask"].dtype == by_name["property_mask"].dtype == "uint8"


def test_split_is_a_column_only_where_the_spec_has_splits() -> None:
    assert "split" not in {layout.name for layout in table_layouts(spec())}
    with_splits = spec(splits={"train": 1, "validation": 1, "test": 1})
    split = next(layout for layout in table_layouts(with_splits) if layout.name == "split")
    assert split.attributes["flag_meanings"] == "train validation test"
    assert split.shape == ()


def test_flags_have_one_meaning_each() -> None:
    some = spec(truth=TRUTH, splits={"train": 1, "validation": 1, "test": 1})
    flagged = [layout.attributes for layout in layouts(some) if "flag_meanings" in layout.attributes]
    assert len(flagged) == 4
    for attributes in flagged:
        flags = attributes["flag_values" if "flag_values" in attributes else "flag_masks"]
        assert len(flags) == len(attributes["flag_meanings"].split())
    assert len(set(OBJECT_KINDS.values())) == len(OBJECT_KINDS)
    assert sum(PROPERTY_BITS.values()) == 2 ** len(PROPERTY_BITS) - 1


def attributes(**changes: Any) -> dict[str, Any]:
    some = spec(truth=["mask"], seed=7)
    return {
        "schema_version": 1,
        "spec": some.model_dump(mode="json"),
        "digest": some.digest,
        "n": 10,
        "package_version": "0.1.0",
        "created": "2026-11-24T04:00:00Z",
        "produced_by": "datagen on x86_64",
        "complete": False,
        **changes,
    }


def test_attributes_give_the_spec_back() -> None:
    stored = StoreAttributes.parse(attributes())
    assert stored.render_spec.digest == stored.digest == spec(truth=["mask"], seed=7).digest


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"digest": "abc"}, r"^digest is abc; give a text that matches \^\[0-9a-f\]\{64\}\$$"),
        ({"n": 0}, "^n is 0; give a whole number of 1 or more$"),
        ({"complete": "perhaps"}, "^complete is perhaps; give true or false$"),
        ({"owner": "me"}, "^owner is no known field; known fields: schema_version, spec"),
    ],
)
def test_attributes_out_of_range_are_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        StoreAttributes.parse(attributes(**changes))


def test_attributes_with_a_broken_spec_say_where_it_stands() -> None:
    with pytest.raises(InputError, match=r"^attribute spec: property is missing"):
        _ = StoreAttributes.parse(attributes(spec={})).render_spec

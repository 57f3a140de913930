"""Where bytes lie in an object: exactly where zarr puts them when the same arrays are assigned to it."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from zarr.storage import MemoryStore

from datagen.storage.local_objects import LocalObjects
from datagen.storage.metadata import documents
from datagen.storage.shards import ObjectLayout, object_layouts
from datagen.storage.target import _new_attributes
from datagen.storage.unit_writer import UnitWriter
from datagen.storage.units import units
from schemas.errors import DamagedStoreError
from schemas.render import RenderSpec
from schemas.store import frame_layouts, table_layouts, unit_sequences
from tests.reference.specs import spec_of
from tests.stores import assigned_objects, chunks_of, full_spec, objects_of, tiny_spec

Array = NDArray[Any]


def made(root: Path, spec: RenderSpec, n: int) -> LocalObjects:
    """Make a store without units."""
    objects = LocalObjects(root)
    objects.put(documents(_new_attributes(spec, n, "tests")))
    return objects


def random_arrays(spec: RenderSpec, n: int, seed: int) -> dict[str, Array]:
    """Return arrays of a store with any bits, NaN among them; some sequences are all zeros, some chunks too."""
    generator = np.random.default_rng(seed)
    black = np.repeat(generator.random(-(-n // 4)) < 0.5, 4)[:n]
    arrays = {}
    for layout in frame_layouts(spec) + table_layouts(spec):
        octets = generator.integers(0, 256, (n, layout.sequence_bytes), np.uint8)
        octets[black] = 0
        arrays[layout.name] = octets.view(layout.dtype).reshape(n, *layout.shape)
    return arrays


def write_units(objects: LocalObjects, spec: RenderSpec, arrays: dict[str, Array]) -> None:
    """Write arrays as the renderer does, sequence by sequence."""
    for unit in units(spec, len(arrays["frames"])):
        with UnitWriter(objects, object_layouts(spec), unit) as writer:
            for i in range(unit.start, unit.stop):
                writer.write(i, {name: array[i : i + 1] for name, array in arrays.items()})
            writer.commit()


def assert_objects_are_zarrs(spec: RenderSpec, n: int, seed: int) -> None:
    arrays = random_arrays(spec, n, seed)
    with TemporaryDirectory() as folder:
        objects = made(Path(folder), spec, n)
        write_units(objects, spec, arrays)
        assert objects_of(objects.root) == assigned_objects(spec, n, arrays)
        group = zarr.open_group(objects.store(), mode="r")
        for name, array in arrays.items():
            stored = np.asarray(group[name])
            assert (stored.dtype, stored.tobytes()) == (array.dtype, array.tobytes()), name


@given(
    n=st.integers(1, 70),
    chunk=st.sampled_from([1, 2, 4, 8]),
    dtype=st.sampled_from(["uint8", "float16", "float32"]),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=10)
def test_objects_are_those_of_plain_assignment_whatever_the_length(n: int, chunk: int, dtype: str, seed: int) -> None:
    with chunks_of(chunk):
        assert_objects_are_zarrs(full_spec(dtype=dtype, frames=1, height=3, width=5), n, seed)


@pytest.mark.parametrize("n", [1, 16, 17, 256, 257])
def test_objects_of_sixteen_sequences_a_chunk_are_those_of_plain_assignment(n: int) -> None:
    assert_objects_are_zarrs(spec_of("rotation", frames=10, height=64, width=64, dtype="float32"), n, seed=n)


@pytest.mark.parametrize(
    "spec", [tiny_spec(), full_spec(), tiny_spec(frames=3, height=1000, width=999)], ids=["bare", "full", "large"]
)
def test_layouts_are_those_that_the_arrays_documents_describe(spec: RenderSpec, tmp_path: Path) -> None:
    group = zarr.open_group(made(tmp_path, spec, 5).store(), mode="r")
    for layout in object_layouts(spec):
        array = group[layout.name]
        assert isinstance(array, zarr.Array)
        assert ObjectLayout.of(array) == layout


def test_no_two_units_and_no_two_arrays_share_an_object() -> None:
    layouts = object_layouts(full_spec())
    keys = [layout.key(unit) for layout in layouts for unit in range(20)]
    assert len(set(keys)) == len(keys)
    assert {layout.unit_sequences for layout in layouts} == {unit_sequences(full_spec())}


@given(chunk=st.sampled_from([1, 2, 8]), data=st.data())
def test_sequences_lie_apart_and_within_their_object(chunk: int, data: st.DataObject) -> None:
    with chunks_of(chunk):
        layout = data.draw(st.sampled_from(object_layouts(full_spec())))
        length = data.draw(st.integers(1, layout.unit_sequences))
        starts = [layout.offset(position) for position in range(length)]
        stops = [start + layout.sequence_bytes for start in starts]
        assert all(stop <= start for stop, start in zip(stops[:-1], starts[1:], strict=True))
        assert stops[-1] + 4 <= layout.size(length)


def test_chunks_that_cut_through_sequences_are_refused() -> None:
    group = zarr.create_group(MemoryStore())
    cut = group.create_array("frames", shape=(4, 2, 8, 8), chunks=(1, 1, 8, 8), dtype="uint8")
    with pytest.raises(
        DamagedStoreError, match=r"^frames has chunks of \(1, 1, 8, 8\); whole sequences are \(2, 8, 8\)$"
    ):
        ObjectLayout.of(cut)

"""How a unit is rendered: pieces that fit chunk, memory and workers, and units in any order."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.rendering.sequence import Renderer
from datagen.storage.local_objects import LocalObjects
from datagen.storage.machine import machine_type
from datagen.storage.unit_renderer import PIECE_BYTES, PIECES_PER_WORKER, UnitRenderer
from datagen.storage.units import unit_at
from schemas.store import chunk_sequences
from tests.reference.specs import spec_of
from tests.stores import TRUTH, chunks_of, expected_objects, objects_of, tiny_spec


@given(
    sequences=st.integers(1, 10**12),
    workers=st.integers(1, 256),
    side=st.sampled_from([1, 16, 128, 700]),
    frames=st.sampled_from([1, 10, 30]),
)
def test_pieces_divide_the_chunk_and_fit_into_memory_and_all_workers_have_some(
    sequences: int, workers: int, side: int, frames: int
) -> None:
    spec = spec_of("mixed", frames=frames, height=side, width=side, truth=TRUTH)
    renderer = UnitRenderer(Renderer(spec), LocalObjects(Path("nowhere")))
    length = renderer.piece_length(sequences, workers)
    assert length >= 1
    assert chunk_sequences(spec) % length == 0
    assert length == 1 or sum(array.nbytes for array in renderer.scratch(length).values()) <= PIECE_BYTES
    assert length == 1 or sequences // length >= workers * PIECES_PER_WORKER


@given(order=st.permutations(range(4)), n=st.integers(49, 64))
@settings(max_examples=8)
def test_units_in_any_order_give_the_store_of_one_go(
    order: list[int], n: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("store")
    with chunks_of(1):
        renderer = UnitRenderer(Renderer(tiny_spec()), LocalObjects(root))
        for index in order:
            done = renderer.render(unit_at(tiny_spec(), n, index), machine_type())
            assert (done.unit.index, done.machine) == (index, machine_type())
        assert objects_of(root) == expected_objects(tiny_spec(), n)

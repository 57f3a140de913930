"""A spec as a dask array: the frames of the renderer, block by block, and no block that nobody asked for."""

import pickle
import sys
from collections.abc import Callable, Iterator
from typing import Any

import dask
import dask.array
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen import lazy_sequences, render_sequences
from datagen.rendering.sequence import Renderer
from schemas.errors import InputError, MissingExtraError
from schemas.render import MAX_SEQUENCES, Dtype
from schemas.store import chunk_sequences
from tests.stores import SPRITES, chunks_of, full_spec, tiny_spec

SPEC = tiny_spec()
N = 21


@pytest.fixture(autouse=True, scope="module")
def _in_this_thread() -> Iterator[None]:
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Return what is rendered from now on, as (first sequence, sequences)."""
    asked: list[tuple[int, int]] = []
    render_into: Callable[..., None] = Renderer.render_into

    def listen(renderer: Renderer, start: int, outputs: dict[str, Any]) -> None:
        asked.append((start, len(outputs["frames"])))
        render_into(renderer, start, outputs)

    monkeypatch.setattr(Renderer, "render_into", listen)
    return asked


@given(chunk=st.sampled_from([1, 2, 8, 1024]), n=st.integers(1, N), data=st.data())
def test_any_part_in_any_chunk_is_what_the_renderer_gives(chunk: int, n: int, data: st.DataObject) -> None:
    with chunks_of(chunk):
        lazy = lazy_sequences(SPEC, n)
    assert lazy.chunks[0] == (chunk,) * (n // chunk) + ((n % chunk,) if n % chunk else ())
    part = tuple(data.draw(st.slices(length)) for length in lazy.shape)
    assert np.array_equal(lazy[part].compute(), render_sequences(SPEC, 0, n).frames[part])


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32"])
def test_shape_and_dtype_are_the_specs(dtype: Dtype) -> None:
    spec = tiny_spec(dtype=dtype)
    lazy = lazy_sequences(spec, 5)
    assert (lazy.shape, lazy.dtype) == ((5, 2, 9, 12), np.dtype(dtype))
    frames = lazy.compute()
    assert frames.dtype == np.dtype(dtype)
    assert np.array_equal(frames, render_sequences(spec, 0, 5).frames)


def test_blocks_are_the_chunks_of_a_store() -> None:
    spec = tiny_spec(height=256, width=256)
    assert lazy_sequences(spec, 100).chunks == ((32, 32, 32, 4), (2,), (256,), (256,))
    assert chunk_sequences(spec) == 32


def test_only_the_blocks_that_are_asked_for_are_rendered(rendered: list[tuple[int, int]]) -> None:
    with chunks_of(4):
        lazy = lazy_sequences(SPEC, 1_000_003)
    assert rendered == []
    assert lazy[400_001:400_006].mean().compute() > 0
    assert sorted(rendered) == [(400_000, 4), (400_004, 4)]
    rendered.clear()
    lazy[-1].compute()
    assert rendered == [(1_000_000, 3)]


def test_the_name_follows_from_spec_and_n() -> None:
    lazy = lazy_sequences(SPEC, N)
    assert lazy.name == lazy_sequences(tiny_spec(), N).name
    others = [lazy_sequences(SPEC, N + 1), lazy_sequences(tiny_spec(seed=1), N)]
    assert len({lazy.name, *(other.name for other in others)}) == 3
    # Two specs in one graph keep their frames apart.
    both = dask.array.concatenate([lazy, others[1]]).compute()
    assert np.array_equal(both[N:], render_sequences(tiny_spec(seed=1), 0, N).frames)


def test_sprites_travel_with_the_graph(rendered: list[tuple[int, int]]) -> None:
    spec = full_spec()
    with chunks_of(4):
        lazy = pickle.loads(pickle.dumps(lazy_sequences(spec, 9, SPRITES)))
    frames = lazy.compute()
    assert sorted(rendered) == [(0, 4), (4, 4), (8, 1)]
    rendered.clear()
    assert np.array_equal(frames, Renderer(spec, SPRITES).render(0, 9).frames)
    assert len(pickle.dumps(lazy)) < 2 * SPRITES.nbytes + 40_000, "once, not with every block"


def test_threads_give_the_same_frames() -> None:
    with chunks_of(1):
        lazy = lazy_sequences(SPEC, N)
    assert np.array_equal(lazy.compute(scheduler="threads", num_workers=4), render_sequences(SPEC, 0, N).frames)


def test_kernels_are_compiled_under_the_lock_before_a_block_is_rendered(
    rendered: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several workers of a cluster may be the first at once, and Numba's cache bears one writer."""
    warm: list[bool] = []
    monkeypatch.setattr("datagen.views.lazy.warm_up", lambda: warm.append(not rendered))
    lazy_sequences(SPEC, 1).compute()
    assert warm == [True]


@pytest.mark.parametrize("n", [0, -1, MAX_SEQUENCES + 1])
def test_n_out_of_range_is_refused(n: int) -> None:
    with pytest.raises(InputError, match=f"n is {n}; give a number of sequences from 1 to"):
        lazy_sequences(SPEC, n)


def test_sprites_that_are_not_the_specs_are_refused_at_once() -> None:
    with pytest.raises(InputError, match="SHA-256"):
        lazy_sequences(full_spec(), 3, SPRITES[::-1].copy())
    with pytest.raises(InputError, match="none are given"):
        lazy_sequences(full_spec(), 3)


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dask.array", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'stmoe-synth\[dask\]'"):
        lazy_sequences(SPEC, 1)

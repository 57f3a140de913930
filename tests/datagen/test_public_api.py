"""What `import datagen` offers: the names, loaded when they are used, and the sequences themselves."""

import subprocess
import sys
from typing import Any, get_args

import dask.array
import numpy as np
import pytest

import datagen
from datagen.storage.sprites import sprite_set
from schemas.errors import InputError
from schemas.render import TruthArray
from schemas.store import frame_layouts, table_layouts
from tests.commands import ROOT

NAMES = ["RenderSpec", "lazy_sequences", "open_store", "render_sequence", "render_sequences", "render_store"]


def small(**fields: object) -> datagen.RenderSpec:
    return datagen.RenderSpec.parse({"property": "mixed", "frames": 3, "height": 12, "width": 17, **fields})


def test_the_public_names_are_frozen_and_resolve() -> None:
    assert datagen.__all__ == NAMES
    assert set(NAMES) <= set(dir(datagen))
    assert all(callable(getattr(datagen, name)) for name in NAMES)
    with pytest.raises(AttributeError, match="module 'datagen' has no attribute 'render_film'"):
        _ = datagen.render_film


@pytest.mark.parametrize("statement", ["import datagen", "from datagen import RenderSpec"])
def test_nothing_heavy_is_loaded_before_it_is_used(statement: str) -> None:
    code = f"{statement}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"numpy", "numba", "zarr", "dask", "PIL"} & set(done.stdout.split()) == set()


def test_a_sequence_has_no_sequence_dimension() -> None:
    spec = small(truth=get_args(TruthArray))
    sequence = datagen.render_sequence(spec, 5)
    for layout in frame_layouts(spec):
        array = getattr(sequence, layout.name)
        assert (array.shape, array.dtype.name) == (layout.shape, layout.dtype)
    assert {name: array.shape for name, array in sequence.parameters.items()} == {
        layout.name: layout.shape for layout in table_layouts(spec)
    }


def test_truth_that_is_not_asked_for_is_none() -> None:
    sequence = datagen.render_sequence(small(truth=["mask"]), 0)
    assert sequence.mask is not None
    assert [sequence.clean, sequence.flow, sequence.property_mask] == [None, None, None]


def test_one_sequence_many_a_store_and_a_lazy_array_hold_the_same(tmp_path_factory: pytest.TempPathFactory) -> None:
    spec, path = small(), tmp_path_factory.mktemp("api") / "a.zarr"
    many = datagen.render_sequences(spec, 0, 4).frames
    assert np.array_equal(many[1:3], datagen.render_sequences(spec, 1, 2).frames)
    assert np.array_equal(many, np.stack([datagen.render_sequence(spec, i).frames for i in range(4)]))
    assert datagen.render_store(spec, 4, path).n == 4
    assert np.array_equal(many, np.asarray(datagen.open_store(path)["frames"]))
    lazy = datagen.lazy_sequences(spec, 4)
    assert isinstance(lazy, dask.array.Array)
    assert np.array_equal(many, lazy.compute(scheduler="synchronous"))


def test_sprites_are_given_beside_the_spec() -> None:
    stack = np.full((2, 4, 4), 255, np.uint8)
    spec = small(objects={"kinds": ["sprite"]}, sprites=sprite_set(stack).model_dump())
    assert datagen.render_sequence(spec, 0, stack).frames.any()
    with pytest.raises(InputError, match="the spec names 2 sprites and none are given"):
        datagen.render_sequence(spec, 0)


@pytest.mark.parametrize(("start", "count"), [(-1, 1), (0, 0), (2**63 - 1, 2)])
def test_sequences_that_do_not_exist_are_refused(start: int, count: int) -> None:
    with pytest.raises(InputError, match=r"do not exist; give numbers from 0 to 2\*\*63 - 1"):
        datagen.render_sequences(small(), start, count)


@pytest.mark.parametrize("number", [1.5, 1.0, "1", None])
def test_numbers_that_are_not_whole_are_refused(number: Any) -> None:
    for start, count in ((number, 1), (0, number)):
        with pytest.raises(InputError, match=f"by whole numbers; {number!r} is none"):
            datagen.render_sequences(small(), start, count)
    with pytest.raises(InputError, match=f"by whole numbers; {number!r} is none"):
        datagen.render_sequence(small(), number)


def test_whole_numbers_of_numpy_are_numbers() -> None:
    assert np.array_equal(
        datagen.render_sequence(small(), np.int64(5)).frames,  # type: ignore[arg-type]
        datagen.render_sequence(small(), 5).frames,
    )

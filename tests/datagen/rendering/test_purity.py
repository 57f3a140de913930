"""A sequence is a function of (spec, i) alone: not of count, order, thread, process or of what else is asked for."""

import hashlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from datagen.rendering.sequence import Renderer
from schemas.render import MAX_SEQUENCES, RenderSpec
from tests.reference.specs import spec_of

Array = NDArray[Any]
ROOT = Path(__file__).parents[3]
TRUTH = ("clean", "flow", "mask", "property_mask")
FAR = (0, 1, 2**32 - 1, 2**32, 2**40, 2**63 - 9)
"""First numbers, on both sides of where a number needs another word."""


@st.composite
def specs(draw: st.DrawFn) -> RenderSpec:
    """Draw small specs of every property, size, type and mixture."""
    mixed = {"kind": "mixed", "rotation": {"pivot": "orbit"}}
    return spec_of(
        draw(st.sampled_from(["translation", "rotation", {"kind": "rotation", "pivot": "orbit"}, "intensity", mixed])),
        frames=draw(st.integers(1, 4)),
        height=draw(st.integers(1, 14)),
        width=draw(st.integers(1, 14)),
        dtype=draw(st.sampled_from(["uint8", "float16", "float32"])),
        objects={"count": (1, draw(st.integers(1, 4)))},
        noise={
            "ratio": draw(st.sampled_from([0, 0.26, 0.7, 3])),
            "gaussian": draw(st.sampled_from([0, 1])),
            "white": 1,
            "perlin": draw(st.sampled_from([0, 2])),
            "octaves": draw(st.integers(1, 5)),
            "drift": (0.1, -0.05),
        },
        truth=TRUTH,
        seed=draw(st.integers(0, 2**64 - 1)),
    )


def rendered(spec: RenderSpec, start: int, count: int, names: Any = None) -> dict[str, Array]:
    """Render any of a spec's arrays, by default all."""
    renderer = Renderer(spec)
    layouts = {name: renderer.layouts[name] for name in names or renderer.layouts}
    outputs = {name: np.empty((count, *layout.shape), layout.dtype) for name, layout in layouts.items()}
    renderer.render_into(start, outputs)
    return outputs


def assert_same(one: dict[str, Array], other: dict[str, Array]) -> None:
    """Compare to the bit: of floats too."""
    assert set(one) == set(other)
    for name, array in one.items():
        assert array.tobytes() == other[name].tobytes(), name


def part(arrays: dict[str, Array], window: slice) -> dict[str, Array]:
    return {name: array[window] for name, array in arrays.items()}


@given(spec=specs(), start=st.sampled_from(FAR), cuts=st.sets(st.integers(1, 7)))
@settings(max_examples=40)
def test_batches_of_any_size_give_the_same_bits(spec: RenderSpec, start: int, cuts: set[int]) -> None:
    whole = rendered(spec, start, 8)
    edges = [0, *sorted(cuts), 8]
    for low, high in pairwise(edges):
        assert_same(rendered(spec, start + low, high - low), part(whole, slice(low, high)))


@given(spec=specs(), order=st.permutations(range(6)))
@settings(max_examples=20)
def test_any_order_gives_the_same_bits(spec: RenderSpec, order: list[int]) -> None:
    renderer = Renderer(spec)
    forwards = [renderer.render(i, 1).frames.tobytes() for i in range(6)]
    shuffled = {i: renderer.render(i, 1).frames.tobytes() for i in order}
    assert [shuffled[i] for i in range(6)] == forwards


@given(spec=specs(), data=st.data())
@settings(max_examples=40)
def test_arrays_do_not_depend_on_what_else_is_asked_for(spec: RenderSpec, data: st.DataObject) -> None:
    whole = rendered(spec, 3, 2)
    names = data.draw(st.sets(st.sampled_from(sorted(whole)), min_size=1))
    assert_same(rendered(spec, 3, 2, names), {name: whole[name] for name in names})


@given(spec=specs())
@settings(max_examples=20)
def test_frames_do_not_depend_on_the_truth_of_the_spec(spec: RenderSpec) -> None:
    alone = spec.model_copy(update={"truth": ()})
    with_truth, without = rendered(spec, 0, 3), rendered(alone, 0, 3)
    assert set(with_truth) - set(without) == set(TRUTH)
    assert_same({name: with_truth[name] for name in without}, without)


@pytest.mark.parametrize("dtype", ["uint8", "float16"])
@pytest.mark.parametrize("ratio", [0, 0.7])
def test_stored_types_are_roundings_of_one_sequence(dtype: str, ratio: float) -> None:
    fields: dict[str, Any] = {"height": 20, "width": 20, "noise": {"ratio": ratio}, "truth": ["clean"]}
    exact = Renderer(spec_of("mixed", dtype="float32", **fields)).render(0, 6)
    stored = Renderer(spec_of("mixed", dtype=dtype, **fields)).render(0, 6)
    for values, floats in ((stored.frames, exact.frames), (stored.clean, exact.clean)):
        assert values is not None
        assert floats is not None
        if dtype == "uint8":
            # Half a grey level, and what float32 rounds on the way.
            assert np.abs(values / 255.0 - floats).max() <= 0.5 / 255 + 1e-6
        else:
            np.testing.assert_array_equal(values, floats.astype(np.float16))
    for name, column in exact.parameters.items():
        assert column.tobytes() == stored.parameters[name].tobytes(), name


def test_many_threads_at_once_give_the_same_bits() -> None:
    spec = spec_of("mixed", height=24, width=24, truth=TRUTH, objects={"count": (1, 5)})
    expected = rendered(spec, 0, 64)
    renderer = Renderer(spec)  # one for all threads

    def render(start: int) -> Array:
        frames = np.empty((4, *renderer.layouts["frames"].shape), np.uint8)
        flow = np.empty((4, *renderer.layouts["flow"].shape), np.float16)
        renderer.render_into(start, {"flow": flow, "frames": frames})
        assert flow.tobytes() == expected["flow"][start : start + 4].tobytes()
        return frames

    starts = list(range(0, 64, 4)) * 4
    with ThreadPoolExecutor(8) as pool:
        for start, frames in zip(starts, pool.map(render, starts), strict=True):
            assert frames.tobytes() == expected["frames"][start : start + 4].tobytes()


SPAWNED = """
import hashlib, sys
from datagen.rendering.sequence import Renderer
from schemas.render import RenderSpec
spec = RenderSpec.model_validate_json(sys.stdin.read())
for start in (2**40, 11, 0):
    sequences = Renderer(spec).render(start, 3)
    arrays = [sequences.frames, sequences.flow, sequences.mask, sequences.property_mask, *sequences.parameters.values()]
    sys.stdout.write(hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest() + "\\n")
"""


def test_another_process_gives_the_same_bits() -> None:
    spec = spec_of("mixed", height=16, width=16, truth=TRUTH, dtype="float32", seed=7)
    done = subprocess.run(
        [sys.executable, "-c", SPAWNED],
        input=spec.canonical_json(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for start, digest in zip((2**40, 11, 0), done.stdout.split(), strict=True):
        own = Renderer(spec).render(start, 3)
        arrays = [own.frames, own.flow, own.mask, own.property_mask, *own.parameters.values()]
        assert hashlib.sha256(b"".join(a.tobytes() for a in arrays if a is not None)).hexdigest() == digest


@pytest.mark.parametrize("index", [*FAR[:-1], MAX_SEQUENCES - 1])
def test_a_sequence_of_any_number_is_the_same_twice_and_like_no_other(index: int) -> None:
    spec = spec_of("rotation", height=12, width=12)
    frames = Renderer(spec).render(index, 1).frames
    assert frames.tobytes() == Renderer(spec).render(index, 1).frames.tobytes()
    others = [other for other in (*FAR, index ^ 1, index ^ 2**32, index ^ 2**31) if other != index]
    assert all(np.any(frames != Renderer(spec).render(other, 1).frames) for other in others)


@given(spec=specs())
@settings(max_examples=20)
def test_parameters_alone_are_those_of_the_rendered_sequence(spec: RenderSpec) -> None:
    # The middle time depends on `frames`, so compare within one spec: with pictures and without.
    names = [name for name in Renderer(spec).layouts if name not in (*TRUTH, "frames", "noise_ratio_measured")]
    whole = rendered(spec, 1, 4)
    assert_same(rendered(spec, 1, 4, names), {name: whole[name] for name in names})

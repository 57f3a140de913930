"""The renderer as its callers see it: what it writes, what it refuses, and the frames that it is known for."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from datagen.rendering.sequence import Renderer
from datagen.storage.sprites import sprite_set
from schemas.errors import InputError
from schemas.render import MAX_SEQUENCES
from schemas.store import frame_layouts, table_layouts
from tests.golden.make_rendering import FRAME_SPECS, picture, picture_path
from tests.reference.specs import clean_spec, spec_of

Array = NDArray[Any]
ROOT = Path(__file__).parents[3]
TRUTH = ("clean", "flow", "mask", "property_mask")
SPRITES = np.random.default_rng(1).integers(0, 256, (10, 5, 4), dtype=np.uint8)
CHANGES: list[Any] = ["translation", {"kind": "rotation", "pivot": "orbit"}, "intensity", "mixed"]


@pytest.mark.parametrize("name", FRAME_SPECS)
def test_frames_are_the_golden_ones(name: str) -> None:
    # Across machines library functions and fused operations may differ by a rounding: one grey level.
    golden = np.asarray(Image.open(picture_path(name)), np.int16)
    difference = np.abs(picture(name).astype(np.int16) - golden)
    assert difference.max() <= 1
    assert np.mean(difference > 0) < 0.01


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32"])
def test_every_array_has_the_stores_shape_and_type(dtype: str) -> None:
    spec = spec_of(
        "mixed",
        frames=3,
        height=8,
        width=12,
        dtype=dtype,
        truth=TRUTH,
        splits=dict.fromkeys(("train", "validation", "test"), 1),
    )
    rendered = Renderer(spec).render(0, 2)
    arrays = {"frames": rendered.frames, **{name: getattr(rendered, name) for name in TRUTH}, **rendered.parameters}
    layouts = frame_layouts(spec) + table_layouts(spec)
    assert set(arrays) == {layout.name for layout in layouts}
    for layout in layouts:
        assert arrays[layout.name].shape == (2, *layout.shape), layout.name
        assert arrays[layout.name].dtype == layout.dtype, layout.name


def test_truth_that_is_not_asked_for_is_none() -> None:
    rendered = Renderer(spec_of("rotation", height=8, width=8, truth=("mask",))).render(0, 1)
    assert (rendered.clean, rendered.flow, rendered.property_mask) == (None, None, None)
    assert rendered.mask is not None


@pytest.mark.parametrize("changes", CHANGES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 37), (37, 1), (2, 3), (19, 48)])
@pytest.mark.parametrize("frames", [1, 2, 5])
def test_any_frame_size_and_count_renders(changes: Any, shape: tuple[int, int], frames: int) -> None:
    height, width = shape
    spec = spec_of(changes, frames=frames, height=height, width=width, dtype="float32", truth=TRUTH, seed=0)
    rendered = Renderer(spec).render(0, 30)
    assert rendered.flow is not None
    assert rendered.clean is not None
    assert rendered.mask is not None
    for frames_or_clean in (rendered.frames, rendered.clean):
        assert frames_or_clean.min() >= 0
        assert frames_or_clean.max() <= 1
    assert np.isfinite(rendered.flow).all()
    assert rendered.mask.max() <= spec.objects.count[1]
    assert rendered.clean.max() > 0, "in thirty sequences something must be seen"


def test_seed_0_is_a_seed() -> None:
    zero, one, default = (
        Renderer(spec_of("rotation", height=16, width=16, **seed)).render(0, 2).frames
        for seed in ({"seed": 0}, {"seed": 1}, {})
    )
    np.testing.assert_array_equal(zero, default)
    assert np.any(zero != one)


def test_no_noise_is_the_clean_sequence_to_the_bit() -> None:
    for dtype in ("uint8", "float16", "float32"):
        fields: dict[str, Any] = {"height": 16, "width": 16, "dtype": dtype, "noise": {"ratio": 0}, "truth": ["clean"]}
        rendered = Renderer(spec_of("mixed", **fields)).render(0, 4)
        np.testing.assert_array_equal(rendered.frames, rendered.clean)
        assert not rendered.parameters["noise_ratio_measured"].any()


def test_black_sequence_gets_no_noise() -> None:
    spec = spec_of("rotation", height=16, width=16, objects={"intensity": (0, 0)})
    rendered = Renderer(spec).render(0, 3)
    assert not rendered.frames.any()
    assert not rendered.parameters["noise_ratio_measured"].any()
    assert np.all(rendered.parameters["noise_ratio"] == 0.7)


@pytest.mark.parametrize("ratio", [0.01, 0.26, 0.7, 5.0])
def test_noise_ratio_is_that_of_the_noise_that_was_added(ratio: float) -> None:
    spec = spec_of(
        "mixed", height=24, width=24, dtype="float32", noise={"ratio": ratio}, truth=("clean",), seed=int(100 * ratio)
    )
    rendered = Renderer(spec).render(0, 40)
    assert np.all(rendered.parameters["noise_ratio"] == ratio)
    np.testing.assert_allclose(rendered.parameters["noise_ratio_measured"], ratio, rtol=1e-3)
    assert rendered.clean is not None
    noise = np.abs(rendered.frames - rendered.clean, dtype=np.float64).sum(axis=(1, 2, 3))
    signal = rendered.clean.sum(axis=(1, 2, 3), dtype=np.float64)
    assert np.all(noise / signal <= ratio * 1.001), "clipping can only take noise away"


@pytest.mark.parametrize(
    ("start", "count"),
    [(-1, 1), (-5, 2), (0, 0), (3, -1), (MAX_SEQUENCES, 1), (MAX_SEQUENCES - 1, 2), (2**70, 1)],
)
def test_numbers_that_do_not_exist_are_refused_in_one_line(start: int, count: int) -> None:
    with pytest.raises(InputError, match=r"give numbers from 0 to 2\*\*63 - 1") as caught:
        Renderer(spec_of("rotation", height=8, width=8)).render(start, count)
    assert "\n" not in str(caught.value)


def test_last_sequence_exists() -> None:
    spec = spec_of("rotation", height=8, width=8)
    assert Renderer(spec).render(MAX_SEQUENCES - 1, 1).frames.shape == (1, 10, 8, 8)


def sprite_spec(**fields: Any) -> Any:
    return spec_of(
        "translation", height=16, width=16, objects={"kinds": ["sprite"]}, sprites=sprite_set(SPRITES), **fields
    )


@pytest.mark.parametrize(
    ("sprites", "message"),
    [
        (None, "the spec names 10 sprites and none are given"),
        (SPRITES[:9], r"the sprites are \(9, 5, 4\) uint8; the spec names \(10, 5, 4\) uint8"),
        (SPRITES.astype(np.float32), r"\(10, 5, 4\) float32; the spec names \(10, 5, 4\) uint8"),
        (255 - SPRITES, "the sprites have SHA-256 .*; the spec names"),
    ],
    ids=["none", "too few", "another type", "others"],
)
def test_sprites_that_the_spec_does_not_name_are_refused(sprites: Array | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Renderer(sprite_spec(), sprites)


def test_sprites_for_a_spec_without_any_are_refused() -> None:
    with pytest.raises(InputError, match="sprites are given, but the spec names none"):
        Renderer(spec_of("rotation"), SPRITES)


def test_layout_of_the_sprites_in_memory_does_not_matter() -> None:
    expected = Renderer(sprite_spec(), SPRITES).render(0, 4).frames
    strided = np.repeat(SPRITES, 2, axis=2)[:, :, ::2]
    np.testing.assert_array_equal(Renderer(sprite_spec(), strided).render(0, 4).frames, expected)


def test_sprite_shows_its_picture_at_its_own_size() -> None:
    # Sprites of 16 px drawn at a half side of 8 px about a whole pixel: every sprite pixel is a pixel.
    sprite = np.random.default_rng(2).integers(0, 256, (1, 16, 16), dtype=np.uint8)
    spec = clean_spec(
        {"kind": "translation", "speed": (0, 0), "acceleration": (0, 0), "jerk": (0, 0)},
        frames=1,
        height=16,
        width=16,
        objects={"kinds": ["sprite"], "count": (1, 1), "size": (0.5, 0.5), "intensity": (1, 1)},
        texture={"contrast": (0, 0)},
        sprites=sprite_set(sprite),
    )
    frame = Renderer(spec, sprite).render(0, 1).frames[0, 0]
    np.testing.assert_allclose(frame, sprite[0] / 255, atol=1e-6)


def test_outputs_are_filled_whatever_they_held() -> None:
    spec = spec_of("mixed", frames=3, height=9, width=7, truth=TRUTH, dtype="float16")
    expected = Renderer(spec).render(5, 3)
    outputs: dict[str, Array] = {
        layout.name: np.full((3, *layout.shape), 77, layout.dtype)
        for layout in frame_layouts(spec) + table_layouts(spec)
    }
    Renderer(spec).render_into(5, outputs)
    np.testing.assert_array_equal(outputs["frames"], expected.frames)
    for name in TRUTH:
        np.testing.assert_array_equal(outputs[name], getattr(expected, name))
    for name, column in expected.parameters.items():
        np.testing.assert_array_equal(outputs[name], column)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("frames", np.zeros((2, 3, 9, 9), np.uint8), r"\(2, 3, 9, 9\) uint8 in C order; give \(2, 3, 8, 8\) uint8"),
        ("frames", np.zeros((2, 3, 8, 8), np.float32), "float32 in C order; give .* uint8 in C order"),
        ("frames", np.zeros((2, 3, 8, 12), np.uint8)[..., :8], "in another order; give .* in C order"),
        ("size", np.zeros((3, 3)), r"\(3, 3\) float64 in C order; give \(2, 3\) float64"),
        ("flow", np.zeros((2, 3, 2, 8, 8), np.float16), "the spec has no array 'flow'; it has mask, frames, kind"),
    ],
    ids=["larger", "another type", "strided", "another count", "not asked for"],
)
def test_arrays_that_do_not_fit_are_refused_and_left_alone(name: str, array: Array, message: str) -> None:
    renderer = Renderer(spec_of("rotation", frames=3, height=8, width=8, truth=("mask",)))
    mask = np.full((2, 3, 8, 8), 77, np.uint8)
    with pytest.raises(ValueError, match=message):
        renderer.render_into(0, {"mask": mask, name: array})
    assert not array.any()
    assert np.all(mask == 77)


PURE_PYTHON = """
import numpy as np
from datagen.rendering.sequence import Renderer
from schemas.render import RenderSpec
import sys
for changes in ("translation", "rotation", "intensity", "mixed"):
    fields = {"property": changes, "frames": 3, "height": 10, "width": 12, "noise": {"ratio": 0}}
    spec = RenderSpec.model_validate(fields)
    rendered = Renderer(spec).render(7, 2)
    sys.stdout.write(rendered.frames.tobytes().hex() + " " + rendered.parameters["position"].tobytes().hex() + "\\n")
"""


def test_kernels_mean_the_same_without_the_compiler() -> None:
    # Without noise, flow and float16, which need the bits of a float: NUMBA_DISABLE_JIT has no such thing.
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PURE_PYTHON],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for changes, line in zip(("translation", "rotation", "intensity", "mixed"), done.stdout.splitlines(), strict=True):
        frames, positions = (bytes.fromhex(part) for part in line.split())
        compiled = Renderer(spec_of(changes, frames=3, height=10, width=12, noise={"ratio": 0})).render(7, 2)
        pure = np.frombuffer(frames, np.uint8).reshape(compiled.frames.shape).astype(np.int16)
        assert np.abs(pure - compiled.frames).max() <= 1
        assert compiled.frames.any()
        assert compiled.parameters["position"].tobytes() == positions

"""Previews: what Pillow reads back is the frames, pixel for pixel, each in its place and for its time."""

import io
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from PIL import Image

from datagen import open_store, render_sequences, render_store
from datagen.views.overlay import GREYS, PALETTE
from datagen.views.preview import MAX_PICTURE_PIXELS, PictureFormat, encode_preview, write_preview
from datagen.views.source import SpecSource, StoreSource
from schemas.errors import InputError
from tests.reference.specs import clean_spec
from tests.stores import tiny_spec
from tests.trainer.data.real_stores import write_real_store

Frames = NDArray[np.uint8]
GAP, LINE = 2, 64
"""px and grey level of the line between two frames."""
FRAMES = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 7), np.uint8)


def shown(data: bytes, duration: int = 100) -> list[Frames]:
    """Return the pictures (y, x, red green blue) of a file, one for every `duration` ms: equal frames may be one."""
    with Image.open(io.BytesIO(data)) as image:
        count = getattr(image, "n_frames", 1)
        pictures = []
        for number in range(count):
            image.seek(number)
            picture = np.array(image.convert("RGB"))
            times = image.info["duration"] / duration if count > 1 else 1
            assert times == int(times)
            pictures += [picture] * int(times)
    return pictures


def grey(picture: Frames) -> Frames:
    """Return the grey levels of a picture without colours."""
    assert np.array_equal(picture, picture[..., :1].repeat(3, axis=-1))
    return picture[..., 0]


def places(picture: Frames, rows: int, columns: int, height: int, width: int) -> list[Frames]:
    """Cut a picture into its places, row by row; nothing but lines is between them."""
    assert picture.shape == (rows * (height + GAP) - GAP, columns * (width + GAP) - GAP)
    lines = np.ones(picture.shape, bool)
    found = []
    for place in range(rows * columns):
        top, left = place // columns * (height + GAP), place % columns * (width + GAP)
        lines[top : top + height, left : left + width] = False
        found.append(picture[top : top + height, left : left + width])
    assert (picture[lines] == LINE).all()
    return found


def enlarged(frame: Frames, scale: int) -> Frames:
    return np.kron(frame, np.ones((scale, scale), np.uint8))


SIDES = st.integers(1, 6)
GREY_FRAMES = st.tuples(st.integers(1, 5), st.integers(1, 4), SIDES, SIDES).flatmap(
    lambda shape: st.one_of(
        arrays.arrays(np.uint8, shape),
        arrays.arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 254, 255])),  # few levels, many equal frames
    )
)


@given(frames=GREY_FRAMES, scale=st.integers(1, 3), columns=st.one_of(st.none(), st.integers(1, 6)))
@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_an_animation_shows_every_sequence_in_its_place_and_black_where_there_is_none(
    kind: PictureFormat, frames: Frames, scale: int, columns: int | None
) -> None:
    sequences, time, height, width = frames.shape
    data = encode_preview(frames, kind, scale=scale, columns=columns)
    pictures = shown(data)
    if len(pictures) == 1:  # nothing moves
        pictures *= time
    assert len(pictures) == time
    across = columns or math.isqrt(sequences - 1) + 1
    down = math.ceil(sequences / across)
    for frame, picture in enumerate(pictures):
        found = places(grey(picture), down, across, height * scale, width * scale)
        for sequence, place in enumerate(found):
            expected = enlarged(frames[sequence, frame], scale) if sequence < sequences else np.zeros_like(place)
            assert np.array_equal(place, expected)


@given(frames=GREY_FRAMES, scale=st.integers(1, 3))
def test_a_contact_sheet_has_a_row_for_each_sequence_and_a_column_for_each_frame(frames: Frames, scale: int) -> None:
    sequences, time, height, width = frames.shape
    (picture,) = shown(encode_preview(frames, "png", scale=scale))
    found = places(grey(picture), sequences, time, height * scale, width * scale)
    for place, frame in zip(found, frames.reshape(-1, height, width), strict=True):
        assert np.array_equal(place, enlarged(frame, scale))


def test_a_contact_sheet_is_stored_as_grey() -> None:
    with Image.open(io.BytesIO(encode_preview(FRAMES, "png"))) as image:
        assert image.mode == "L"


@pytest.mark.parametrize("duration", [20, 100, 60_000])
@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_an_animation_loops_for_ever_at_the_pace_asked_for(kind: PictureFormat, duration: int) -> None:
    data = encode_preview(FRAMES, kind, duration=duration)
    assert len(shown(data, duration)) == 4
    with Image.open(io.BytesIO(data)) as image:
        assert image.n_frames == 4  # type: ignore[attr-defined]
        assert image.info["loop"] == 0


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_a_pause_keeps_its_time(kind: PictureFormat) -> None:
    frames = FRAMES[:1, [0, 1, 1, 1, 2]]
    pictures = [grey(picture) for picture in shown(encode_preview(frames, kind, scale=1))]
    assert np.array_equal(pictures, frames[0])


@pytest.mark.parametrize(
    ("height", "width", "scale"), [(1, 1, 256), (9, 100, 2), (128, 128, 2), (129, 5, 1), (257, 3, 1)]
)
def test_the_longer_side_comes_up_to_256_px_by_default(height: int, width: int, scale: int, tmp_path: Path) -> None:
    frames = np.zeros((1, 1, height, width), np.uint8)
    (picture,) = shown(encode_preview(frames, "png"))
    assert picture.shape[:2] == (height * scale, width * scale)
    write_preview(SpecSource(tiny_spec(height=height, width=width, frames=1)), tmp_path / "a.png", sequences=[0])
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (width * scale, height * scale)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_floats_are_shown_at_their_grey_level(dtype: str) -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    (picture,) = shown(encode_preview((levels / 255).astype(dtype), "png", scale=1))
    assert np.array_equal(grey(picture), levels[0, 0])


# Overlays


@pytest.mark.parametrize("kind", ["gif", "webp", "png"])
def test_greys_under_an_overlay_are_at_most_one_level_off(kind: PictureFormat) -> None:
    frames = np.arange(512, dtype=np.uint16).astype(np.uint8).reshape(1, 2, 16, 16)
    pictures = shown(encode_preview(frames, kind, scale=1, mask=np.zeros_like(frames)))
    if kind == "png":
        pictures = places(grey(pictures[0]), 1, 2, 16, 16)
    elif len(pictures) == 1:  # both frames are equal
        pictures = [grey(pictures[0])] * 2
    assert np.abs(np.array(pictures, int) - frames[0]).max() == 1


def test_masks_outline_each_object_in_its_colour_on_every_frame() -> None:
    mask = np.zeros((1, 2, 12, 12), np.uint8)
    mask[0, 0, 2:5, 3:6] = 1
    mask[0, 1, 4:7, 5:8] = 2
    frames = np.full((1, 2, 12, 12), 100, np.uint8)
    pictures = shown(encode_preview(frames, "gif", scale=1, mask=mask))
    colours = []
    for picture, shape in zip(pictures, mask[0] > 0, strict=True):
        (coloured,) = np.nonzero((picture != picture[..., :1]).any(-1).reshape(-1))
        ring = np.zeros_like(shape)
        ys, xs = np.nonzero(shape)
        ring[ys.min() - 1 : ys.max() + 2, xs.min() : xs.max() + 1] = True
        ring[ys.min() : ys.max() + 1, xs.min() - 1 : xs.max() + 2] = True
        assert np.array_equal(coloured, np.flatnonzero(ring & ~shape))
        (colour,) = np.unique(picture.reshape(-1, 3)[coloured], axis=0)
        colours.append(tuple(colour))
    assert colours == [tuple(PALETTE[GREYS]), tuple(PALETTE[GREYS + 1])]


def arrow_pixels(picture: Frames) -> NDArray[np.float64]:
    """Return (pixel, x y) of what is painted in the colour of arrows."""
    ys, xs = np.nonzero((picture == PALETTE[GREYS + 6]).all(-1))
    return np.stack([xs, ys], 1) + 0.5


def test_arrows_begin_on_the_object_and_point_where_it_goes(tmp_path: Path) -> None:
    circle = {"count": [1, 1], "kinds": ["circle"], "size": [0.15, 0.15]}
    spec = clean_spec(
        {"kind": "translation", "speed": [0.04, 0.04]}, frames=4, height=48, width=64, objects=circle, truth=("mask",)
    )
    rendered = render_sequences(spec, 0, 40)
    assert rendered.mask is not None
    velocities = (rendered.parameters["velocity"] + rendered.parameters["acceleration"] / 2)[:, 0]
    inside = ~rendered.mask[:, 0, [0, -1], :].any((1, 2)) & ~rendered.mask[:, 0, :, [0, -1]].any((0, 2))
    chosen = np.flatnonzero(inside & (np.hypot(*velocities.T) > 1))[:6]
    write_preview(SpecSource(spec), tmp_path / "a.png", sequences=chosen.tolist(), overlays=["flow"], scale=4)
    (sheet,) = shown((tmp_path / "a.png").read_bytes())
    for row, number in enumerate(chosen):
        top = row * (48 * 4 + GAP)
        arrows = arrow_pixels(sheet[top : top + 48 * 4, : 64 * 4])
        ys, xs = np.nonzero(rendered.mask[number, 0])
        centre = (np.array([xs.mean(), ys.mean()]) + 0.5) * 4
        ahead, motion = arrows.mean(0) - centre, 4 * velocities[number]
        # An arrow covers three frames of motion, and its head is nearer to the end.
        assert 1 < np.hypot(*ahead) / np.hypot(*motion) < 2.5
        assert ahead @ motion / np.hypot(*ahead) / np.hypot(*motion) > 0.95
    assert len(chosen) == 6


# What cannot be drawn


class Untouched:
    """A source that fails the test when it is read."""

    name, n, chunk, origin = "the source", 5, 1, {"spec": "{}"}
    layouts = SpecSource(tiny_spec(frames=1, height=1, width=64)).layouts

    def read(self, _names: Iterable[str], _start: int, _stop: int) -> dict[str, Any]:
        raise AssertionError("was read")


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("a.tiff", {}, "a.tiff has the suffix .tiff; give .gif, .webp or .png"),
        ("a", {}, r"a has the suffix \(none\); give .gif, .webp or .png"),
        ("a.gif", {"sequences": []}, "no sequences are given; give at least one number, e.g. 0"),
        ("a.gif", {"scale": 0}, "scale is 0; give a whole number of 1 or more"),
        ("a.gif", {"duration": 19}, "duration is 19 ms; give 20 to 60000"),
        ("a.webp", {"duration": 60_001}, "duration is 60001 ms; give 20 to 60000"),
        ("a.png", {"scale": 10**6}, f"64000000000000 pixels, {MAX_PICTURE_PIXELS} are the limit; give fewer sequ"),
        ("a.webp", {"scale": 64, "sequences": range(16)}, "would be 16392 px long, 16383 are the limit of webp"),
        ("a.png", {"scale": 9, "sequences": range(6000)}, "would be 66000 px long, 65535 are the limit of png"),
    ],
)
def test_what_cannot_be_drawn_is_refused_before_anything_is_read(
    name: str, options: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=said) as refused:
        write_preview(Untouched(), tmp_path / name, **{"sequences": [0], **options})
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("columns", [0, -1])
def test_columns_that_are_none_are_refused(columns: int) -> None:
    with pytest.raises(InputError, match=f"columns is {columns}; give a whole number of 1 or more"):
        encode_preview(np.zeros((3, 2, 2, 2), np.uint8), "gif", columns=columns)


def test_a_smaller_scale_is_advised_only_where_there_is_one() -> None:
    with pytest.raises(InputError, match=r"are the limit; give fewer sequences$"):
        write_preview(Untouched(), "a.gif", sequences=range(2**18))
    with pytest.raises(InputError, match=r"are the limit; give fewer sequences or a smaller scale$"):
        write_preview(Untouched(), "a.gif", sequences=range(2**18), scale=5)


def test_a_url_is_refused_as_it_was_given() -> None:
    with pytest.raises(InputError, match=r"^s3://bucket/a\.gif is a URL; give a local path"):
        write_preview(Untouched(), "s3://bucket/a.gif", sequences=[0])


def test_a_gif_that_would_outlast_its_format_is_refused_even_if_nothing_moves() -> None:
    still = np.zeros((1, 11, 2, 2), np.uint8)
    with pytest.raises(InputError, match="would last 660000 ms, 655350 are the limit of gif; give a shorter duration"):
        encode_preview(still, "gif", duration=60_000)
    assert encode_preview(still, "gif", duration=59_000)
    assert encode_preview(still, "webp", duration=60_000)


def test_a_picture_that_is_there_is_replaced_only_by_a_whole_one(tmp_path: Path) -> None:
    picture = tmp_path / "a.gif"
    picture.write_bytes(b"old")
    source = SpecSource(tiny_spec(), n=3)
    with pytest.raises(InputError, match="sequence 3 is not in the spec; give numbers from 0 to 2"):
        write_preview(source, picture, sequences=[0, 3])
    assert picture.read_bytes() == b"old"
    write_preview(source, picture, sequences=[2, 0], scale=1)
    frames = render_sequences(tiny_spec(), 0, 3).frames
    for t, shot in enumerate(shown(picture.read_bytes())):
        left, right = places(grey(shot), 1, 2, 9, 12)
        assert np.array_equal(left, frames[2, t])
        assert np.array_equal(right, frames[0, t])
    assert list(tmp_path.iterdir()) == [picture]
    with pytest.raises(InputError, match=r"none/a\.png cannot be written: no such file or directory"):
        write_preview(source, tmp_path / "none/a.png", sequences=[0])


def test_a_store_and_its_spec_look_the_same_and_truth_must_be_stored(tmp_path: Path) -> None:
    spec = tiny_spec(truth=("flow", "mask"))
    render_store(spec, 3, tmp_path / "a.zarr")
    store = StoreSource(open_store(tmp_path / "a.zarr"))
    for name, source in (("store.png", store), ("spec.png", SpecSource(spec))):
        write_preview(source, tmp_path / name, sequences=[0, 2], overlays=["flow", "mask"])
    assert (tmp_path / "store.png").read_bytes() == (tmp_path / "spec.png").read_bytes()
    bare = tiny_spec()
    render_store(bare, 3, tmp_path / "b.zarr")
    with pytest.raises(InputError, match="has no mask; render it with `--truth mask` into another path"):
        write_preview(
            StoreSource(open_store(tmp_path / "b.zarr")), tmp_path / "b.png", sequences=[0], overlays=["mask"]
        )


def test_real_data_are_shown_without_overlays(tmp_path: Path) -> None:
    rain = np.linspace(-0.1, 1.2, 5 * 2 * 4 * 6, dtype=np.float32).reshape(5, 2, 4, 6)
    rain[3, 1, 0, 0] = np.nan
    source = StoreSource(open_store(write_real_store(tmp_path / "real.zarr", {"frames": rain})))
    write_preview(source, tmp_path / "a.webp", sequences=[3], scale=1)
    pictures = [grey(picture) for picture in shown((tmp_path / "a.webp").read_bytes())]
    expected = np.round(np.clip(np.nan_to_num(rain[3]), 0, 1) * 255)
    assert np.array_equal(pictures, expected)
    with pytest.raises(InputError, match="has no flow; real data come without truth, leave the overlay out"):
        write_preview(source, tmp_path / "a.webp", sequences=[3], overlays=["flow"])

"""The newest frames of videos, image folders and arrays: exact values, natural order, and one line for each mistake."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

from schemas.errors import InputError
from tests.shared_data import shared_file
from tests.trainer.sources.footage import folder_of, video_of
from trainer.sources.frames import NewestFrames, area_averaged, open_frames

RNG = np.random.default_rng(3)
FRAMES = RNG.integers(0, 256, (12, 6, 8), np.uint8)


def values(source: NewestFrames) -> NDArray[np.float32]:
    found = source.read(0, source.n)
    assert found.dtype == np.float32
    assert found.shape == (source.n, *source.shape)
    return found


def test_folder_is_read_in_natural_order(tmp_path: Path) -> None:
    source = open_frames(folder_of(tmp_path / "frames", FRAMES), 4)  # frame8, frame9, frame10, frame11
    assert np.array_equal(values(source), FRAMES[None, -4:] / np.float32(255))


def test_images_of_16_bits_keep_them(tmp_path: Path) -> None:
    deep = RNG.integers(0, 65_536, (3, 6, 8)).astype(np.uint16)
    for suffix in (".png", ".tif", ".pgm"):
        source = open_frames(folder_of(tmp_path / suffix[1:], deep, suffix), 2)
        assert np.array_equal(values(source), deep[None, -2:] / np.float32(65_535)), suffix


def test_other_files_of_a_folder_are_passed_over(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "frames", FRAMES[:3])
    (folder / "times.txt").write_text("0.1")
    (folder / ".hidden.png").write_bytes(b"no image")
    (folder / "z.png").mkdir()
    assert np.array_equal(values(open_frames(folder, 3))[0], FRAMES[:3] / np.float32(255))


def test_colours_become_grey_levels(tmp_path: Path) -> None:
    colours = np.zeros((2, 6, 8, 3), np.uint8)
    colours[1] = (0, 255, 0)
    (image,) = values(open_frames(folder_of(tmp_path / "frames", colours), 2))
    assert np.abs(image[1] - 0.587).max() < 1 / 255  # ITU-R BT.601
    (video,) = values(open_frames(video_of(tmp_path / "x.avi", colours, "ffv1", "yuv444p"), 2))
    assert np.abs(video[1] - 0.587).max() < 3 / 255


def test_video_without_loss_is_read_to_the_bit(tmp_path: Path) -> None:
    source = open_frames(video_of(tmp_path / "x.mkv", FRAMES), 5)
    assert np.array_equal(values(source), FRAMES[None, -5:] / np.float32(255))


def test_real_video_is_read_to_its_end() -> None:
    path = shared_file("data/kth/walking/person01_walking_d1_uncomp.avi")
    with av.open(str(path)) as container:
        *_, last = (frame.to_ndarray(format="gray") for frame in container.decode(video=0))
    found = values(open_frames(path, 4))
    assert found.shape == (1, 4, 120, 160)
    assert np.array_equal(found[0, -1], last / np.float32(255))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float16"])
def test_array_is_one_sequence_or_many(tmp_path: Path, dtype: str) -> None:
    many = RNG.random((3, 5, 6, 8))
    full = {"uint8": 255, "uint16": 65_535}.get(dtype)
    stored = np.rint(many * full).astype(dtype) if full else many.astype(dtype)
    np.save(tmp_path / "many.npy", stored)
    np.save(tmp_path / "one.npy", stored[1])
    several, one = open_frames(tmp_path / "many.npy", 2), open_frames(tmp_path / "one.npy", 2)
    assert (several.n, one.n) == (3, 1)
    assert np.allclose(values(several), many[:, -2:], atol={"uint8": 3e-3, "float16": 1e-3}.get(dtype, 1e-4), rtol=0)
    assert np.array_equal(values(one), several.read(1, 2))


def test_array_larger_than_memory_is_not_loaded(tmp_path: Path) -> None:
    huge = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.uint8, (2**20, 8, 256, 256))  # 512 GiB, sparse
    huge[700_000, -1] = 51
    del huge
    source = open_frames(tmp_path / "x.npy", 2)
    assert source.n == 2**20
    assert np.array_equal(source.read(700_000, 700_001)[0, -1], np.full((256, 256), 0.2, np.float32))


def test_shrinking_by_a_whole_number_takes_means_of_blocks(tmp_path: Path) -> None:
    source = open_frames(folder_of(tmp_path / "frames", FRAMES), 3, size=(3, 2))
    blocks = (FRAMES[-3:] / 255).reshape(3, 3, 2, 2, 4).mean((2, 4))
    assert source.shape == (3, 3, 2)
    assert np.allclose(values(source)[0], blocks, atol=1e-6)


@given(
    arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.floats(0, 1, width=32)),
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
)
def test_resizing_keeps_mean_and_range(frame: NDArray[np.float32], size: tuple[int, int]) -> None:
    resized = area_averaged(frame, size)
    assert resized.shape == size
    assert abs(resized.mean() - frame.mean()) < 1e-5
    assert resized.min() >= frame.min() - 1e-5
    assert resized.max() <= frame.max() + 1e-5


def test_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing does not exist; give a store, a video"):
        open_frames(tmp_path / "nothing", 4)


@pytest.mark.parametrize("name", ["x.mp4", "x.npy", "x.txt"])
def test_file_of_noise_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"not what it seems" * 9)
    with pytest.raises(InputError, match=name) as raised:
        open_frames(tmp_path / name, 4)
    assert "\n" not in str(raised.value)


def test_cut_video_is_refused(tmp_path: Path) -> None:
    path = video_of(tmp_path / "x.mp4", np.zeros((9, 32, 32), np.uint8), "libx264", "yuv420p")
    path.write_bytes(path.read_bytes()[:400])  # the index is at the end
    with pytest.raises(InputError, match=r"x\.mp4 cannot be read as a video"):
        open_frames(path, 4)


def test_pickled_array_is_not_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(InputError, match=r"x\.npy is no \.npy that can be read"):
        open_frames(tmp_path / "x.npy", 1)


def test_too_few_frames_are_counted(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", FRAMES[:3])
    paths = [folder_of(tmp_path / "one", FRAMES[:1]), tmp_path / "x.npy", video_of(tmp_path / "x.mkv", FRAMES[:2])]
    for path, found in zip(paths, ("1 frame", "3 frames", "2 frames"), strict=True):
        with pytest.raises(InputError, match=f"has {found}, a forecast starts from 4; give 4 or more"):
            open_frames(path, 4)


def test_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(InputError, match="has no images"):
        open_frames(tmp_path, 4)


def test_broken_image_is_named(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "frames", FRAMES[:4])
    (folder / "frame3.png").write_bytes((folder / "frame3.png").read_bytes()[:40])
    with pytest.raises(InputError, match=r"frame3\.png is no image that can be read"):
        open_frames(folder, 4)


def test_frames_of_two_sizes_are_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "frames", FRAMES[:3])
    Image.fromarray(FRAMES[0, :4]).save(folder / "frame3.png")
    with pytest.raises(InputError, match=r"frames of 6x8 and of 4x8 px; give frames of one size"):
        open_frames(folder, 4)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((4, 6, 8), 254.0), r"values from 254 to 254; give floats in \[0, 1\]"),
        (np.full((4, 6, 8), np.nan), "is not a number somewhere"),
        (np.full((4, 6, 8), -0.5), "values from -0.5 to -0.5"),
        (np.zeros((4, 6, 8), np.int64), "holds int64; give uint8"),
        (np.zeros((6, 8), np.uint8), r"shape \(6, 8\); give \(time, y, x\)"),
        (np.zeros((0, 4, 6, 8), np.uint8), r"shape \(0, 4, 6, 8\)"),
    ],
)
def test_array_of_other_values_is_refused(tmp_path: Path, array: NDArray[Any], message: str) -> None:
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(InputError, match=message):
        values(open_frames(tmp_path / "x.npy", 4))


def test_image_of_32_bits_is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "frames", np.full((2, 6, 8), 70_000, np.int32), ".tif")
    with pytest.raises(InputError, match="values from 70000 to 70000; give images of 8 or 16 bits"):
        open_frames(folder, 2)

"""Exports: other programs read the frames back, in Moving MNIST's order, and a file is whole or not there."""

import errno
import json
import sys
import tracemalloc
from collections import namedtuple
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from datagen import open_store, render_sequences, render_store
from datagen.storage.engine import Progress
from datagen.views.export import FRAMES_PER_SECOND, export_sequences
from datagen.views.source import Source, SpecSource, StoreSource
from schemas.errors import DamagedStoreError, InputError, MissingExtraError
from schemas.render import Dtype, RenderSpec
from schemas.store import ArrayLayout
from tests.commands import run
from tests.stores import SPRITES, chunks_of, full_spec, tiny_spec
from tests.trainer.data.real_stores import flip_byte, write_real_store

N = 11


def stored(path: Path, spec: RenderSpec) -> StoreSource:
    """Render a store in chunks of 4."""
    with chunks_of(4):
        render_store(spec, N, path, sprites=SPRITES if spec.sprites else None)
    return StoreSource(open_store(path))


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32"])
@pytest.mark.parametrize(("start", "stop"), [(0, None), (3, 9), (10, 11)])
def test_npy_is_in_the_order_of_moving_mnist(tmp_path: Path, dtype: Dtype, start: int, stop: int | None) -> None:
    spec = tiny_spec(dtype=dtype)
    count = (N if stop is None else stop) - start
    expected = render_sequences(spec, start, count).frames
    for name, source in (("store", stored(tmp_path / "a.zarr", spec)), ("spec", SpecSource(spec, n=N))):
        file = tmp_path / f"{name}.npy"
        export_sequences(source, file, start=start, stop=stop)
        array = np.load(file, allow_pickle=False)
        assert array.shape == (2, count, 9, 12)
        assert array.dtype == np.dtype(dtype).newbyteorder("<")
        assert np.array_equal(array.swapaxes(0, 1), expected)
        assert file.stat().st_size == 128 + array.nbytes


def test_npz_holds_every_array_and_the_spec_and_nothing_pickled(tmp_path: Path) -> None:
    spec = full_spec()
    source = stored(tmp_path / "a.zarr", spec)
    export_sequences(source, tmp_path / "a.npz", start=2)
    expected = render_sequences(spec, 2, N - 2, SPRITES)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
        assert set(archive) == {*source.layouts, "spec", "digest"}
        assert RenderSpec.parse(json.loads(str(archive["spec"]))) == spec
        assert str(archive["digest"]) == spec.digest
        for name in ("frames", "clean", "flow", "mask", "property_mask"):
            assert np.array_equal(archive[name].swapaxes(0, 1), getattr(expected, name)), name
        for name, column in expected.parameters.items():
            assert archive[name].dtype == column.dtype
            assert np.array_equal(archive[name], column), name
        assert archive["frames"].shape == (2, N - 2, 9, 12)
        assert archive["flow"].shape == (2, N - 2, 2, 9, 12)


def test_mp4_shows_every_frame_of_one_sequence_after_the_other(tmp_path: Path) -> None:
    spec = tiny_spec(frames=5, height=33, width=48, noise={"ratio": 0})
    export_sequences(SpecSource(spec), tmp_path / "a.mp4", start=1, stop=4)
    with av.open(str(tmp_path / "a.mp4")) as video:
        (stream,) = video.streams
        assert stream.codec_context.name == "h264"
        assert stream.average_rate == FRAMES_PER_SECOND
        shown = [frame.to_ndarray(format="gray") for frame in video.decode(stream)]
        assert stream.frames == len(shown) == 3 * 5
        assert float(stream.duration * stream.time_base) == pytest.approx(3 * 5 / FRAMES_PER_SECOND)
    assert shown[0].shape == (34, 48), "an odd side is padded"
    expected = render_sequences(spec, 1, 3).frames.reshape(15, 33, 48).astype(float)
    apart = np.abs(np.stack(shown)[None, :, :33] - expected[:, None]).mean((2, 3))  # (rendered, shown)
    assert apart.diagonal().max() < 4
    changes = np.abs(np.diff(expected, axis=0)).mean((1, 2)) > 0
    assert changes.any()
    assert np.array_equal(apart.argmin(1)[1:][changes], np.arange(1, 15)[changes])


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 31), (16, 16)])
def test_mp4_of_any_size_can_be_played(tmp_path: Path, height: int, width: int) -> None:
    spec = tiny_spec(height=height, width=width, dtype="float32")
    export_sequences(SpecSource(spec, n=2), tmp_path / "a.MP4")
    with av.open(str(tmp_path / "a.MP4")) as video:
        shapes = {frame.to_ndarray(format="gray").shape for frame in video.decode(video=0)}
    assert shapes == {(height + height % 2, width + width % 2)}


def test_real_data_are_exported_with_their_recipe(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).random((5, 3, 4, 6), np.float32)
    times = np.arange(15.0).reshape(5, 3)
    valid = (frames > 0.1).astype(np.uint8)
    recipe = {"source": "radar"}
    path = write_real_store(
        tmp_path / "real.zarr", {"frames": frames, "valid_time": times, "valid": valid}, recipe=recipe
    )
    assert run("export", path, tmp_path / "a.npz").code == 0
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
        assert set(archive) == {"frames", "valid_time", "valid", "recipe", "digest"}
        assert json.loads(str(archive["recipe"])) == recipe
        assert np.array_equal(archive["frames"].swapaxes(0, 1), frames)
        assert np.array_equal(archive["valid"].swapaxes(0, 1), valid)
        assert np.array_equal(archive["valid_time"], times)
    assert run("export", path, tmp_path / "a.npy", "--start", "4").code == 0
    assert np.array_equal(np.load(tmp_path / "a.npy").swapaxes(0, 1), frames[4:])
    assert run("export", path, tmp_path / "a.mp4").code == 0


class Blank:
    """Sequences of 64 KiB, 16 in a chunk, made as they are read; what is read at once is remembered."""

    name, origin, chunk = "the blanks", {"spec": "{}", "digest": "0"}, 16
    layouts: ClassVar = {
        name: ArrayLayout(
            name=name, dtype="uint8", dimensions=("sequence", "time", "y", "x"), shape=(4, 128, 128), attributes={}
        )
        for name in ("mask", "frames")
    }

    def __init__(self, n: int) -> None:
        self.n = n
        self.most = 0

    def read(self, names: Iterable[str], start: int, stop: int) -> dict[str, NDArray[Any]]:
        self.most = max(self.most, stop - start)
        return {name: np.full((stop - start, 4, 128, 128), start % 251, np.uint8) for name in names}


def peak_of(n: int, path: Path) -> int:
    """Return the bytes that an export held at most."""
    blanks = Blank(n)
    source: Source = blanks
    tracemalloc.start()
    try:
        export_sequences(source, path, start=3, overwrite=True)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        assert blanks.most == 16


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_memory_does_not_grow_with_the_number_of_sequences(tmp_path: Path, suffix: str) -> None:
    few, many = (peak_of(n, tmp_path / f"a.{suffix}") for n in (64, 512))
    assert many < few + 2**20 < 12 * 2**20, "32 MiB of frames are written"


def test_progress_counts_the_sequences_of_the_export(tmp_path: Path) -> None:
    told: list[Progress] = []
    source = stored(tmp_path / "a.zarr", tiny_spec())
    for suffix in ("npy", "npz", "mp4"):
        export_sequences(source, tmp_path / f"a.{suffix}", start=2, stop=10, progress=told.append)
        assert [(p.done_sequences, p.total_sequences) for p in told] == [(2, 8), (6, 8), (8, 8)]
        told.clear()


@pytest.mark.parametrize("suffix", ["npy", "npz", "mp4"])
def test_a_file_that_is_there_stays_as_it_was_unless_the_export_is_whole(tmp_path: Path, suffix: str) -> None:
    source = stored(tmp_path / "a.zarr", full_spec())
    file = tmp_path / f"out/a.{suffix}"
    file.parent.mkdir()
    file.write_bytes(b"precious")
    with pytest.raises(InputError, match="exists; give another path or --overwrite"):
        export_sequences(source, file)
    flip_byte(tmp_path / "a.zarr/frames/c/0/0/0/0", -300)  # in the last chunk
    with pytest.raises(DamagedStoreError, match="frames of sequences 8-10 fails its checksum"):
        export_sequences(source, file, overwrite=True)
    assert file.read_bytes() == b"precious"
    export_sequences(source, file, stop=8, overwrite=True)
    assert file.read_bytes() != b"precious"
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.tiff", "a.tiff has the suffix .tiff; give .npy, .npz or .mp4"),
        ("a", r"a has the suffix \(none\); give .npy, .npz or .mp4"),
        ("none/a.npy", "none/a.npy cannot be written: no such file or directory"),
        ("file/a.npz", "file/a.npz cannot be written: not a directory"),
        ("folder.mp4", "folder.mp4 is a folder; give the path of a file"),
    ],
)
def test_a_path_that_cannot_be_is_one_line(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "file").write_text("precious")
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(InputError, match=said) as refused:
        export_sequences(SpecSource(tiny_spec(), n=2), tmp_path / name)
    assert "\n" not in str(refused.value)
    assert {file.name for file in tmp_path.rglob("*")} == {"file", "folder.mp4"}


def test_a_url_is_refused_since_files_are_local() -> None:
    for path in ("s3://bucket/a.npy", Path("s3://bucket/a.npy")):
        with pytest.raises(InputError, match="is a URL; give a local path and copy the file afterwards"):
            export_sequences(SpecSource(tiny_spec(), n=2), path)


@pytest.mark.parametrize("bounds", [(0, N + 1), (N, N + 1), (-1, 2), (4, 4)])
def test_sequences_that_are_not_there_are_refused_before_a_file_is(tmp_path: Path, bounds: tuple[int, int]) -> None:
    with pytest.raises(InputError, match=f"not in the spec; give numbers from 0 to {N - 1}"):
        export_sequences(SpecSource(tiny_spec(), n=N), tmp_path / "a.npy", start=bounds[0], stop=bounds[1])
    assert list(tmp_path.iterdir()) == []


Usage = namedtuple("Usage", ["total", "used", "free"])


@pytest.mark.parametrize(("suffix", "arrays"), [("npy", 1), ("npz", 2 + 1)])
def test_a_disk_that_is_too_small_is_refused_before_it_is_filled(
    tmp_path: Path, suffix: str, arrays: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An archive takes both arrays, and for a while the larger one twice."""
    needed = arrays * 3 * 4 * 128 * 128
    blanks = Blank(3)
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(2**40, 2**40, needed - 1))
    with pytest.raises(InputError, match=f"{tmp_path} has .* GB free, the export takes .*; give fewer sequences"):
        export_sequences(blanks, tmp_path / f"a.{suffix}")
    assert blanks.most == 0
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(2**40, 2**40, needed))
    export_sequences(blanks, tmp_path / f"a.{suffix}")


def test_a_disk_that_fills_up_on_the_way_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(Blank):
        def read(self, names: Iterable[str], start: int, stop: int) -> dict[str, NDArray[Any]]:
            if start:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().read(names, start, stop)

    with pytest.raises(InputError, match=r"a\.npz cannot be written: no space left on device; mend that"):
        export_sequences(Full(40), tmp_path / "a.npz")
    assert list(tmp_path.iterdir()) == []


def test_without_pyav_the_extra_is_named_and_nothing_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'stmoe-synth\[real\]', or give \.npy or \.npz"):
        export_sequences(SpecSource(tiny_spec(), n=2), tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []

"""Sequences as files for other programs: .npy and .npz in Moving MNIST's order (time, sequence, y, x), and .mp4."""

import math
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from datagen.storage.engine import Progress
from datagen.views.files import local_path, written_aside
from datagen.views.grey import grey_levels
from datagen.views.source import Source, check_range, read_chunks
from schemas.errors import InputError, MissingExtraError
from schemas.store import ArrayLayout

Array = NDArray[Any]
ExportFormat = Literal["npy", "npz", "mp4"]
EXPORT_FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)
FRAMES_PER_SECOND = 10
"""Of a video."""


def export_sequences(
    source: Source,
    path: str | Path,
    *,
    start: int = 0,
    stop: int | None = None,
    overwrite: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> None:
    """
    Write sequences to one file, in memory that does not grow with their number.

    .npy holds `frames` as (time, sequence, y, x). .npz holds every array by name, those of pixels with the time first
    as well, and what made them as text: `spec` (or `recipe`) as canonical JSON and `digest`; nothing in it is pickled.
    .mp4 is a lossy video of 10 frames a second, one sequence after the other, an odd side padded by a black line.

    Parameters
    ----------
    source : a spec or a store
    path : local; the suffix decides the format
    start, stop : which sequences, start .. stop - 1; all by default
    overwrite : whether a file that is there may be replaced
    progress : called after every chunk

    Raises
    ------
    InputError
        the suffix is none of these, the source lacks a sequence, a file is there, it cannot be written, or is a URL.
    MissingExtraError
        .mp4 is asked for and PyAV is not installed.
    """
    path, stop = local_path(path), source.n if stop is None else stop
    check_range(source, start, stop)
    kind = _format_of(path)
    chunks = _Chunks(source, start, stop, progress)
    if kind == "mp4":
        _require_pyav()
    with written_aside(path, overwrite=overwrite) as aside:
        match kind:
            case "npy":
                _write_npy(chunks, aside)
            case "npz":
                _write_npz(chunks, aside)
            case "mp4":
                _write_mp4(chunks, aside)


def _format_of(path: Path) -> ExportFormat:
    match path.suffix.lower():
        case ".npy":
            return "npy"
        case ".npz":
            return "npz"
        case ".mp4":
            return "mp4"
        case suffix:
            raise InputError(f"{path} has the suffix {suffix or '(none)'}; give .npy, .npz or .mp4")


class _Chunks:
    """The sequences of an export, a chunk at a time."""

    def __init__(self, source: Source, start: int, stop: int, progress: Callable[[Progress], None] | None) -> None:
        self.source = source
        self.count = stop - start
        self._range = start, stop
        self._progress = progress

    def read(self, *names: str) -> Iterator[tuple[int, dict[str, Array]]]:
        """Yield arrays in pieces, each after the place of its first sequence in the export."""
        begin = time.monotonic()
        start, stop = self._range
        for first, arrays in read_chunks(self.source, names, start, stop):
            yield first - start, arrays
            if self._progress:
                done = first - start + len(arrays[names[0]])
                self._progress(Progress(done, self.count, 0, time.monotonic() - begin))


class _NpyFile:
    """
    An array written in pieces.

    Every piece is written where it belongs: a memory map of the whole file would be killed, not told, by a full disk.
    """

    def __init__(self, path: Path, layout: ArrayLayout, count: int) -> None:
        self._time_first = "time" in layout.dimensions and "y" in layout.dimensions
        self._dtype = np.dtype(layout.dtype).newbyteorder("<")
        self._count = count
        inner = layout.shape[1:] if self._time_first else layout.shape
        self._item_bytes = math.prod(inner) * self._dtype.itemsize
        shape = (layout.shape[0], count, *inner) if self._time_first else (count, *inner)
        self._file = path.open("wb")
        descr = np.lib.format.dtype_to_descr(self._dtype)
        np.lib.format.write_array_header_1_0(self._file, {"descr": descr, "fortran_order": False, "shape": shape})
        self._begin = self._file.tell()

    def __enter__(self) -> "_NpyFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def put(self, place: int, values: Array) -> None:
        """Write sequences from number `place` of the file on; values are (sequence, ...)."""
        values = values.astype(self._dtype, copy=False)
        for row, part in enumerate(values.swapaxes(0, 1) if self._time_first else (values,)):
            self._file.seek(self._begin + (row * self._count + place) * self._item_bytes)
            self._file.write(np.ascontiguousarray(part).data)


def _write_npy(chunks: _Chunks, aside: Path) -> None:
    layout = chunks.source.layouts["frames"]
    _require_space(aside, chunks.count * layout.sequence_bytes)
    with _NpyFile(aside, layout, chunks.count) as file:
        for place, arrays in chunks.read("frames"):
            file.put(place, arrays["frames"])


def _write_npz(chunks: _Chunks, aside: Path) -> None:
    """Write each array beside the target, then copy one after the other into the archive."""
    layouts = chunks.source.layouts
    sizes = [chunks.count * layout.sequence_bytes for layout in layouts.values()]
    _require_space(aside, sum(sizes) + max(sizes))
    with TemporaryDirectory(prefix=f"{aside.name}.", dir=aside.parent) as folder:
        parts = {name: Path(folder, f"{name}.npy") for name in layouts}
        with ExitStack() as stack:
            files = {
                name: stack.enter_context(_NpyFile(part, layouts[name], chunks.count)) for name, part in parts.items()
            }
            for place, arrays in chunks.read(*layouts):
                for name, values in arrays.items():
                    files[name].put(place, values)
        with zipfile.ZipFile(aside, "w") as archive:
            for name, text in chunks.source.origin.items():
                with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w") as entry:
                    np.lib.format.write_array(entry, np.array(text), allow_pickle=False)
            for part in parts.values():
                with archive.open(zipfile.ZipInfo(part.name), "w", force_zip64=True) as entry, part.open("rb") as file:
                    shutil.copyfileobj(file, entry, _COPY_BYTES)
                part.unlink()


_COPY_BYTES = 2**20


def _require_space(aside: Path, size: int) -> None:
    free = shutil.disk_usage(aside.parent).free
    if size > free:
        raise InputError(
            f"{aside.parent} has {free / 1e9:.3g} GB free, the export takes {size / 1e9:.3g}; "
            "give fewer sequences or another path"
        )


def _require_pyav() -> None:
    try:
        import av  # noqa: F401  only whether it is there
    except ImportError:
        raise MissingExtraError(
            ".mp4 needs PyAV, which is not installed; pip install 'stmoe-synth[real]', or give .npy or .npz"
        ) from None


def _write_mp4(chunks: _Chunks, aside: Path) -> None:
    import av

    height, width = chunks.source.layouts["frames"].shape[-2:]
    with av.open(str(aside), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND, options={"crf": "18"})
        stream.height, stream.width = height + height % 2, width + width % 2  # YUV 4:2:0 halves both sides
        stream.pix_fmt = "yuv420p"
        for _, arrays in chunks.read("frames"):
            grey = grey_levels(arrays["frames"]).reshape(-1, height, width)
            for picture in np.pad(grey, ((0, 0), (0, height % 2), (0, width % 2))):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="gray")))
        container.mux(stream.encode())

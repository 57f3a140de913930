"""Why stores are not compressed: what codecs save of frames with noise and without, and what they cost."""

import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from timing import Row, arguments, interleaved, report
from zarr.codecs import BloscCodec, Crc32cCodec, ZstdCodec
from zarr.storage import MemoryStore

from datagen.rendering.sequence import Renderer
from schemas.render import RenderSpec
from schemas.store import CHUNKS_PER_UNIT, chunk_sequences

NOISE_RATIOS = (0.70, 0.0)
"""The paper's strongest noise and none."""
CODECS: dict[str, tuple[Any, ...]] = {
    "crc32c alone": (),
    "Zstandard, level 1": (ZstdCodec(level=1),),
    "Zstandard, level 9": (ZstdCodec(level=9),),
    "Blosc LZ4, level 5": (BloscCodec(cname="lz4", clevel=5, shuffle="noshuffle"),),
    "Blosc Zstandard, level 5, bits shuffled": (BloscCodec(cname="zstd", clevel=5, shuffle="bitshuffle"),),
}
"""All with the checksum that stores have."""


def main() -> None:
    """Write and read a unit of frames through zarr, in memory, with each codec."""
    options = arguments(__doc__ or "", rounds=5, chunks=CHUNKS_PER_UNIT)
    report([row for ratio in NOISE_RATIOS for row in codec_rows(ratio, options.chunks, options.rounds)], options)


def codec_rows(ratio: float, chunks: int, rounds: int) -> list[Row]:
    """Compare the codecs on frames of one noise ratio."""
    spec = RenderSpec(property="rotation", noise={"ratio": ratio})
    length = chunk_sequences(spec)
    frames = np.empty((chunks * length, spec.frames, spec.height, spec.width), np.uint8)
    renderer = Renderer(spec)
    stores = {name: made(frames, length, codecs) for name, codecs in CODECS.items()}
    tasks: dict[str, Callable[[int], object]] = {
        "rendering": lambda _number: renderer.render_into(0, {"frames": frames})
    }
    for name, array in stores.items():
        tasks[f"write {name}"] = writing(array, frames)
        tasks[f"read {name}"] = reading(array)
    seconds = {name: statistics.median(each) for name, each in interleaved(tasks, rounds).items()}
    return [
        Row(
            benchmark=f"compression: {name}, noise ratio {ratio:.2f}",
            measured=frames.nbytes / array.nbytes_stored(),
            unit="times smaller",
            detail=f"writes {frames.nbytes / seconds[f'write {name}'] / 1e6:,.0f} MB/s, which takes"
            f" {seconds[f'write {name}'] / seconds['rendering']:.0%} of the time of rendering on one thread; reads"
            f" {frames.nbytes / seconds[f'read {name}'] / 1e6:,.0f} MB/s",
        )
        for name, array in stores.items()
    ]


def made(frames: NDArray[np.uint8], length: int, codecs: tuple[Any, ...]) -> zarr.Array[Any]:
    """Return an array in memory with the chunks of a store."""
    return zarr.create_array(
        MemoryStore(),
        shape=frames.shape,
        dtype=frames.dtype,
        chunks=(length, *frames.shape[1:]),
        compressors=(*codecs, Crc32cCodec()),
    )


def writing(array: zarr.Array[Any], frames: NDArray[np.uint8]) -> Callable[[int], object]:
    """Return a task that writes all frames."""

    def write(_number: int) -> None:
        array[...] = frames

    return write


def reading(array: zarr.Array[Any]) -> Callable[[int], object]:
    """Return a task that reads all frames."""
    return lambda _number: array[...]


if __name__ == "__main__":
    main()

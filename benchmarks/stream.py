"""The stream of batches alone against copying blocks of the same bytes out of a memory map, page cache warm."""

import statistics
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

import numpy as np
import torch
import zarr
from commands import render
from numpy.typing import NDArray
from timing import Row, arguments, interleaved, report, scratch_directory, spread

from trainer.data.reader import Source
from trainer.data.splits import Selection
from trainer.data.stores import open_store
from trainer.data.stream import stream

BATCH = 16
FRAMES = 10
LIMIT = 0.5
PROCESSES = 2
NAMES = {
    "stream": "stream: shuffled batches, after a first epoch / blocks of 16 copied out of a `numpy.memmap`",
    "first": "stream: the same in a first epoch, which maps the files and checks every chunk",
    "processes": f"stream: the same with {PROCESSES} processes that read",
    "zarr": "stream: blocks of 64 read by zarr-python / the same copies",
}


def main() -> None:
    """Deliver every sequence of a store of the default size once, in a new order every round."""
    options = arguments(__doc__ or "", scratch=True, n=10_000, rounds=7)
    with scratch_directory(options.scratch) as folder:
        path = folder / "store.zarr"
        render(path, "--n", options.n)
        frames = memory_map(folder)
        source = whole(path)
        copies = {"memmap": copying(frames)}
        ours = {"stream": lambda number: epoch(source, number), "first": lambda number: epoch(whole(path), number)}
        seconds = interleaved(copies | ours, options.rounds)
        # Apart, since the processes go on reading for a while when nobody takes their batches.
        helped = stream([source], frames=FRAMES, batch=BATCH, seed=1, workers=PROCESSES)
        others = {"processes": lambda _number: take(helped, len(frames) // BATCH), "zarr": reading(path)}
        compared = interleaved(copies | others, options.rounds)
        helped.close()
    report([*rows(seconds, frames.nbytes), *rows(compared, frames.nbytes)], options)


def rows(seconds: dict[str, list[float]], size: int) -> list[Row]:
    """Compare everything with the copies out of a memory map."""
    rates = {name: size / statistics.median(values) / 1e9 for name, values in seconds.items()}
    shares = {
        name: [copied / other for copied, other in zip(seconds["memmap"], values, strict=True)]
        for name, values in seconds.items()
        if name != "memmap"
    }
    return [
        Row(
            benchmark=NAMES[name],
            measured=statistics.median(values),
            limit=LIMIT if name == "stream" else None,
            at_least=True,
            detail=f"{rates[name]:.1f} / {rates['memmap']:.1f} GB/s, quartiles {spread(values)}",
        )
        for name, values in shares.items()
    ]


def memory_map(folder: Path) -> NDArray[np.uint8]:
    """Write the frames as one file and map it."""
    frames = open_store(folder / "store.zarr")["frames"]
    file = np.lib.format.open_memmap(folder / "frames.npy", "w+", np.uint8, frames.shape)
    for start in range(0, len(file), 256):
        file[start : start + 256] = frames.rows(start, min(start + 256, len(file)))
    file.flush()
    return np.load(folder / "frames.npy", mmap_mode="r")


def whole(path: Path) -> Source:
    """Open a store; take all of it."""
    store = open_store(path)
    return Source(store, Selection.of((0, len(store))))


def copying(frames: NDArray[np.uint8]) -> Callable[[int], object]:
    """Return a task that copies all blocks of 16 sequences, in random order."""

    def copy(number: int) -> None:
        blocks = np.random.default_rng(number).permutation(len(frames) // BATCH).tolist()
        take((torch.from_numpy(np.array(frames[block * BATCH : (block + 1) * BATCH])) for block in blocks), len(blocks))

    return copy


def epoch(source: Source, number: int) -> None:
    """Stream an epoch; opening and closing of the stream count."""
    batches = stream([source], frames=FRAMES, batch=BATCH, seed=0, start=(number, 0))
    take(batches, len(source.selection) // BATCH)
    batches.close()


def reading(path: Path) -> Callable[[int], object]:
    """Return a task that reads all blocks of 64 sequences by zarr-python, in random order."""
    frames = zarr.open_group(path, mode="r")["frames"]

    def read(number: int) -> None:
        for block in np.random.default_rng(number).permutation(frames.shape[0] // 64).tolist():
            frames[block * 64 : (block + 1) * 64]

    return read


def take(batches: Iterable[object], count: int) -> None:
    """Take so many batches; as in training, one is held until the next is there."""
    for _batch in islice(batches, count):
        pass


if __name__ == "__main__":
    main()

"""Blocks: some whole chunks of a store, read at once, checked, and held until their sequences have been handed out."""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from schemas.errors import DamagedStoreError, InputError
from trainer.data.arrays import StoredArray
from trainer.data.splits import Selection
from trainer.data.stores import FRAMES, SequenceStore

Array = NDArray[Any]
Indices = NDArray[np.int64]

BLOCK_BYTES: Final = 16 * 2**20
"""Upper bound of a block's frames, unless a single chunk is larger. A shuffle holds up to 16 blocks."""
MAX_INTENSITY: Final = 16.0
"""In float frames, whose full scale is 1: rain is not clipped, and heavy rain goes beyond."""


@dataclass(frozen=True)
class Span:
    """Where a block lies."""

    source: int
    """Number of its store in the stream."""
    start: int
    stop: int
    """Behind its last sequence, were every block as long as the others."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to read of a block's sequences; it travels to the process that reads."""

    store: SequenceStore
    rows: Indices
    """Selected sequences, ascending."""
    frames: int
    """First frames of a sequence to take."""
    arrays: tuple[str, ...]
    """Names, `frames` among them."""
    skip: bool
    """Leave out what is damaged instead of raising."""


@dataclass(frozen=True)
class Chunks:
    """Neighbouring chunks of one array."""

    first: int
    """Sequence that the first chunk begins with."""
    length: int
    """Sequences of a chunk."""
    frames: int | None
    """Frames to take of a sequence; None for all there are, and for an array without time."""
    pieces: list[Any]
    """
    (sequence, ...) of each chunk, or of all together; None where a chunk is damaged or has no selected sequence.

    Arrays, and tensors on their way between processes.
    """

    def row(self, sequence: int) -> Array:
        """Return what belongs to one sequence of the store."""
        chunk, within = divmod(sequence - self.first, self.length)
        values: Array = self.pieces[chunk][within]
        return values if self.frames is None else values[: self.frames]


@dataclass(frozen=True)
class Block:
    """What was read."""

    rows: Indices
    """Selected sequences, ascending."""
    sound: NDArray[np.bool_]
    """Which of them are undamaged in every array."""
    damage: tuple[str, ...]
    """One line for each damaged chunk, with the number of sequences that it takes along."""
    chunks: dict[str, Chunks]


def cut(source: int, store: SequenceStore, selection: Selection) -> tuple[list[Span], Indices]:
    """
    Cut what is selected of a store into blocks.

    A block is as many chunks of `frames` as `BLOCK_BYTES` hold, at least one.

    Returns
    -------
    the blocks that hold selected sequences, and (block,) how many each
    """
    frames = store[FRAMES]
    length = frames.chunk_sequences * max(1, BLOCK_BYTES // (frames.chunk_sequences * frames.sequence_bytes))
    begin, end = int(selection.starts[0]) // length, -(-int(selection.stops[-1]) // length)
    bounds = np.arange(begin, end + 1) * length
    counts = selection.counts(bounds)
    kept = np.flatnonzero(counts)
    return [Span(source, start, start + length) for start in bounds[kept].tolist()], counts[kept]


def load(request: Request) -> Block:
    """
    Read and check a block.

    Raises
    ------
    DamagedStoreError
        a chunk is missing or fails its checksum, and is not to be skipped.
    InputError
        a frame holds what is no intensity (`fault_of`), or the world is at fault.
    """
    chunks, damage = {}, []
    sound = np.ones(len(request.rows), np.bool_)
    for name in request.arrays:
        array = request.store[name]
        numbers = request.rows // array.chunk_sequences
        first = int(numbers[0])
        pieces: list[Any] = [None] * (int(numbers[-1]) - first + 1)
        for number, piece in array.chunks(np.unique(numbers).tolist()):
            if not isinstance(piece, DamagedStoreError):
                pieces[number - first] = piece
            elif request.skip:
                lost = numbers == number
                sound[lost] = False
                damage.append(f"{piece}; {lost.sum()} of its sequences are left out")
            else:
                raise DamagedStoreError(f"{piece}; {array.remedy}, or train without it by data.on_damage: skip")
        taken = request.frames if has_time(array) and request.frames < array.shape[1] else None
        chunks[name] = Chunks(first * array.chunk_sequences, array.chunk_sequences, taken, pieces)
    _refuse_faulty(request, chunks[FRAMES], request.rows[sound])
    return Block(request.rows, sound, tuple(damage), chunks)


def known(request: Request) -> bool:
    """Return whether a block is mapped into this process and has been checked, so that loading is hardly any work."""
    arrays = [request.store[name] for name in request.arrays]
    return all(array.known((request.rows // array.chunk_sequences).tolist()) for array in arrays)


def load_elsewhere(request: Request) -> Block:
    """Read and check a block in a process of its own; each array travels as one tensor in memory that both share."""
    block = load(request)
    shared = {name: _shared(chunks, request.store[name]) for name, chunks in block.chunks.items()}
    return replace(block, chunks=shared)


def arrived(block: Block) -> Block:
    """Return a block that another process has read, with arrays again."""
    chunks = {
        name: replace(each, pieces=[tensor.numpy() for tensor in each.pieces]) for name, each in block.chunks.items()
    }
    return replace(block, chunks=chunks)


def fault_of(values: Array) -> str | None:
    """Return why floats are no intensities, and what to do; None where they are."""
    # The extremes pass NaN and infinity on, and need no array of truth values as large as the frames.
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        return "holds NaN or infinity; leave it out, or prepare the store again from data without"
    if max(-low, high) > MAX_INTENSITY:
        return f"has values from {low:g} to {high:g}; full scale of floats is 1, write them again as fractions of it"
    return None


def has_time(array: StoredArray) -> bool:
    """Return whether an array has a value, or a picture, for every frame of a sequence."""
    return array.dimensions[1:2] == ("time",)


def tensor_dtype(dtype: np.dtype[Any]) -> torch.dtype:
    """Return the dtype of tensors that hold what an array holds."""
    return torch.from_numpy(np.empty(0, dtype)).dtype


def _shared(chunks: Chunks, array: StoredArray) -> Chunks:
    """Put chunks together in shared memory, less the frames that nobody takes."""
    shape = array.shape[1:] if chunks.frames is None else (chunks.frames, *array.shape[2:])
    tensor = torch.empty((len(chunks.pieces), chunks.length, *shape), dtype=tensor_dtype(array.dtype))
    tensor.share_memory_()  # type: ignore[no-untyped-call] # torch has no type for it
    for whole, piece in zip(tensor.numpy(), chunks.pieces, strict=True):
        if piece is not None:
            np.copyto(whole, piece if chunks.frames is None else piece[:, : chunks.frames])
    return Chunks(chunks.first, len(chunks.pieces) * chunks.length, None, [tensor.flatten(0, 1)])


def _refuse_faulty(request: Request, frames: Chunks, rows: Indices) -> None:
    array: StoredArray = request.store[FRAMES]
    if array.dtype.kind != "f":
        return
    suspects = [piece is not None and fault_of(piece) is not None for piece in frames.pieces]
    for sequence in rows.tolist():
        if suspects[(sequence - frames.first) // frames.length] and (fault := fault_of(frames.row(sequence))):
            raise InputError(f"{request.store.path}: sequence {sequence} of frames {fault}")

"""The stream: every sequence once an epoch, the same for any worker, rank and restart, and honest about damage."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zarr

from datagen import render_store
from schemas.errors import DamagedStoreError, InputError
from tests.stores import chunks_of, tiny_spec
from tests.trainer.data.real_stores import flip_byte, write_real_store
from tests.trainer.data.web import Served, serving
from trainer.data.batches import Batch
from trainer.data.reader import Source
from trainer.data.splits import Selection
from trainer.data.stores import open_store
from trainer.data.stream import ordered, stream

FRAMES = 2
CHUNK_BYTES = 2 * (2 * 9 * 12) + 4
SIZES = {"rotation": 61, "intensity": 30, "translation": 43}


@pytest.fixture(scope="module", autouse=True)
def small_blocks() -> Iterator[None]:
    """Let a block hold two chunks, so that a few sequences make many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainer.data.blocks.BLOCK_BYTES", 2 * CHUNK_BYTES)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a store of each property, in chunks of 2 sequences."""
    folder = tmp_path_factory.mktemp("stream")
    with chunks_of(2):
        for kind, n in SIZES.items():
            render_store(tiny_spec(kind, frames=3, truth=("mask", "flow")), n, folder / f"{kind}.zarr")
    return folder


def source(path: str | Path, start: int = 0, stop: int | None = None) -> Source:
    store = open_store(path)
    return Source(store, Selection.of((start, len(store) if stop is None else stop)))


def union(folder: Path) -> list[Source]:
    return [source(folder / f"{kind}.zarr") for kind in SIZES]


def taken(sources: Sequence[Source], count: int, **options: Any) -> list[Batch]:
    with closing(stream(sources, **{"frames": FRAMES, "batch": 8, "seed": 0, **options})) as batches:
        return list(islice(batches, count))


def keys(batches: Sequence[Batch]) -> list[tuple[int, int]]:
    """Return (store, sequence) of everything in some batches, in order."""
    return [pair for batch in batches for pair in zip(batch.source.tolist(), batch.index.tolist(), strict=True)]


def same(batches: Sequence[Batch], others: Sequence[Batch]) -> bool:
    return all(
        a.following == b.following and torch.equal(a.frames, b.frames) and keys([a]) == keys([b])
        for a, b in zip(batches, others, strict=True)
    )


def test_batches_hold_the_frames_that_they_name(folder: Path) -> None:
    frames = [np.asarray(zarr.open_group(folder / f"{kind}.zarr", mode="r")["frames"][:]) for kind in SIZES]  # type: ignore[index]
    for batch in taken(union(folder), 20):
        expected = np.stack([frames[store][sequence, :FRAMES] for store, sequence in keys([batch])])
        assert batch.frames.dtype == torch.uint8
        assert np.array_equal(batch.frames.numpy(), expected)


def test_an_epoch_has_every_sequence_of_every_store_once(folder: Path) -> None:
    everything = {(store, sequence) for store, n in enumerate(SIZES.values()) for sequence in range(n)}
    whole = len(everything) // 8
    batches = taken(union(folder), 2 * whole)
    for epoch in (0, 1):
        seen = keys(batches[epoch * whole : (epoch + 1) * whole])
        assert len(set(seen)) == len(seen) == 8 * whole
        assert set(seen) <= everything
    assert keys(batches[:whole]) != keys(batches[whole:])
    assert [batch.following for batch in batches[:2]] == [(0, 1), (0, 2)]
    assert batches[whole].following == (1, 1)
    assert len({store for store, _ in keys(batches[:2])}) == 3  # mixed, not one store after the other


def test_a_selection_is_kept_to(folder: Path) -> None:
    seen = keys(taken([source(folder / "rotation.zarr", 5, 50)], 10))
    assert {sequence for _, sequence in seen} <= set(range(5, 50))


@pytest.mark.parametrize("stopped", [0, 1, 7, 16, 17, 40])
def test_going_on_is_as_not_having_stopped(folder: Path, stopped: int) -> None:
    whole = taken(union(folder), 45)
    start = whole[stopped].following
    assert same(taken(union(folder), 4, start=start), whole[stopped + 1 : stopped + 5])


@pytest.mark.parametrize("world", [2, 3, 4])
def test_the_ranks_together_have_the_batches_of_one_process(folder: Path, world: int) -> None:
    whole = taken(union(folder), 24, batch=12)
    shares = [taken(union(folder), 24, batch=12, rank=rank, world=world) for rank in range(world)]
    for number, batch in enumerate(whole):
        for rank in range(world):
            assert torch.equal(shares[rank][number].frames, batch.frames[rank::world])
            assert keys([shares[rank][number]]) == keys([batch])[rank::world]


@pytest.mark.slow
def test_processes_that_read_change_nothing(folder: Path) -> None:
    sources, options = union(folder), {"arrays": ("mask", "position")}
    alone = taken(sources, 20, **options)
    helped = taken(sources, 20, workers=2, **options)
    assert same(alone, helped)
    for name in ("mask", "position"):
        assert all(torch.equal(a[name], b[name]) for a, b in zip(alone, helped, strict=True))


def test_further_arrays_come_along(folder: Path) -> None:
    path = folder / "rotation.zarr"
    group = zarr.open_group(path, mode="r")
    for batch in taken([source(path)], 3, arrays=("mask", "flow", "position", "noise_ratio")):
        rows = batch.index.tolist()
        for name in ("mask", "flow"):
            assert np.array_equal(batch[name].numpy(), np.asarray(group[name][:])[rows, :FRAMES])  # type: ignore[index]
        for name in ("position", "noise_ratio"):
            assert np.array_equal(batch[name].numpy(), np.asarray(group[name][:])[rows])  # type: ignore[index]


def test_the_web_changes_nothing(folder: Path) -> None:
    with serving(Served(folder)) as server:
        remote = taken([source(f"{server.url}/rotation.zarr")], 9)
    assert same(remote, taken([source(folder / "rotation.zarr")], 9))


def test_in_order_everything_comes_once(folder: Path) -> None:
    batches = list(ordered(union(folder), frames=3, batch=16))
    assert keys(batches) == [(store, sequence) for store, n in enumerate(SIZES.values()) for sequence in range(n)]
    assert [len(batch) for batch in batches] == [16] * 8 + [6]


def test_in_order_the_ranks_share_everything(folder: Path) -> None:
    sources = [source(folder / "intensity.zarr", 3, 20)]
    shares = [keys(list(ordered(sources, frames=1, batch=4, rank=rank, world=2))) for rank in (0, 1)]
    assert shares == [[(0, sequence) for sequence in range(3 + rank, 20, 2)] for rank in (0, 1)]


def test_one_sequence_is_a_stream(folder: Path) -> None:
    assert keys(taken([source(folder / "rotation.zarr", 60, 61)], 3, batch=1)) == [(0, 60)] * 3


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """Return a store whose chunks 3, 8 and 9 fail their checksum; 8 and 9 are one block."""
    path = tmp_path / "damaged.zarr"
    frames = np.random.default_rng(0).integers(0, 256, (40, 2, 9, 12), np.uint8)
    write_real_store(path, {"frames": frames}, chunk=2, shard=32)
    for chunk in (3, 8, 9):
        flip_byte(path / "frames/c/0/0/0/0", chunk * CHUNK_BYTES + 11)
    return path


LOST = {6, 7, 16, 17, 18, 19}


def test_damage_stops_with_store_array_and_chunk(damaged: Path) -> None:
    with pytest.raises(DamagedStoreError, match=r"damaged\.zarr: chunk \d of frames \(sequences \d+-\d+\): fails its"):
        taken([source(damaged)], 5)


def test_damage_outside_the_selection_is_no_matter(damaged: Path) -> None:
    assert len(taken([source(damaged, 20, 40)], 6)) == 6


def test_skipping_leaves_damage_out_and_says_so(damaged: Path, caplog: pytest.LogCaptureFixture) -> None:
    batches = taken([source(damaged)], 15, on_damage="skip")
    assert [len(batch) for batch in batches] == [8] * 15
    assert {sequence for _, sequence in keys(batches)} == set(range(40)) - LOST
    assert sorted(caplog.messages) == [
        f"{damaged}: chunk {chunk} of frames (sequences {2 * chunk}-{2 * chunk + 1}): fails its checksum; "
        "2 of its sequences are left out"
        for chunk in (3, 8, 9)
    ]


def test_skipping_moves_nothing_else(damaged: Path, tmp_path: Path) -> None:
    frames = zarr.open_group(damaged, mode="r")["frames"]
    sound = write_real_store(tmp_path / "sound.zarr", {"frames": np.zeros(frames.shape, np.uint8)}, shard=32)  # type: ignore[union-attr]
    left, whole = keys(taken([source(damaged)], 15, on_damage="skip")), keys(taken([source(sound)], 15))
    assert [a for a, b in zip(left, whole, strict=True) if b[1] not in LOST] == [b for b in whole if b[1] not in LOST]
    going_on = taken([source(damaged)], 3, on_damage="skip", start=(1, 2))
    assert keys(going_on) == left[8 * 7 : 8 * 10]


def test_in_order_skipping_makes_fewer(damaged: Path) -> None:
    batches = list(ordered([source(damaged)], frames=2, batch=2, on_damage="skip"))
    assert [sequence for _, sequence in keys(batches)] == sorted(set(range(40)) - LOST)
    assert all(len(batch) for batch in batches)


def test_nothing_sound_stops_even_when_skipping(damaged: Path) -> None:
    with pytest.raises(DamagedStoreError, match=r"damaged\.zarr: every sequence is damaged; get the store again"):
        taken([source(damaged, 16, 20)], 1, batch=4, on_damage="skip")


def test_nan_is_never_skipped(tmp_path: Path) -> None:
    frames = np.zeros((20, 2, 4, 4), np.float32)
    frames[13, 1] = np.nan
    path = write_real_store(tmp_path / "real.zarr", {"frames": frames})
    with pytest.raises(InputError, match=r"real\.zarr: sequence 13 of frames holds NaN"):
        taken([source(path)], 3, on_damage="skip")


def test_too_few_frames(folder: Path) -> None:
    with pytest.raises(InputError, match=r"rotation\.zarr has sequences of 3 frames, 10 are asked for; give another"):
        stream([source(folder / "rotation.zarr")], frames=10, batch=1, seed=0)


def test_stores_of_different_sizes(folder: Path, tmp_path: Path) -> None:
    other = write_real_store(tmp_path / "real.zarr", {"frames": np.zeros((4, 3, 9, 13), np.uint8)})
    with pytest.raises(InputError, match=r"frames is 2x9x13 uint8 in .*real\.zarr and 2x9x12 uint8 in .*rotation"):
        stream([source(folder / "rotation.zarr"), source(other)], frames=2, batch=1, seed=0)


def test_stores_of_different_types(folder: Path, tmp_path: Path) -> None:
    other = write_real_store(tmp_path / "real.zarr", {"frames": np.zeros((4, 2, 9, 12), np.float32)})
    with pytest.raises(InputError, match=r"float32 in .* give stores of one size and type"):
        ordered([source(folder / "rotation.zarr"), source(other)], frames=2, batch=1)


def test_an_array_that_a_store_lacks(folder: Path) -> None:
    with pytest.raises(InputError, match=r"rotation\.zarr has no array clean; it has "):
        stream([source(folder / "rotation.zarr")], frames=2, batch=1, seed=0, arrays=("clean",))


def test_too_few_sequences_for_a_batch(folder: Path) -> None:
    with pytest.raises(InputError, match=r"rotation\.zarr: 5 sequences do not fill a batch of 8; give a smaller batch"):
        stream([source(folder / "rotation.zarr", 0, 5)], frames=2, batch=8, seed=0)


def test_a_batch_that_cannot_be_shared(folder: Path) -> None:
    with pytest.raises(InputError, match="a batch of 8 cannot be shared by 3 processes; give a multiple of 3"):
        stream(union(folder), frames=2, batch=8, seed=0, world=3)


def test_a_batch_names_its_sequences(folder: Path) -> None:
    sources = union(folder)
    [batch] = list(ordered([Source(each.store, Selection.of((4, 6))) for each in sources[:2]], frames=2, batch=8))
    assert batch.named == f"4, 5 of {folder}/rotation.zarr and 4, 5 of {folder}/intensity.zarr"


def readers() -> int:
    return sum(thread.name.startswith("blocks") for thread in threading.enumerate())


def test_what_has_been_read_needs_no_thread(folder: Path) -> None:
    sources = union(folder)
    before = taken(sources, 17)
    with closing(stream(sources, frames=FRAMES, batch=8, seed=0)) as batches:
        assert same(list(islice(batches, 17)), before)
        assert readers() == 0


def test_what_the_system_has_not_kept_is_read_by_threads_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = union(folder)
    before = taken(sources, 17)
    monkeypatch.setattr("trainer.data.workers.KEPT_SECONDS", 0)
    with closing(stream(sources, frames=FRAMES, batch=8, seed=0)) as batches:
        assert same(list(islice(batches, 17)), before)
        assert readers() > 0


def test_closing_leaves_no_thread(folder: Path) -> None:
    before = threading.active_count()
    batches = stream(union(folder), frames=2, batch=8, seed=0)
    next(batches)
    assert threading.active_count() > before
    batches.close()
    assert threading.active_count() == before

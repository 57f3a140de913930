"""A render: the same bytes whatever its history, killed, crowded out or alone; and it says what it did."""

import re
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.direct import render_sequence
from datagen.storage.engine import Progress, render_store
from datagen.storage.local_objects import LocalObjects
from datagen.storage.shards import object_layouts
from datagen.storage.store import open_store, stored_fields
from datagen.storage.units import unit_count
from schemas.errors import IncompleteStoreError, InputError, MissingExtraError
from schemas.render import RenderSpec
from tests.commands import Done, finished, run, start
from tests.datagen.storage.conftest import Disk
from tests.stores import (
    SPRITES,
    chunks_of,
    expected_objects,
    files_of,
    full_spec,
    leftovers_of,
    objects_of,
    tiny_spec,
)
from tests.waiting import wait_for

expected = cache(expected_objects)
"""Each spec is used with one length of chunks alone."""


@contextmanager
def pieces_of(octets: int) -> Iterator[None]:
    """Let a worker hold at most so many bytes at a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("datagen.storage.unit_renderer.PIECE_BYTES", octets)
        patch.setattr("datagen.storage.unit_renderer.PIECES_PER_WORKER", 1)
        yield


# One outcome


@dataclass(frozen=True)
class Step:
    """One render of a store's history."""

    more: int
    """Sequences beyond those of the step before."""
    workers: int
    piece_bytes: int
    overwrite: bool


steps = st.builds(
    Step,
    more=st.integers(0, 50),
    workers=st.integers(1, 4),
    piece_bytes=st.sampled_from([1, 10_000, 2**23]),
    overwrite=st.booleans(),
)


@given(history=st.lists(steps, min_size=1, max_size=3), first=st.integers(1, 50))
@settings(max_examples=8)
def test_bytes_depend_on_spec_and_n_alone(
    history: list[Step], first: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Not on workers, lengths of pieces, extensions or what lay there before."""
    path, n = tmp_path_factory.mktemp("history") / "a.zarr", first
    with chunks_of(2):
        for step in history:
            if step.overwrite:
                render_store(tiny_spec(seed=1), n, path, overwrite=True)
            n += step.more
            with pieces_of(step.piece_bytes):
                report = render_store(
                    full_spec(), n, path, sprites=SPRITES, workers=step.workers, overwrite=step.overwrite
                )
            assert report.rendered + report.resumed == n
        assert objects_of(path) == expected(full_spec(), n)


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32"])
def test_each_sequence_in_the_store_is_the_one_that_is_rendered_alone(dtype: str, tmp_path: Path) -> None:
    spec = full_spec(dtype=dtype)
    with chunks_of(1):
        render_store(spec, 20, tmp_path / "a.zarr", sprites=SPRITES)
        store = open_store(tmp_path / "a.zarr")
        arrays = {layout.name: np.asarray(store[layout.name]) for layout in object_layouts(spec)}
    for i in range(20):
        alone = render_sequence(spec, i, SPRITES)
        for name, array in arrays.items():
            own = alone.parameters[name] if name in alone.parameters else getattr(alone, name)
            assert array[i].tobytes() == own.tobytes(), (name, i)


@pytest.mark.parametrize("n", [1, 15, 16, 17, 40])
def test_a_unit_has_one_file_an_array_however_many_sequences_it_holds(n: int, tmp_path: Path) -> None:
    spec = tiny_spec(truth=["mask"])
    with chunks_of(1):
        render_store(spec, n, tmp_path / "a.zarr")
        keys = {layout.key(unit) for layout in object_layouts(spec) for unit in range(unit_count(spec, n))}
        assert objects_of(tmp_path / "a.zarr").keys() == keys


def test_a_million_sequences_of_the_default_size_would_be_four_thousand_units() -> None:
    assert unit_count(RenderSpec.parse({"property": "rotation"}), 10**6) == 3907


# What it says


def test_the_report_counts_what_this_run_did(tmp_path: Path) -> None:
    spec, path = tiny_spec(), tmp_path / "a.zarr"
    with chunks_of(1):
        first = render_store(spec, 40, path)
        assert (first.path, first.n, first.digest) == (str(path), 40, spec.digest)
        assert (first.rendered, first.resumed) == (40, 0)
        assert first.bytes == sum(len(data) for data in objects_of(path).values())
        assert first.kernel_seconds > 0
        assert first.seconds > 0
        second = render_store(spec, 50, path)
    assert (second.rendered, second.resumed, second.n) == (18, 32, 50)


def test_progress_is_told_in_this_thread_after_each_unit(tmp_path: Path) -> None:
    told: list[tuple[Progress, threading.Thread]] = []
    with chunks_of(1):
        render_store(tiny_spec(), 32, tmp_path / "a.zarr")
        render_store(
            tiny_spec(), 100, tmp_path / "a.zarr", progress=lambda now: told.append((now, threading.current_thread()))
        )
    assert {thread for _, thread in told} == {threading.current_thread()}
    done = [now.done_sequences for now, _ in told]
    assert len(done) == 5
    assert done[-1] == 100
    assert all(0 < later - earlier <= 16 for earlier, later in pairwise([32, *done]))
    for now, _ in told:
        assert (now.total_sequences, now.resumed_sequences) == (100, 32)
        assert now.rate == pytest.approx((now.done_sequences - 32) / now.seconds)


@pytest.mark.parametrize(("workers", "scheduler"), [(0, None), (-1, None), (2, "tcp://127.0.0.1:1")])
def test_workers_that_are_none_or_beside_a_scheduler_are_refused(
    workers: int, scheduler: str | None, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=f"^workers is {workers}; give 1 or more threads, or a scheduler"):
        render_store(tiny_spec(), 3, tmp_path / "a.zarr", workers=workers, scheduler=scheduler)
    assert list(tmp_path.iterdir()) == []


def test_the_clock_starts_when_the_kernels_are_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first run compiles for a minute, which would be taken for slow rendering."""
    now = 0.0

    def tick(seconds: float = 0.001) -> float:
        nonlocal now
        now += seconds
        return now

    monkeypatch.setattr("datagen.storage.engine.perf_counter", tick)
    monkeypatch.setattr("datagen.storage.engine.warm_up", lambda: tick(60))
    told: list[Progress] = []
    report = render_store(tiny_spec(), 3, tmp_path / "a.zarr", progress=told.append)
    assert now > 60
    assert max(report.seconds, *(stage.seconds for stage in told)) < 1


@pytest.mark.parametrize(("n", "overwrite"), [(40, True), (50, False)], ids=["overwriting it", "extending it"])
@pytest.mark.parametrize("without", ["a scheduler", "dask"])
def test_a_cluster_that_cannot_be_had_leaves_the_store_as_it_was(
    without: str, n: int, overwrite: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datagen.storage.engine.CONNECT_SECONDS", 0.1)
    if without == "dask":
        monkeypatch.setitem(sys.modules, "distributed", None)
    path = tmp_path / "a.zarr"
    with chunks_of(1):
        render_store(tiny_spec(), 40, path)
        before = files_of(path)
        for store, spec in ((path, tiny_spec(seed=int(overwrite))), (tmp_path / "new.zarr", tiny_spec())):
            with pytest.raises(MissingExtraError if without == "dask" else InputError, match=r"[Dd]ask"):
                render_store(spec, n, store, overwrite=overwrite, scheduler="tcp://127.0.0.1:1")
        assert files_of(path) == before
    assert not (tmp_path / "new.zarr").exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupt_keeps_units_frees_the_lock_and_leaves_no_thread(
    error: type[BaseException], tmp_path: Path
) -> None:
    path, threads = tmp_path / "a.zarr", set(threading.enumerate())

    def interrupt(now: Progress) -> None:
        if now.done_sequences >= 32:
            raise error

    with chunks_of(1):
        with pytest.raises(error):
            render_store(tiny_spec(), 300, path, progress=interrupt)
        assert set(threading.enumerate()) <= threads
        found = objects_of(path)
        assert found.items() <= expected(tiny_spec(), 300).items()
        with pytest.raises(IncompleteStoreError):
            open_store(path)
        assert render_store(tiny_spec(), 300, path).resumed >= 32
        assert objects_of(path) == expected(tiny_spec(), 300)


# Killed, and two at once: real processes and the real layout


N, FEWER = 90_000, 40_000
"""Sequences in 5.5 and in 2.4 units of 16,384."""
SPEC = RenderSpec.parse(
    {"property": "mixed", "frames": 1, "height": 8, "width": 8, "objects": {"count": [1, 1]}, "noise": {"ratio": 0}}
)


def command(folder: Path, *more: str) -> tuple[str | Path, ...]:
    (folder / "spec.json").write_text(SPEC.canonical_json(), encoding="utf-8")
    return (
        "render",
        "--spec",
        folder / "spec.json",
        "--n",
        str(N),
        "--out",
        folder / "a.zarr",
        "--workers",
        "1",
        *more,
    )


def marker(store: Path, unit: int) -> Path:
    return store / object_layouts(SPEC)[-1].key(unit)


def attributes(store: Path) -> dict[str, object]:
    """Return the attributes as a reader sees them at this moment."""
    return stored_fields(LocalObjects(store)) or {}


@dataclass(frozen=True)
class Kill:
    """A moment of a render at which it is killed."""

    moment: Callable[[Path], bool]
    before: Callable[[Path], object] = lambda _: None
    options: tuple[str, ...] = ()


def shorter(store: Path) -> None:
    render_store(SPEC, FEWER, store)


def another(store: Path) -> None:
    render_store(SPEC.model_copy(update={"seed": 1}), FEWER, store)


KILLS = {
    "begun": Kill(lambda store: (store / "zarr.json").exists()),
    "first unit under way": Kill(lambda store: any(marker(store, 0).parent.glob("*.partial"))),
    "second unit done": Kill(lambda store: marker(store, 1).exists()),
    "partial unit of an extension under way": Kill(lambda store: not marker(store, 2).exists(), shorter),
    "partial unit of an extension done": Kill(
        lambda store: attributes(store).get("n") == N and marker(store, 2).exists(), shorter
    ),
    "overwriting": Kill(
        lambda store: attributes(store).get("digest") == SPEC.digest and marker(store, 1).exists(),
        another,
        ("--overwrite",),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("kill", KILLS)
def test_a_killed_render_leaves_whole_objects_and_the_command_that_readers_are_told_completes_it(
    kill: str, tmp_path: Path
) -> None:
    store, whole, scene = tmp_path / "a.zarr", expected(SPEC, N), KILLS[kill]
    scene.before(store)
    of_before = objects_of(store)
    process = start(*command(tmp_path, *scene.options))
    wait_for(lambda: scene.moment(store), process)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    for key, data in objects_of(store).items():
        assert key.endswith(".partial") or data in (whole[key], of_before.get(key)), key
    with pytest.raises(IncompleteStoreError) as refused:
        open_store(store)
    told = re.search("`datagen (.*)`", str(refused.value))
    assert told
    assert run(*shlex.split(told[1])).code == 0
    n = open_store(store).n  # a kill before an extension grew leaves the n of before
    assert objects_of(store) == expected(SPEC, n)
    assert n == N or (n == FEWER and of_before)
    assert run(*command(tmp_path)).code == 0
    assert objects_of(store) == whole


@pytest.mark.slow
def test_a_render_that_is_killed_again_and_again_is_completed_by_the_same_command(tmp_path: Path) -> None:
    store = tmp_path / "a.zarr"
    for unit in range(3):
        process = start(*command(tmp_path))
        wait_for(marker(store, unit).exists, process)
        process.kill()
        process.communicate()
    done = run(*command(tmp_path))
    assert (done.code, done.out) == (0, f"{store}\n")
    assert "were there already" in done.err
    assert objects_of(store) == expected(SPEC, N)


@pytest.mark.slow
def test_a_second_render_into_one_path_exits_with_1_and_names_the_lock(tmp_path: Path) -> None:
    store = tmp_path / "a.zarr"
    first = start(*command(tmp_path))
    wait_for(marker(store, 0).exists, first)
    first.send_signal(signal.SIGSTOP)
    try:
        for second in (run(*command(tmp_path)), run(*command(tmp_path, "--overwrite"))):
            assert second.code == 1
            assert f"is being written by another process, which holds {store}.lock" in second.error
    finally:
        first.send_signal(signal.SIGCONT)
    assert finished(first).code == 0
    assert objects_of(store) == expected(SPEC, N)


# A full disk, and one that must not be written


def rendered_on(disk: Disk, n: int, *more: str) -> Done:
    tiny = ("--frames", "2", "--height", "9", "--width", "12")
    return run("render", "--property", "mixed", *tiny, "--n", str(n), "--out", disk.path / "a.zarr", *more)


@pytest.mark.parametrize("size", ["48k", "100k", "700k"])
@pytest.mark.parametrize("before", [0, 20])
def test_a_full_disk_is_one_line_and_with_more_room_the_same_command_completes_the_store(
    size: str, before: int, disk: Disk
) -> None:
    store = disk.path / "a.zarr"
    with chunks_of(1):
        if before:
            assert rendered_on(disk, before).code == 0
            taken = sum(file.stat().st_blocks * 512 for file in disk.path.rglob("*")) // 1024
            disk.remount(f"size={taken + int(size.removesuffix('k'))}k")
        else:
            disk.remount(f"size={size}")
        of_before = objects_of(store)
        full = rendered_on(disk, 200)
        assert full.code == 1
        assert full.error == (
            f"{store} cannot be written: no space left on device; "
            "free some space and run the same command again, finished units are kept"
        )
        assert leftovers_of(store) == []
        for key, data in objects_of(store).items():
            assert data in (expected(tiny_spec(), 200)[key], of_before.get(key)), key
        disk.remount("size=8m")
        assert rendered_on(disk, 200).code == 0
        assert objects_of(store) == expected(tiny_spec(), 200)


def test_a_target_that_must_not_be_written_is_one_line_and_left_as_it_is(disk: Disk) -> None:
    store = disk.path / "a.zarr"
    with chunks_of(1):
        assert rendered_on(disk, 20).code == 0
        before = files_of(store)
        disk.remount("ro")
        for done in (rendered_on(disk, 20), rendered_on(disk, 40), rendered_on(disk, 20, "--overwrite")):
            assert done.code == 1
            assert done.error == (f"{store} cannot be written: read-only file system; give a path that you may write")
        assert files_of(store) == before
        assert run("verify", store).code == 0

"""Processes that read: their errors in one line, and none of them left, however the main process ends."""

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import psutil
import pytest

from schemas.errors import DamagedStoreError, InputError
from tests.commands import ROOT
from tests.trainer.data.real_stores import flip_byte, write_real_store
from tests.waiting import wait_for
from trainer.data.reader import Source
from trainer.data.splits import Selection
from trainer.data.stores import open_store
from trainer.data.stream import stream

N = 300
CHUNK_BYTES = 2 * (2 * 9 * 12) + 4

READING = """
import sys, time
from trainer.data.reader import Source
from trainer.data.splits import Selection
from trainer.data.stores import open_store
from trainer.data.stream import stream

if __name__ == "__main__":
    store = open_store(sys.argv[1])
    batches = stream([Source(store, Selection.of((0, len(store))))], frames=2, batch=8, seed=0, workers=1)
    try:
        next(batches)
        print("reading", flush=True)
        for batch in batches:
            time.sleep(0.01)
    except KeyboardInterrupt:
        sys.exit(130)
"""

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a block hold two chunks, so that there is always something to read."""
    monkeypatch.setattr("trainer.data.blocks.BLOCK_BYTES", 2 * CHUNK_BYTES)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    frames = np.random.default_rng(0).integers(0, 256, (N, 2, 9, 12), np.uint8)
    return write_real_store(tmp_path / "real.zarr", {"frames": frames}, shard=512)


def source(path: Path) -> Source:
    return Source(open_store(path), Selection.of((0, N)))


def readers() -> list[psutil.Process]:
    """Return the processes that this one has spawned to read."""
    return [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]


def test_damage_found_by_a_process_is_the_same_line(path: Path) -> None:
    flip_byte(path / "frames/c/0/0/0/0", 70 * CHUNK_BYTES)
    with (
        closing(stream([source(path)], frames=2, batch=8, seed=0, workers=1)) as batches,
        pytest.raises(DamagedStoreError) as caught,
    ):
        for _batch in batches:
            pass
    assert str(caught.value) == (
        f"{path}: chunk 70 of frames (sequences 140-141): fails its checksum; get the store again, "
        "or train without it by data.on_damage: skip"
    )


def test_a_killed_process_is_one_line_and_none_is_left(path: Path) -> None:
    with closing(stream([source(path)], frames=2, batch=8, seed=0, workers=2)) as batches:
        next(batches)
        readers()[0].kill()
        with pytest.raises(InputError, match=r"a process that reads data has died, .*; run the same command again"):
            for _batch in batches:
                pass
    wait_for(lambda: not readers())


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_of_a_process_that_is_stopped(path: Path, tmp_path: Path, ending: signal.Signals) -> None:
    script = tmp_path / "reading.py"
    script.write_text(READING)
    process = subprocess.Popen(
        [sys.executable, script, path],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "reading\n"
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    if ending == signal.SIGINT:
        os.killpg(process.pid, ending)  # as a terminal does: everyone hears it
    else:
        process.kill()
    _, errors = process.communicate(timeout=120)
    assert process.returncode == (130 if ending == signal.SIGINT else -signal.SIGKILL)
    assert "Traceback" not in errors
    wait_for(lambda: not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children))

"""Rendering on a real Dask cluster: the bytes of threads, also when a worker or the scheduler is killed on the way."""

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
import yaml

from schemas.render import RenderSpec
from schemas.store import unit_sequences
from tests.cluster import Cluster
from tests.commands import finished, run, start
from tests.object_storage import BUCKET, serving
from tests.stores import objects_of
from tests.waiting import wait_for

pytestmark = pytest.mark.slow

FIELDS = {
    "property": "rotation",
    "frames": 1,
    "height": 16,
    "width": 16,
    "objects": {"count": [1, 1]},
    "noise": {"ratio": 0.26, "perlin": 0},
}
SPEC = RenderSpec.parse(FIELDS)
UNIT = unit_sequences(SPEC)
N = 6 * UNIT + 7


@pytest.fixture
def begin_cluster(tmp_path: Path) -> Iterator[Callable[..., Cluster]]:
    with ExitStack() as stack:
        (tmp_path / "dask").mkdir()
        yield lambda workers=2: Cluster(tmp_path / "dask", stack, workers)


@pytest.fixture(scope="module")
def spec_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("spec") / "spec.yaml"
    file.write_text(yaml.safe_dump(FIELDS), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, spec_file: Path) -> dict[str, bytes]:
    """Return the objects that threads render."""
    store = tmp_path_factory.mktemp("threads") / "x.zarr"
    assert run("render", "--spec", spec_file, "--n", str(N), "--out", store).code == 0
    return objects_of(store)


def command(spec_file: Path, out: Path | str, address: str, n: int = N) -> tuple[str | Path, ...]:
    return ("render", "--spec", spec_file, "--n", str(n), "--out", out, "--scheduler", address, "--json")


def held_open_by(worker: subprocess.Popen[str]) -> list[Path]:
    """Return the files that a worker is writing."""
    return [Path(file.path) for file in psutil.Process(worker.pid).open_files() if file.path.endswith(".partial")]


def is_caught_writing(worker: subprocess.Popen[str]) -> bool:
    """Stop a worker if it is in the middle of a unit."""
    process = psutil.Process(worker.pid)
    process.suspend()
    if held_open_by(worker):
        return True
    process.resume()
    return False


def test_a_cluster_renders_what_threads_do_and_a_killed_worker_changes_nothing(
    begin_cluster: Callable[[], Cluster], spec_file: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    cluster = begin_cluster()
    whole = finished(start(*command(spec_file, "whole.zarr", cluster.address), cwd=tmp_path))
    assert whole.code == 0, whole.err
    report = json.loads(whole.out)
    assert (report["rendered"], report["resumed"]) == (N, 0)
    assert report["bytes"] == sum(len(data) for data in expected.values())
    assert objects_of(tmp_path / "whole.zarr") == expected

    store = tmp_path / "cut.zarr"
    process = start(*command(spec_file, store, cluster.address))
    victim = cluster.workers[0]
    wait_for(lambda: is_caught_writing(victim), process, victim)
    left = held_open_by(victim)
    victim.kill()
    victim.wait()
    assert all(file.exists() for file in left)
    done = finished(process)
    assert done.code == 0, done.err
    assert "Traceback" not in done.err
    assert objects_of(store) == expected
    assert run("verify", store).code == 0


def test_a_killed_scheduler_is_one_line_and_the_same_command_completes_on_a_new_one(
    begin_cluster: Callable[[], Cluster], spec_file: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    cluster, store = begin_cluster(), tmp_path / "x.zarr"
    process = start(*command(spec_file, store, cluster.address))
    wait_for((store / "frames/c/0/0/0/0").exists, process, cluster.scheduler)
    for worker in cluster.workers:  # else they may render all that they hold before anybody hears of the scheduler
        worker.send_signal(signal.SIGSTOP)
    cluster.scheduler.kill()
    done = finished(process)
    assert (done.code, done.out) == (1, "")
    assert "distributed" not in done.err
    assert done.error == (
        f"the Dask scheduler at {cluster.address} is gone; finished units are kept, run the same command again"
    )
    assert not json.loads((store / "zarr.json").read_text(encoding="utf-8"))["attributes"]["complete"]
    for worker in cluster.workers:
        worker.kill()
        worker.wait()
    cluster.begin(cluster.address.rpartition(":")[2], 1)
    again = finished(start(*command(spec_file, store, cluster.address)))
    assert again.code == 0, again.err
    assert 0 < json.loads(again.out)["resumed"] < N
    assert objects_of(store) == expected


def test_the_workers_of_a_cluster_write_into_a_bucket(
    begin_cluster: Callable[[], Cluster], spec_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    n = UNIT + 7
    assert run("render", "--spec", spec_file, "--n", str(n), "--out", tmp_path / "x.zarr").code == 0
    with serving() as storage:
        for name, value in storage.environment.items():
            monkeypatch.setenv(name, value)
        cluster = begin_cluster()
        done = finished(start(*command(spec_file, f"s3://{BUCKET}/x.zarr", cluster.address, n)))
        assert done.code == 0, done.err
        assert storage.objects("x.zarr") == objects_of(tmp_path / "x.zarr")


def test_a_cluster_without_workers_is_waited_for_and_said_to_be(
    begin_cluster: Callable[..., Cluster], spec_file: Path, tmp_path: Path
) -> None:
    cluster = begin_cluster(workers=0)
    process = start(*command(spec_file, tmp_path / "x.zarr", cluster.address, 7))
    assert process.stderr is not None
    waiting = f"the Dask scheduler at {cluster.address} has no workers; waiting for some\n"
    assert waiting in (process.stderr.readline() for _ in range(2))
    cluster.worker()
    assert finished(process).code == 0


def test_what_a_cluster_cannot_do_is_one_line(
    begin_cluster: Callable[[], Cluster], spec_file: Path, tmp_path: Path
) -> None:
    cluster = begin_cluster()
    unseen = finished(start(*command(spec_file, "memory://x.zarr", cluster.address)))
    assert (unseen.code, unseen.out) == (1, "")
    assert "does not see memory://x.zarr; give a path that all workers share, or a URL" in unseen.error
    taken = tmp_path / "taken.zarr"
    assert run("render", "--property", "mixed", "--frames", "1", "--size", "16", "--n", "1", "--out", taken).code == 0
    assert "use another path or --overwrite" in run(*command(spec_file, taken, cluster.address)).error
    cluster.scheduler.kill()
    cluster.scheduler.wait()
    nobody = finished(start(*command(spec_file, tmp_path / "x.zarr", cluster.address)))
    assert (nobody.code, nobody.out) == (1, "")
    assert nobody.error == (
        f"no Dask scheduler answers at {cluster.address}; give its address, e.g. tcp://10.0.0.1:8786"
    )

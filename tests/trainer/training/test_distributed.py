"""Several processes learn what one does, stop together, and say what is wrong in one line each."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray

from schemas.errors import InputError
from tests.commands import ROOT, Done, finished
from tests.trainer.commands import ENVIRONMENT, run, start
from tests.trainer.data.real_stores import write_real_store
from tests.trainer.tiny import CPU, changed, parameters, saved, tiny_config, tiny_fields
from tests.waiting import wait_for
from trainer.training.checkpoint import BEST, LAST
from trainer.training.distributed import Place, device_of
from trainer.training.fit import fit
from trainer.training.recording import read_log

Stores = dict[str, str]
WORLD = 2
PHASES = ("decoder", "expert-translation", "expert-rotation", "gates", "joint")
STEPS = 10


def fields_of(stores: Stores, **changes: Any) -> dict[str, Any]:
    """Return a run with experts of both kinds, so that every objective and way to freeze is among its phases."""
    budget = {"steps": STEPS, "batch": 4, "validate_every": 5}
    fields = tiny_fields(stores, schedule=dict.fromkeys(("decoder", "mim", "addl", "gates", "joint"), budget))
    fields["data"]["synthetic"] = {name: stores[name] for name in ("translation", "rotation")}
    return fields | changes


def command(folder: Path, fields: Mapping[str, Any], run: Path) -> list[str]:
    file = folder / "run.yaml"
    file.write_text(yaml.safe_dump(dict(fields)))
    return ["fit", "--config", str(file), "--out", str(run), "--device", "cpu"]


def ranks(arguments: list[str], **options: Any) -> list[subprocess.Popen[str]]:
    """Start processes as torchrun would."""
    common = {"WORLD_SIZE": str(WORLD), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    return [
        start(*arguments, environment=common | {"RANK": str(rank), "LOCAL_RANK": str(rank)}, **options)
        for rank in range(WORLD)
    ]


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def all_finished(processes: list[subprocess.Popen[str]]) -> list[Done]:
    return [finished(process) for process in processes]


@pytest.fixture(scope="module")
def together(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run of two processes that nothing interrupted."""
    folder = tmp_path_factory.mktemp("together")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={WORLD}"]
    done = subprocess.run(
        [*torchrun, "-m", "trainer", *command(folder, fields_of(stores), folder / "run")],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "run"


@pytest.mark.slow
def test_two_processes_learn_in_every_phase_what_one_does(together: Path, stores: Stores, tmp_path: Path) -> None:
    fit(tiny_config(stores, **fields_of(stores)), tmp_path, device="cpu")
    for phase in PHASES:
        alone, shared = saved(tmp_path, phase), saved(together, phase)
        assert (alone.config, alone.progress.step) == (shared.config, shared.progress.step)
        assert alone.network.keys() == shared.network.keys()
        for name, tensor in alone.network.items():
            torch.testing.assert_close(shared.network[name], tensor, rtol=0, atol=1e-5, msg=f"{phase} {name}")
        assert shared.progress.best == pytest.approx(alone.progress.best, rel=1e-5)


@pytest.mark.slow
def test_two_nodes_learn_what_two_processes_of_one_do(together: Path, stores: Stores, tmp_path: Path) -> None:
    """Two launchers, which know of each other only where to meet, as on two machines."""
    meet = ["--nnodes=2", "--nproc-per-node=1", "--rdzv-backend=c10d", f"--rdzv-endpoint=127.0.0.1:{free_port()}"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", *meet, "--rdzv-id=first", "-m", "trainer"]
    arguments = command(tmp_path, fields_of(stores), tmp_path / "run")
    nodes = [
        subprocess.Popen([*torchrun, *arguments], cwd=ROOT, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for done in all_finished(nodes):
        assert done.code == 0, done.err
    for phase in PHASES:
        for name, tensor in parameters(together, phase).items():
            torch.testing.assert_close(parameters(tmp_path / "run", phase)[name], tensor, rtol=0, atol=1e-6)


@pytest.mark.slow
def test_what_is_frozen_stays_to_the_bit_in_two_processes(together: Path) -> None:
    gates = parameters(together, "gates")
    for phase in ("expert-translation", "expert-rotation"):
        expert = {name: tensor for name, tensor in parameters(together, phase, BEST).items() if "experts." in name}
        assert changed(expert, {name: gates[name] for name in expert}) == set()


@pytest.mark.slow
def test_a_signal_to_one_process_stops_all_and_they_go_on_to_the_same_bits(
    together: Path, stores: Stores, tmp_path: Path
) -> None:
    cut = tmp_path / "cut"
    arguments = command(tmp_path, fields_of(stores), cut)
    processes = ranks(arguments)
    wait_for(lambda: len(read_log(cut)) > STEPS + 3, *processes)
    processes[1].send_signal(signal.SIGTERM)
    dones = all_finished(processes)
    for done in dones:
        assert done.code == 0, done.err
    assert [done.err.count("stopped by SIGTERM and saved; the same command continues\n") for done in dones] == [1, 0]
    assert [done.out for done in dones] == [f"{cut}\n", ""]
    assert not (cut / "checkpoints/joint" / LAST).exists()
    assert all(done.code == 0 for done in all_finished(ranks(arguments)))
    for phase in PHASES:
        for name in (LAST, BEST):
            assert changed(parameters(cut, phase, name), parameters(together, phase, name)) == set()


@pytest.mark.slow
def test_a_loss_that_is_no_number_in_one_process_stops_all(stores: Stores, tmp_path: Path) -> None:
    """The run forecasts one frame from two, so that MIM-N never looks back: not all parameters have gradients."""
    frames = np.random.default_rng(0).random((12, 3, 16, 16), np.float32)
    frames[7] = 1e30  # a number, but not when squared; the reader would refuse it
    unchecked = "import trainer.data.blocks as b; b.MAX_INTENSITY = 1e38; from trainer.cli import main; main()"
    arrays: dict[str, NDArray[Any]] = {"frames": frames, "split": np.array([0] * 10 + [1] * 2, np.uint8)}
    store = write_real_store(tmp_path / "huge.zarr", arrays)
    fields = fields_of(stores | {"real": str(store)}, model={"kind": "mim", "mim": {"hidden": 4}})
    fields["data"] |= {"synthetic": {}, "horizon": 1}
    fields["schedule"]["joint"] |= {"batch": WORLD}
    dones = all_finished(ranks(command(tmp_path, fields, tmp_path / "run"), program=("-c", unchecked)))
    assert [done.code for done in dones] == [1] * WORLD
    said = sorted(done.error.removeprefix("rank 1: ") for done in dones)
    found = re.fullmatch(
        rf"the loss of joint is \w+, sequences 7 of {re.escape(str(store))}, at step (\d+); nothing was changed.*",
        said[0],
    )
    assert found, said
    assert said[1].startswith(f"the loss of joint is not finite in another process at step {found[1]}; nothing was")
    left = saved(tmp_path / "run", "joint")
    assert 2 <= left.progress.step < int(found[1])
    assert all(tensor.isfinite().all() for tensor in left.network.values())


@pytest.mark.parametrize("rank", range(WORLD))
def test_a_batch_that_cannot_be_shared_is_refused_by_every_process_and_leaves_nothing(
    rank: int, stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is found before they speak to each other, so that one can be looked at alone."""
    monkeypatch.setattr("trainer.training.fit.placed", lambda _device: nullcontext(Place(CPU, rank, WORLD)))
    fields = fields_of(stores)
    fields["schedule"]["joint"] |= {"batch": 3}
    done = run(*command(tmp_path, fields, tmp_path / "run"))
    assert (done.code, done.out) == (1, "")
    assert done.error == "a batch of 3 cannot be shared by 2 processes; give a multiple of 2"
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_what_stops_the_first_process_is_no_riddle_to_the_others(
    together: Path, stores: Stores, tmp_path: Path
) -> None:
    first, second = all_finished(ranks(command(tmp_path, fields_of(stores, seed=1), together)))
    assert (first.code, second.code) == (1, 1)
    assert "holds a run of another configuration (seed is 0 there and 1 here)" in first.error
    assert second.error == (
        "rank 1: another process of this run has ended and says why; when that is mended, the same command continues"
    )


def with_cuda(monkeypatch: pytest.MonkeyPatch, devices: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: devices > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: devices)


@pytest.mark.parametrize(
    ("devices", "asked", "local_rank", "found"),
    [
        (0, "auto", 0, "cpu"),
        (0, "cpu", 1, "cpu"),
        (2, "auto", 1, "cuda:1"),
        (2, "cuda", 0, "cuda:0"),
        (2, "cpu", 1, "cpu"),
    ],
)
def test_each_process_of_a_machine_has_a_device_of_its_own(
    devices: int, asked: str, local_rank: int, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_cuda(monkeypatch, devices)
    assert device_of(asked, local_rank) == torch.device(found)


@pytest.mark.parametrize(
    ("devices", "asked", "local_rank", "said"),
    [
        (0, "cuda", 0, "--device is cuda and no CUDA device is found; give --device cpu, or a CUDA build of torch"),
        (
            2,
            "auto",
            2,
            "local rank 2 has no CUDA device of its own, there are 2; give torchrun --nproc-per-node that many",
        ),
    ],
)
def test_a_device_that_is_not_there_is_one_line(
    devices: int, asked: str, local_rank: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_cuda(monkeypatch, devices)
    with pytest.raises(InputError) as caught:
        device_of(asked, local_rank)
    assert str(caught.value) == said

"""Runs on a CUDA device: as on the CPU, and the same however often they are stopped."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.trainer.tiny import changed, parameters, tiny_config
from trainer.evaluation.evaluate import evaluate_run
from trainer.training.checkpoint import BEST, LAST
from trainer.training.fit import fit
from trainer.training.loop import Report
from trainer.training.recording import read_log

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

Stores = dict[str, str]
EXACT = ("mim", "stmoe-conv")
"""Of convolutions alone; what is warped or splatted is summed by CUDA in an order that nobody fixes."""
KINDS = (*EXACT, "stmoe-id", "stmoe-kinematic")


def losses(run: Path) -> list[float]:
    return [record["loss"] for record in read_log(run) if "loss" in record]


def stopping_at(phase: str, step: int) -> Callable[[Report], None]:
    """Return a listener that stops the run at some step."""

    def show(report: Report) -> None:
        if (report.phase, report.step) == (phase, step):
            signal.raise_signal(signal.SIGTERM)

    return show


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_on_cuda_learns_what_one_on_the_cpu_does(kind: str, stores: Stores, tmp_path: Path) -> None:
    config = tiny_config(stores, kind)
    for device in ("cpu", "cuda"):
        fit(config, tmp_path / device, device=device)
    on_cpu, on_cuda = losses(tmp_path / "cpu"), losses(tmp_path / "cuda")
    assert on_cuda == pytest.approx(on_cpu, rel=0.02)  # convolutions of CUDA are TF32


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_on_cuda_that_is_stopped_ends_as_one_that_is_not(kind: str, stores: Stores, tmp_path: Path) -> None:
    config = tiny_config(stores, kind)
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    phases = fit(config, whole, device="cuda").phases
    for phase in phases:
        fit(config, stopped, device="cuda", show=stopping_at(phase, 3))
    fit(config, stopped, device="cuda")
    assert losses(stopped) == pytest.approx(losses(whole), rel=0.02)
    if kind in EXACT:
        for phase in phases:
            for name in (BEST, LAST):
                assert changed(parameters(whole, phase, name), parameters(stopped, phase, name)) == set()


def test_what_cuda_has_learnt_is_evaluated_alike_on_the_cpu(stores: Stores, tmp_path: Path) -> None:
    fit(tiny_config(stores, "stmoe-kinematic"), tmp_path, device="cuda")
    on_cuda, on_cpu = (evaluate_run(tmp_path, device=device)["scores"]["model"] for device in ("cuda", "cpu"))
    for name in ("mse_sum", "ssim"):
        assert on_cuda[name]["mean"] == pytest.approx(on_cpu[name]["mean"], rel=1e-2)

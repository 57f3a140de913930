"""Costs told before a run: parameters, FLOPs and memory are those of a real step, and of the design's tables."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from datagen import render_store
from schemas.errors import InputError
from schemas.run import RunConfig
from tests.reference.specs import spec_of
from tests.trainer.commands import run
from tests.trainer.tiny import BATCH, CPU, FRAMES, PROPERTIES, SIDE, phase_of, tiny_config, tiny_fields
from trainer.training.costs import Costs, as_table, costs_of, costs_of_run, frame_size
from trainer.training.draws import draw
from trainer.training.networks import network_of, trainable
from trainer.training.objectives import Trainee
from trainer.training.phases import Phase, phases_of

STORES = {name: f"{name}.zarr" for name in (*PROPERTIES, "real")}
KINDS = ("stmoe-id", "stmoe-conv", "mim")
EVERY_OBJECTIVE = [
    ("stmoe-id", "expert-translation"),
    ("stmoe-id", "expert-rotation"),
    ("stmoe-id", "gates"),
    ("stmoe-id", "joint"),
    ("stmoe-conv", "expert-rotation"),
    ("stmoe-conv", "gates"),
    ("stmoe-conv", "joint"),
]


def config_of(kind: str = "stmoe-id", **changes: Any) -> RunConfig:
    return tiny_config(STORES, kind, **changes)


def real_step(config: RunConfig, phase: Phase) -> tuple[int, int]:
    """Return the FLOPs that PyTorch counts in a step, and the bytes that it keeps for the backward pass."""
    network = network_of(config, phase)
    trainable(network, phase)
    parameters = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage
        return tensor

    draws = draw(config.seed, phase.name, 0, steps=1, batch=BATCH, frames=FRAMES)
    with FlopCounterMode(display=False) as counter:
        with (
            torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
            torch.autocast("cpu", torch.bfloat16, enabled=config.execution.precision == "bf16"),
        ):
            loss, _ = Trainee(network, config, phase)(torch.rand(BATCH, FRAMES, 1, SIDE, SIDE), draws)
        loss.backward()
    return counter.get_total_flops(), sum(kept[address].nbytes() for address in kept.keys() - parameters)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(("kind", "phase"), EVERY_OBJECTIVE)
def test_costs_are_those_of_a_real_step(kind: str, phase: str, precision: str) -> None:
    config = config_of(kind, execution={"precision": precision})
    found = phase_of(config, phase)
    costs = costs_of(config, found, SIDE, SIDE, CPU)
    flops, kept = real_step(config, found)
    assert costs.flops == flops
    assert costs.memory == pytest.approx(4 * (costs.parameters + 3 * costs.trained) + kept, rel=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_parameters_are_those_of_the_networks(kind: str) -> None:
    config = config_of(kind)
    costs = costs_of_run(config, SIDE, SIDE, CPU)
    assert [item.phase for item in costs] == [phase.name for phase in phases_of(config)]
    for item, phase in zip(costs, phases_of(config), strict=True):
        network = network_of(config, phase)
        assert item.trained == sum(parameter.numel() for parameter in trainable(network, phase).values())
        assert item.parameters == sum(parameter.numel() for parameter in network.parameters())
        assert item.steps == phase.budget.steps


@pytest.mark.parametrize(
    "changes",
    [
        {"model": {"attention": "uniform"}},
        {"schedule": {"mim": {"batch": 2}, "gates": {"batch": 1}, "detach_feedback": False}},
        {"data": {"synthetic": dict.fromkeys(("rotation", "translation", "shear"), "a.zarr")}},
    ],
)
def test_phases_that_cost_the_same_are_counted_once_to_the_same_numbers(changes: Mapping[str, Any]) -> None:
    config = config_of(**changes)
    assert costs_of_run(config, 8, 8, CPU) == [costs_of(config, phase, 8, 8, CPU) for phase in phases_of(config)]


def test_costs_grow_with_the_batch_and_parameters_do_not() -> None:
    def of(batch: int) -> Costs:
        config = config_of(schedule={"joint": {"batch": batch}})
        return costs_of(config, phase_of(config, "joint"), SIDE, SIDE, CPU)

    one, two, three = (of(batch) for batch in (1, 2, 3))
    assert one.parameters == two.parameters == three.parameters
    assert three.memory - two.memory == two.memory - one.memory > 0
    assert (two.flops, three.flops) == (2 * one.flops, 3 * one.flops)


ADDL = 22_197_736
MIM = 9_428_992 + 18 * 64 + 2 * 64 * (15 + 3 * 27)
"""Kernels; a peephole for each channel, not for each place; scale and offset of every normalised convolution."""
FEATURES = 64 * 16 * (16 - 1)
"""What the last layer has more, for 16 features instead of one channel, in patches of 4x4."""
GATES, FILTER = 45_147, 144

PAPER: dict[str, tuple[dict[str, int], dict[str, float]]] = {
    "stmoe-id": (
        {"expert-translation": ADDL, "expert-rotation": MIM, "joint": ADDL + 2 * MIM + GATES},
        {"expert-translation": 0.07, "expert-rotation": 0.52, "joint": 1.13},
    ),
    "stmoe-conv": (
        {"decoder": MIM + FEATURES + FILTER, "joint": 3 * (MIM + FEATURES) + FILTER + GATES},
        {"expert-rotation": 0.52, "joint": 1.59},
    ),
    "mim": ({"decoder": MIM, "joint": MIM}, {"decoder": 0.52}),
}
"""Parameters, and 10**12 FLOPs of a sequence's training, by phase: the design's tables 2.4.6, 2.6.2, 3.4 and 7.1."""
BATCHES = {"decoder": 16, "expert-rotation": 16, "expert-translation": 64, "joint": 8}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_dry_run_at_the_scale_of_the_paper_has_the_published_sizes_and_writes_nothing(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stores = ("--synthetic", *(f"{name}={STORES[name]}" for name in PROPERTIES), "--real", STORES["real"])
    done = run("fit", "--model", kind, *stores, "--scale", "paper", "--precision", "bf16", "--dry-run", "--json")
    assert (done.code, done.err) == (0, "on frames of 128x128 px, in bf16:\n")
    costs = {item["phase"]: Costs(**item) for item in json.loads(done.out)}
    parameters, teraflops = PAPER[kind]
    assert {name: costs[name].parameters for name in parameters} == parameters
    for name, expected in teraflops.items():  # which count the first steps in full, though nothing is behind them yet
        assert costs[name].flops / BATCHES[name] / 1e12 == pytest.approx(expected, rel=0.1)
    assert all(2**30 < item.memory < 2**34 for item in costs.values())
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_prints_a_row_for_each_phase_and_writes_nothing(
    stores: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(
        "fit", "--model", "mim", "--synthetic", f"rotation={stores['rotation']}", "--precision", "fp32", "--dry-run"
    )
    assert (done.code, done.err) == (0, f"on frames of {SIDE}x{SIDE} px, in fp32:\n")
    header, row = done.out.splitlines()
    assert header.split() == ["phase", "parameters", "trained", "GFLOP", "a", "step", "steps", "peak", "memory"]
    assert row.split()[:3] == ["decoder", "89,504", "89,504"]
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_of_one_expert_is_about_it_alone(stores: dict[str, str]) -> None:
    asked = ("--synthetic", f"rotation={stores['rotation']}", f"intensity={stores['intensity']}", "--dry-run", "--json")
    done = run("fit", *asked, "--expert", "rotation")
    assert [item["phase"] for item in json.loads(done.out)] == ["expert-rotation"]
    assert "the run has no expert vortex" in run("fit", *asked, "--expert", "vortex").error


def test_a_table_says_units_and_aligns_its_columns() -> None:
    costs = [Costs("decoder", 1234, 1000, 3000, 1_550_000_000, 3 * 2**20), Costs("joint", 5, 5, 1, 10**13, 2**30)]
    assert as_table(costs).splitlines() == [
        "  phase  parameters  trained  GFLOP a step  steps  peak memory",
        "decoder       1,234    1,000           1.6  3,000        3 MiB",
        "  joint           5        5      10,000.0      1    1,024 MiB",
    ]


@pytest.mark.parametrize(("scale", "side"), [("small", 32), ("paper", 128)])
def test_frames_are_those_of_the_scale_where_there_is_no_store_yet(scale: str, side: int) -> None:
    assert frame_size(config_of(scale=scale)) == (side, side)


def test_frames_are_those_of_the_first_store_that_is_there(stores: dict[str, str]) -> None:
    synthetic = {"rotation": "nothing.zarr", "intensity": stores["intensity"]}
    assert frame_size(config_of(data={"synthetic": synthetic})) == (SIDE, SIDE)
    assert frame_size(config_of(data={"real": stores["real"]})) == (SIDE, SIDE)


def test_phases_cost_what_their_own_frames_cost(stores: dict[str, str], tmp_path: Path) -> None:
    render_store(spec_of("mixed", frames=FRAMES, height=2 * SIDE, width=2 * SIDE), 4, tmp_path / "real.zarr")
    config = tmp_path / "run.yaml"
    config.write_text(yaml.safe_dump(tiny_fields({**stores, "real": str(tmp_path / "real.zarr")})))
    done = run("fit", "--config", config, "--dry-run", "--json")
    assert done.err == f"on frames of {SIDE}x{SIDE} px, real ones of {2 * SIDE}x{2 * SIDE} px, in fp32:\n"
    costs = {item["phase"]: Costs(**item) for item in json.loads(done.out)}
    parsed = RunConfig.parse(yaml.safe_load(config.read_text()))
    assert costs["decoder"] == costs_of(parsed, phase_of(parsed, "decoder"), SIDE, SIDE, CPU)
    assert costs["joint"] == costs_of(parsed, phase_of(parsed, "joint"), 2 * SIDE, 2 * SIDE, CPU)


def test_what_cannot_be_run_has_no_costs(tmp_path: Path) -> None:
    (tmp_path / "zarr.json").write_text("{}")
    with pytest.raises(InputError, match="is no store of sequences"):
        frame_size(config_of(data={"real": str(tmp_path)}))
    with pytest.raises(InputError, match=r"frames are 15x16, model\.mim\.patch is 2"):
        costs_of_run(config_of(), 15, 16, CPU)
    with pytest.raises(InputError, match="data names no store to learn from"):
        costs_of_run(RunConfig(), 16, 16, CPU)

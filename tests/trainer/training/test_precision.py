"""The precision of a forward pass: auto is what the device has arithmetic for, and what is named is obeyed."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from schemas.run import Precision
from tests.trainer.commands import run
from tests.trainer.tiny import CPU, PROPERTIES, STEPS, changed, parameters, tiny_config
from trainer.models.stmoe import STMoE
from trainer.training.checkpoint import BEST, LAST
from trainer.training.fit import fit
from trainer.training.precision import BF16_ARITHMETIC, autocast, precision_of
from trainer.training.provenance import read_provenance

Stores = dict[str, str]
CUDA = torch.device("cuda", 0)
BOTH = pytest.mark.parametrize("found", ["fp32", "bf16"])
"""What the device of the test computes in by hardware."""


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that gives this machine another processor, or a torch without oneDNN."""

    def give(capabilities: Mapping[str, Any], onednn: bool = True) -> None:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: onednn)

    return give


X86: dict[str, Any] = {
    "architecture": "x86_64",
    "avx2": True,
    "avx512_f": True,
    "avx512_bf16": False,
    "amx_bf16": False,
}
ARM: dict[str, Any] = {"architecture": "arm64", "neon": True, "fp16_arith": True, "bf16": False}
PROCESSORS = {"fp32": X86, "bf16": X86 | {"avx512_bf16": True}}


@pytest.mark.parametrize(
    ("capabilities", "onednn", "expected"),
    [
        (X86, True, "fp32"),
        (X86 | {"avx512_bf16": True}, True, "bf16"),
        (X86 | {"amx_bf16": True}, True, "bf16"),
        (ARM, True, "fp32"),
        (ARM | {"bf16": True}, True, "bf16"),
        (ARM | {"bf16": True}, False, "fp32"),
        ({"architecture": "s390x"}, True, "fp32"),
    ],
)
def test_auto_on_a_processor_is_bf16_where_torch_computes_in_it_by_its_instructions(
    capabilities: Mapping[str, Any], onednn: bool, expected: str, processor: Callable[..., None]
) -> None:
    processor(capabilities, onednn)
    assert precision_of("auto", CPU) == expected


def test_torch_knows_the_capabilities_of_this_machine_by_these_names() -> None:
    known = torch.cpu.get_capabilities()
    names = {"x86_64": {"avx512_bf16", "amx_bf16"}, "arm64": {"bf16"}}
    assert set(BF16_ARITHMETIC) & known.keys() == names[known["architecture"]]


def test_auto_on_cuda_is_fp32_whatever_the_processor_has(processor: Callable[..., None]) -> None:
    processor(PROCESSORS["bf16"])
    assert precision_of("auto", CUDA) == "fp32"


@BOTH
@pytest.mark.parametrize("device", [CPU, CUDA])
@pytest.mark.parametrize("named", ["fp32", "bf16"])
def test_a_precision_that_is_named_is_obeyed(
    named: Precision, device: torch.device, found: str, processor: Callable[..., None]
) -> None:
    processor(PROCESSORS[found])
    assert precision_of(named, device) == named


@BOTH
def test_a_context_computes_in_the_precision_of_the_device(found: str, processor: Callable[..., None]) -> None:
    processor(PROCESSORS[found])
    with autocast("auto", CPU):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == {"fp32": torch.float32, "bf16": torch.bfloat16}[found]


@BOTH
def test_auto_learns_and_validates_as_the_precision_that_it_is(
    found: str, processor: Callable[..., None], stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward, reduced = STMoE.forward, []

    def observed(network: STMoE, *of: Any, **options: Any) -> Any:
        reduced.append((torch.is_grad_enabled(), torch.is_autocast_enabled("cpu")))
        return forward(network, *of, **options)

    monkeypatch.setattr(STMoE, "forward", observed)
    processor(PROCESSORS[found])
    for asked in ("auto", found):
        fit(tiny_config(stores, "mim", execution={"precision": asked}), tmp_path / asked, device="cpu")
    for name in (LAST, BEST):
        assert (
            changed(parameters(tmp_path / "auto", "joint", name), parameters(tmp_path / found, "joint", name)) == set()
        )
    assert set(reduced) == {(learns, found == "bf16") for learns in (True, False)}


def test_a_run_keeps_what_was_asked_for_and_says_what_each_command_computed_in(
    processor: Callable[..., None], stores: Stores, tmp_path: Path
) -> None:
    config = tiny_config(stores, "mim", execution={"precision": "auto"})
    processor(PROCESSORS["bf16"])
    fit(config, tmp_path / "run", stage="decoder", device="cpu")
    processor(PROCESSORS["fp32"])
    report = fit(config, tmp_path / "run", device="cpu")
    assert report.phases["joint"].step == STEPS
    commands = read_provenance(tmp_path / "run")["commands"]
    assert [(entry["device"], entry["precision"]) for entry in commands] == [("cpu", "bf16"), ("cpu", "fp32")]
    assert yaml.safe_load((tmp_path / "run/config.yaml").read_text())["execution"]["precision"] == "auto"


@BOTH
def test_a_dry_run_says_the_precision_and_costs_what_that_costs(
    found: str, processor: Callable[..., None], stores: Stores
) -> None:
    processor(PROCESSORS[found])
    synthetic = [f"{name}={stores[name]}" for name in PROPERTIES]
    command = ("fit", "--model", "mim", "--synthetic", *synthetic, "--device", "cpu", "--dry-run", "--json")
    auto, fp32, bf16 = (run(*command, *asked) for asked in ((), ("--precision", "fp32"), ("--precision", "bf16")))
    assert json.loads(fp32.out)[0]["memory"] > json.loads(bf16.out)[0]["memory"]
    assert (auto.out, auto.err) == {"fp32": (fp32.out, fp32.err), "bf16": (bf16.out, bf16.err)}[found]
    assert auto.err.endswith(f"px, in {found}:\n")

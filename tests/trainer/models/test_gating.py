"""Gates start even, stay within their bounds at any logits, and see what their kind may see."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainer.models.gating import Activation, ConstantGate, PixelwiseGate, UniformGate

ACTIVATIONS: tuple[Activation, ...] = ("softmax", "sigmoid")
PAPER = {"channels": 32, "dilations": (1, 2, 4, 1), "reduction": 4, "head": 16}

every_activation = pytest.mark.parametrize("activation", ACTIVATIONS)


def pixelwise(experts: int = 3, seed: int = 0, **options: Any) -> PixelwiseGate:
    torch.manual_seed(seed)
    options = {"input_channels": 4, "activation": "softmax"} | PAPER | options
    return PixelwiseGate(experts=experts, **options)


def uniform(experts: int = 3, seed: int = 0, **options: Any) -> UniformGate:
    torch.manual_seed(seed)
    options = {"input_channels": 4, "activation": "softmax"} | PAPER | options
    return UniformGate(experts=experts, **options)


def awake(gate: PixelwiseGate | UniformGate) -> PixelwiseGate | UniformGate:
    """Enlarge the last layers of a new gate, so that its weights differ as those of a trained one."""
    for name, parameter in gate.named_parameters():
        if name.endswith("output.weight"):
            nn.init.normal_(parameter, std=5, generator=torch.Generator().manual_seed(0))
    return gate


def window(batch: int = 2, channels: int = 4, y: int = 20, x: int = 13, seed: int = 0) -> Tensor:
    return torch.rand(batch, channels, y, x, generator=torch.Generator().manual_seed(seed))


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_paper_gate_has_its_parameters() -> None:
    gate = pixelwise()
    assert parameters(gate) == 45_147
    assert parameters(gate.trunk) == 29_184
    assert [parameters(head) for head in gate.heads] == [5_321] * 3
    assert parameters(uniform()) == 29_184 + 3 * (552 + 32 * 16 + 16 + 16 + 1)


@pytest.mark.parametrize(("experts", "channels", "reduction", "head", "inputs"), [(2, 6, 3, 5, 9), (4, 7, 100, 1, 2)])
def test_parameters_follow_from_the_sizes(experts: int, channels: int, reduction: int, head: int, inputs: int) -> None:
    gate = pixelwise(
        experts, channels=channels, reduction=reduction, head=head, input_channels=inputs, dilations=(1, 3)
    )
    squeezed = max(1, channels // reduction)
    trunk = 9 * (inputs + channels) * channels + 2 * 3 * channels
    excitation = 2 * channels * squeezed + squeezed + channels
    assert parameters(gate) == trunk + experts * (excitation + 9 * channels * head + head + 9 * head + 1)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("experts", [1, 2, 3, 5])
@pytest.mark.parametrize("new", [pixelwise, uniform])
@every_activation
def test_new_gate_weights_all_experts_alike(
    activation: Activation, new: Callable[..., PixelwiseGate | UniformGate], experts: int, seed: int
) -> None:
    weights = new(experts, seed, activation=activation)(window(y=32, x=32)).exp()
    assert (weights - 1 / experts).abs().max() < 0.02
    assert (weights.sum(1) - 1).abs().max() < 0.05


@pytest.mark.parametrize("new", [pixelwise, uniform])
def test_softmax_weights_of_a_pixel_sum_to_one(new: Callable[[], PixelwiseGate | UniformGate]) -> None:
    weights = awake(new())(window()).exp()
    assert weights.shape == (2, 3, 20, 13)
    assert weights.std() > 0.01
    torch.testing.assert_close(weights.sum(1), torch.ones(2, 20, 13))


@every_activation
def test_extreme_logits_have_finite_log_weights_and_gradients(activation: Activation) -> None:
    gate = pixelwise(2, activation=activation)
    with torch.no_grad():
        for head, bias in zip(gate.heads, (1000, -1000), strict=True):
            head.output.bias.fill_(bias)
    log_weights = gate(window())
    entropy = -log_weights.exp() * log_weights
    entropy.sum().backward()
    assert entropy.abs().max() < 1e-6
    assert all(parameter.grad.isfinite().all() for parameter in gate.parameters())  # type: ignore[union-attr]


def test_weights_follow_the_place_and_the_frames() -> None:
    gate = awake(pixelwise())
    weights = gate(window()).exp()
    assert weights.std((2, 3)).min() > 0.01
    assert (weights - gate(window(seed=1)).exp()).abs().max() > 0.01


def test_reordered_heads_reorder_the_maps_only() -> None:
    gate = awake(pixelwise())
    assert isinstance(gate, PixelwiseGate)
    before = gate(window())
    gate.heads = nn.ModuleList([gate.heads[k] for k in (2, 0, 1)])
    torch.testing.assert_close(gate(window()), before[:, [2, 0, 1]], rtol=0, atol=1e-6)


@every_activation
def test_uniform_weights_are_the_same_everywhere_but_not_always(activation: Activation) -> None:
    gate = awake(uniform(activation=activation))
    first, second = gate(window()).exp(), gate(window(seed=1)).exp()
    assert torch.equal(first, first[:, :, :1, :1].expand_as(first))
    assert not torch.equal(first, second)
    assert not torch.equal(first[0], first[1])


@pytest.mark.parametrize(("experts", "weight"), [(1, 1.0), (3, 1.0), (3, 1 / 3)])
def test_constant_weights_are_what_they_are_set_to(experts: int, weight: float) -> None:
    gate = ConstantGate(experts, weight)
    assert gate(window()).shape == (2, experts, 20, 13)
    torch.testing.assert_close(gate(window()).exp(), torch.full((2, experts, 20, 13), weight))
    assert parameters(gate) == 0


def test_weight_of_one_is_exact() -> None:
    assert not ConstantGate(2, 1.0)(window()).any()


@pytest.mark.parametrize("new", [pixelwise, uniform])
@every_activation
def test_log_weights_are_float32_under_autocast(
    new: Callable[..., PixelwiseGate | UniformGate], activation: Activation
) -> None:
    gate = awake(new(activation=activation))
    with torch.autocast("cpu", torch.bfloat16):
        log_weights = gate(window())
    assert log_weights.dtype == torch.float32
    assert not torch.equal(log_weights, log_weights.bfloat16().float())
    if activation == "softmax":
        torch.testing.assert_close(log_weights.exp().sum(1), torch.ones(2, 20, 13), rtol=0, atol=1e-6)

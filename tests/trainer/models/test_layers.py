"""Patches are a permutation, convolutions are normalised, and the ST-LSTM cell gives the numbers of its equations."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_unshuffle

from tests.cells import FORGET, filled, least_distance, outcomes_of_swaps, pixel
from trainer.models.layers import NormalisedConvolution, SpatioTemporalLSTM, from_patches, to_patches

PIXELS = [pixel(value) for value in (1, 0.5, -0.5, 0.25)]
"""x, h, C and M of a cell."""


def cell(hidden: int = 1, inputs: int = 1, *, normalise: bool = False) -> SpatioTemporalLSTM:
    torch.manual_seed(0)
    return SpatioTemporalLSTM(inputs, hidden, 3, normalise=normalise).double()


def maps(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_patches_follow_their_index_map() -> None:
    p, channels = 3, 2
    image = torch.arange(2 * channels * 6 * 9).reshape(2, channels, 6, 9)
    patches = to_patches(image, p)
    assert patches.shape == (2, p * p * channels, 2, 3)
    for dy in range(p):
        for dx in range(p):
            for c in range(channels):
                assert torch.equal(patches[:, (dy * p + dx) * channels + c], image[:, c, dy::p, dx::p])


@pytest.mark.parametrize(("channels", "patch"), [(1, 1), (1, 4), (2, 2), (3, 4)])
def test_patches_are_undone_exactly(channels: int, patch: int) -> None:
    image = maps(2, channels, 8, 12)
    assert torch.equal(from_patches(to_patches(image, patch), patch), image)


def test_patches_of_one_channel_are_those_of_pytorch() -> None:
    image = maps(2, 1, 8, 12)
    assert torch.equal(to_patches(image, 4), pixel_unshuffle(image, 4))


def test_frame_that_does_not_divide_into_patches_is_refused() -> None:
    with pytest.raises(ValueError, match=r"8x10 px does not divide into patches of 4 px"):
        to_patches(maps(1, 1, 8, 10), 4)


def test_convolution_normalises_each_sample_over_all_its_maps() -> None:
    convolution = NormalisedConvolution(2, 6, 5, normalise=True).double()
    loud = maps(3, 2, 7, 9) * torch.tensor([1.0, 30.0, 1e3])[:, None, None, None]
    assert convolution(loud).shape == (3, 6, 7, 9)
    assert convolution(loud).mean((1, 2, 3)).tolist() == pytest.approx([0] * 3, abs=1e-9)
    assert convolution(loud).std((1, 2, 3), correction=0).tolist() == pytest.approx([1] * 3, abs=1e-3)


@pytest.mark.parametrize("normalise", [True, False])
def test_maps_left_out_count_as_zeros(normalise: bool) -> None:
    convolution = NormalisedConvolution(2, 6, 3, normalise=normalise).double()
    nn.init.normal_(convolution.offset)
    given = convolution(torch.zeros(1, 2, 4, 4, dtype=torch.float64))
    torch.testing.assert_close(convolution(None).expand_as(given[0]), given[0])


def test_convolution_in_bfloat16_returns_the_precision_of_the_parameters() -> None:
    convolution = NormalisedConvolution(2, 6, 3, normalise=True)
    image = maps(1, 2, 8, 8).float()
    exact = convolution(image)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = convolution(image)
    assert rounded.dtype == torch.float32
    assert 0 < (rounded - exact).abs().max() < 0.05


def test_st_lstm_gives_the_numbers_of_its_equations() -> None:
    hidden, own, memory = filled(cell(), 0.1)(*PIXELS)
    assert hidden.item() == pytest.approx(-0.002410919655, abs=1e-8)
    assert own.item() == pytest.approx(-0.299740198, abs=1e-8)
    assert memory.item() == pytest.approx(0.254786227, abs=1e-8)


@pytest.mark.parametrize(("bundle", "gates"), [("from_input", 7), ("from_hidden", 4), ("from_memory", 3)])
def test_st_lstm_tells_its_gates_apart(bundle: str, gates: int) -> None:
    assert least_distance(outcomes_of_swaps(cell(), f"{bundle}.weight", gates, PIXELS)) > 1e-6


def test_st_lstm_without_weights_only_forgets() -> None:
    states = maps(3, 2, 4, 5, 5)
    hidden, own, memory = filled(cell(4, 2), 0)(maps(2, 2, 5, 5), *states)
    assert not hidden.any()
    torch.testing.assert_close(own, FORGET * states[1])
    torch.testing.assert_close(memory, FORGET * states[2])


def test_open_forget_gate_is_a_conveyor_belt() -> None:
    lstm = filled(cell(2, 2), 0)
    for offset in (lstm.from_input.offset, lstm.from_hidden.offset):
        offset.data[:2], offset.data[4:6] = -50, 50  # i and f of C
    start = maps(1, 2, 4, 4).requires_grad_()
    hidden, own, memory = maps(1, 2, 4, 4), start, maps(1, 2, 4, 4)
    for step in range(20):
        hidden, own, memory = lstm(maps(1, 2, 4, 4, seed=step), hidden, own, memory)
    torch.testing.assert_close(own, start)
    (gradient,) = torch.autograd.grad(own.sum(), start)
    torch.testing.assert_close(gradient, torch.ones_like(start))


@pytest.mark.parametrize("normalise", [True, False])
def test_gradients_of_st_lstm_are_those_of_finite_differences(normalise: bool) -> None:
    lstm = cell(2, 1, normalise=normalise)
    states = [maps(1, 2, 4, 4, seed=seed).requires_grad_() for seed in range(3)]
    image = maps(1, 1, 4, 4).requires_grad_()
    given = (image, *states, *lstm.parameters())
    assert torch.autograd.gradcheck(lambda *tensors: lstm(*tensors[:4]), given)


@pytest.mark.parametrize(("hidden", "inputs", "kernel"), [(64, 64, 5), (64, 16, 5), (6, 4, 3)])
def test_st_lstm_has_the_parameters_of_its_equations(hidden: int, inputs: int, kernel: int) -> None:
    lstm = SpatioTemporalLSTM(inputs, hidden, kernel, normalise=True)
    kernels = kernel**2 * hidden * (7 * inputs + 9 * hidden) + 2 * hidden**2
    assert sum(weight.numel() for weight in lstm.parameters()) == kernels + 2 * 15 * hidden

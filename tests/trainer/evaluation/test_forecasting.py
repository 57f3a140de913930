"""Forecasts as arrays are those of the network, and gates seen through a decoder are what they weigh in the image."""

import numpy as np
import torch
from torch import Tensor, nn

from tests.trainer.evaluation.small_networks import (
    INPUTS,
    hand_made_forecast,
    hand_made_network,
    hand_made_weights,
)
from trainer.evaluation.forecasting import forecast, stored_fractions, visible_gates
from trainer.models.decoder import ConvolutionDecoder, IdentityDecoder

CPU = torch.device("cpu")


def random_weights(seed: int = 0) -> Tensor:
    return torch.rand(2, 3, 3, 6, 8, generator=torch.Generator().manual_seed(seed))


def decoder_of(kernel: Tensor, features: int = 4) -> ConvolutionDecoder:
    """Return a decoder of which each feature has a share of one filter."""
    decoder = ConvolutionDecoder(features)
    nn.init.zeros_(decoder.convolution.weight)
    with torch.no_grad():
        for feature in range(features):
            decoder.convolution.weight[0, feature] = kernel * (feature + 1)
    return decoder


def test_frames_weights_and_parts_are_those_computed_by_hand() -> None:
    inputs = np.random.default_rng(0).random((2, INPUTS, 6, 8), np.float32)
    made = forecast(hand_made_network(), inputs, 5, CPU)
    expected = hand_made_forecast(inputs, 5)
    assert np.allclose(made.frames, expected, atol=1e-6)
    assert np.allclose(made.weights, hand_made_weights(6, 8), atol=1e-6)
    assert np.allclose(made.parts[:, 1:, 2], expected[:, :-1] / 2, atol=1e-6)
    assert np.allclose((made.parts * made.weights).sum(2), made.frames, atol=1e-6)


def test_stored_frames_are_fractions_of_their_full_scale() -> None:
    assert stored_fractions(np.array([0, 51, 255], np.uint8)).tolist() == [0, np.float32(0.2), 1]
    assert stored_fractions(np.array([0.5, 3], np.float16)).tolist() == [0.5, 3]


def test_gates_of_the_identity_are_the_weights() -> None:
    weights = random_weights()
    assert torch.equal(visible_gates(IdentityDecoder(), weights), weights)


def test_gates_through_a_filter_are_its_means_and_keep_their_sum() -> None:
    weights = random_weights().softmax(2)
    gates = visible_gates(decoder_of(torch.ones(3, 3)), weights)
    means = torch.nn.functional.avg_pool2d(weights.flatten(0, 1), 3, 1, 1, count_include_pad=False).view_as(weights)
    assert torch.allclose(gates, means, atol=1e-6)
    assert torch.allclose(gates.sum(2), torch.ones(2, 3, 6, 8), atol=1e-5)


def test_constant_gates_stay_what_they_are_through_any_filter() -> None:
    kernel = torch.randn(3, 3, generator=torch.Generator().manual_seed(2)) + 1
    gates = visible_gates(decoder_of(kernel), torch.full((1, 1, 2, 8, 8), 0.3))
    assert torch.allclose(gates, torch.full_like(gates, 0.3), atol=1e-4)


def test_filter_that_ignores_what_is_constant_shows_the_weights() -> None:
    weights = random_weights()
    edges = torch.tensor([[-1.0, 0, 1], [-1, 0, 1], [-1, 0, 1]])
    assert torch.equal(visible_gates(decoder_of(edges), weights), weights)

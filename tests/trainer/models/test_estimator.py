"""Maps of the frame's own size, whatever that is; how many parameters; and that a new network says nearly nothing."""

import pytest
import torch

from trainer.models.estimator import Estimator


def estimator(*channels: int) -> Estimator:
    torch.manual_seed(0)
    return Estimator(channels=channels, inputs=3, outputs=5)


@pytest.mark.parametrize("size", [(16, 16), (13, 22), (5, 7)])
@pytest.mark.parametrize("channels", [(4,), (4, 6), (4, 6, 8)])
def test_maps_are_as_large_as_the_frames(channels: tuple[int, ...], size: tuple[int, int]) -> None:
    assert estimator(*channels)(torch.rand(2, 3, *size)).shape == (2, 5, *size)


def test_parameters_are_those_of_two_convolutions_at_every_size_on_both_ways() -> None:
    def twice(inputs: int, outputs: int) -> int:
        return 9 * (inputs * outputs + outputs**2) + 2 * 2 * outputs  # and scale and shift of two norms

    expected = twice(3, 4) + twice(4, 6) + twice(6, 8) + twice(6 + 8, 6) + twice(4 + 6, 4) + 9 * 4 * 5
    assert sum(parameter.numel() for parameter in estimator(4, 6, 8).parameters()) == expected


def test_a_new_network_says_nearly_nothing() -> None:
    assert estimator(8, 12, 16)(torch.rand(2, 3, 32, 32)).abs().max() < 0.1

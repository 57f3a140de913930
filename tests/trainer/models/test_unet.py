"""Frames of any size pass through; parameters are those of the published network."""

import numpy as np
import pytest
import torch

from trainer.models.pyramid import reflected
from trainer.models.unet import UNet


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 9), (8, 16)])
def test_frames_are_continued_by_reflection(size: tuple[int, int]) -> None:
    frames = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    beyond = [(0, -length % 8) for length in size]
    # NumPy, unlike PyTorch, reflects repeatedly where more is wanted than there is.
    expected = np.pad(frames.numpy(), [(0, 0), (0, 0), *beyond], mode="reflect")
    assert torch.equal(reflected(frames, 8), torch.from_numpy(expected))


@pytest.mark.parametrize("size", [(16, 16), (13, 22), (5, 7)])
def test_maps_are_as_large_as_the_frames(size: tuple[int, int]) -> None:
    network = UNet(width=4, stages=3, inputs=3, outputs=5)
    assert network(torch.rand(2, 3, *size)).shape == (2, 5, *size)


def test_parameters_are_those_of_the_published_network() -> None:
    network = UNet(width=64, stages=5, inputs=4, outputs=2)
    assert sum(parameter.numel() for parameter in network.parameters()) == 22_197_736


def test_a_new_network_says_nearly_nothing() -> None:
    torch.manual_seed(0)
    assert UNet(width=8, stages=3, inputs=4, outputs=6)(torch.rand(2, 4, 32, 32)).abs().max() < 0.1

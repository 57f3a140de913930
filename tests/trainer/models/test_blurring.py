"""Copies have the variances that they are named for, and a mixture has the one that is asked for."""

import pytest
import torch
from torch import Tensor

from trainer.models.blurring import DEVIATIONS, WIDEST, blurred, copies, shares


def delta(size: int = 21) -> Tensor:
    image = torch.zeros(1, 1, size, size)
    image[..., size // 2, size // 2] = 1
    return image


def variance_along_x(image: Tensor) -> float:
    distance = torch.arange(image.shape[-1]) - image.shape[-1] // 2
    return float((image.sum(-2) * distance**2).sum() / image.sum())


@pytest.mark.parametrize(("number", "deviation"), list(enumerate(DEVIATIONS)))
def test_a_copy_has_its_variance_and_the_same_mass(number: int, deviation: float) -> None:
    copy = copies(delta())[:, number]
    assert copy.sum() == pytest.approx(1)
    assert variance_along_x(copy) == pytest.approx(deviation**2, rel=0.04, abs=1e-6)  # it ends at 3 deviations
    torch.testing.assert_close(copy, copy.transpose(-1, -2))


def test_the_sharp_copy_is_the_image_itself() -> None:
    image = torch.rand(2, 1, 6, 7)
    assert torch.equal(copies(image)[:, :1], image)


@pytest.mark.parametrize("variance", [0.0, 0.1, 0.64, 1.0, 2.56])
def test_a_mixture_has_the_variance_that_is_asked_for(variance: float) -> None:
    weights = shares(torch.full((1, 1, 21, 21), variance))
    assert weights.min() >= 0
    torch.testing.assert_close(weights.sum(1), torch.ones(1, 21, 21))
    mixed = (copies(delta()) * weights).sum(1)
    assert variance_along_x(mixed) == pytest.approx(variance, rel=0.04, abs=1e-6)


def test_more_than_the_widest_counts_as_that() -> None:
    assert torch.equal(shares(torch.full((1, 1, 1, 1), 50.0)), shares(torch.full((1, 1, 1, 1), WIDEST)))


def test_a_border_goes_on_outside_but_mass_is_lost_there() -> None:
    image = torch.ones(1, 1, 8, 8)
    torch.testing.assert_close(blurred(image, 1.6), image)
    lost = blurred(image, 1.6, mass=True)
    assert lost[0, 0, 0, 0] < 0.5
    assert blurred(delta(), 1.6, mass=True).sum() == pytest.approx(1)

"""Mass arrives where it is sent, adds up, and none is lost inside the frame; the gradients are true."""

import pytest
import torch
from torch import Tensor

from trainer.models.splatting import splat


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def everywhere(right: float, down: float, image: Tensor) -> Tensor:
    return torch.tensor([right, down], dtype=image.dtype)[:, None, None].expand(len(image), 2, *image.shape[-2:])


def inner(size: int = 20, margin: int = 7) -> Tensor:
    image = torch.zeros(2, 2, size, size + 4)
    image[..., margin:-margin, margin:-margin] = torch.rand(2, 2, size - 2 * margin, size + 4 - 2 * margin)
    return image


def catmull_rom(u: float) -> float:
    u = abs(u)
    if u <= 1:
        return 1 - 2.5 * u**2 + 1.5 * u**3
    return 2 - 4 * u + 2.5 * u**2 - 0.5 * u**3 if u < 2 else 0.0


def test_no_motion_is_the_identity() -> None:
    image = torch.rand(2, 3, 9, 12, generator=seeded())
    torch.testing.assert_close(splat(image, torch.zeros(2, 2, 9, 12)), image)


@pytest.mark.parametrize(("right", "down"), [(3, 0), (0, -2), (-1, 4)])
def test_whole_pixels_shift(right: int, down: int) -> None:
    image = inner()
    moved = splat(image, everywhere(right, down, image))
    torch.testing.assert_close(moved, image.roll((down, right), (-2, -1)))


def test_one_source_is_spread_by_catmull_rom_weights() -> None:
    image = torch.zeros(1, 1, 11, 11)
    image[..., 5, 5] = 2
    moved = splat(image, everywhere(1.3, -0.6, image))
    expected = [[2 * catmull_rom(y - 4.4) * catmull_rom(x - 6.3) for x in range(11)] for y in range(11)]
    torch.testing.assert_close(moved[0, 0], torch.tensor(expected))


def test_mass_is_conserved_whatever_the_motion() -> None:
    image = inner()
    motion = 8 * torch.rand(2, 2, 20, 24, generator=seeded()) - 4
    torch.testing.assert_close(splat(image, motion).sum((2, 3)), image.sum((2, 3)))


def test_masses_that_meet_add_up() -> None:
    image = torch.zeros(1, 1, 9, 9)
    image[..., 4, 2], image[..., 4, 6] = 0.25, 0.5
    motion = torch.zeros(1, 2, 9, 9)
    motion[:, 0, 4, 2], motion[:, 0, 4, 6] = 2, -2
    moved = splat(image, motion)
    assert moved[0, 0, 4, 4] == pytest.approx(0.75)
    assert moved.sum() == pytest.approx(0.75)


def test_what_leaves_the_frame_is_gone_and_comes_back_nowhere() -> None:
    image = torch.ones(1, 1, 8, 8)
    assert splat(image, everywhere(0, 1e6, image)).abs().max() == 0
    moved = splat(image, everywhere(3, 0, image))
    torch.testing.assert_close(moved[..., 3:], image[..., 3:])
    assert moved[..., :3].abs().max() == 0


def test_gradients_are_true() -> None:
    image = torch.rand(1, 2, 5, 6, dtype=torch.float64, generator=seeded()).requires_grad_()
    motion = (4 * torch.rand(1, 2, 5, 6, dtype=torch.float64, generator=seeded(1)) - 2).requires_grad_()
    assert torch.autograd.gradcheck(splat, (image, motion))


def test_autocast_does_not_round_places() -> None:
    image = inner()
    with torch.autocast("cpu", torch.bfloat16):
        moved = splat(image, everywhere(2.01, 0, image))
    torch.testing.assert_close(moved, splat(image, everywhere(2.01, 0, image)))

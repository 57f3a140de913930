"""Whole pixels shift, parts of pixels interpolate, Gaussians spread and keep mass; all of it has true gradients."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from trainer.models.warping import Padding, Sampling, compose_flows, warp, warp_gaussian

SAMPLINGS: tuple[Sampling, ...] = ("bilinear", "bicubic")
PADDINGS: tuple[Padding, ...] = ("border", "zeros")
SPREAD = 0.45  # px^2/frame, of the paper

every_sampling = pytest.mark.parametrize("sampling", SAMPLINGS)
every_padding = pytest.mark.parametrize("padding", PADDINGS)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_image(y: int = 17, x: int = 24, channels: int = 2, batch: int = 3) -> Tensor:
    return torch.rand(batch, channels, y, x, generator=seeded())


def constant_flow(image: Tensor, right: float, down: float) -> Tensor:
    return torch.tensor([right, down], dtype=image.dtype)[:, None, None].expand(len(image), 2, *image.shape[-2:])


def delta(size: int = 21) -> Tensor:
    image = torch.zeros(1, 1, size, size)
    image[..., size // 2, size // 2] = 1
    return image


def value(image: Tensor, row: int, column: int, padding: Padding) -> Tensor:
    """Return one pixel of (channel, y, x), or what lies outside the image."""
    y, x = image.shape[-2:]
    if padding == "zeros" and not (0 <= row < y and 0 <= column < x):
        return torch.zeros_like(image[:, 0, 0])
    return image[:, min(max(row, 0), y - 1), min(max(column, 0), x - 1)]


def shifted(image: Tensor, right: int, down: int, padding: Padding) -> Tensor:
    y, x = image.shape[-2:]
    moved = [value(one, i - down, j - right, padding) for one in image for i in range(y) for j in range(x)]
    return torch.stack(moved).view(len(image), y, x, -1).movedim(-1, 1)


def linear_kernel(distance: float) -> float:
    return max(0.0, 1 - abs(distance))


def cubic_kernel(distance: float, a: float = -0.75) -> float:
    d = abs(distance)
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * (d**3 - 5 * d**2 + 8 * d - 4) if d < 2 else 0.0


def naive(image: Tensor, flow: Tensor, kernel: Callable[[float], float], reach: int, padding: Padding) -> Tensor:
    """Sum kernel times pixel over all pixels within reach of each source, one pixel at a time."""
    out = torch.zeros_like(image)
    for b, i, j in torch.cartesian_prod(*(torch.arange(n) for n in (len(image), *image.shape[-2:]))).tolist():
        column, row = j - flow[b, 0, i, j].item(), i - flow[b, 1, i, j].item()
        for r in range(math.floor(row) - reach, math.floor(row) + reach + 2):
            for c in range(math.floor(column) - reach, math.floor(column) + reach + 2):
                weight = kernel(row - r) * kernel(column - c)
                out[b, :, i, j] += weight * value(image[b], r, c, padding)
    return out


@every_padding
@every_sampling
def test_flow_of_zeros_is_the_identity(sampling: Sampling, padding: Padding) -> None:
    image = random_image(16, 128)
    assert torch.equal(warp(image, constant_flow(image, 0, 0), sampling=sampling, padding=padding), image)


@pytest.mark.parametrize(("right", "down"), [(3, 0), (0, -2), (-1, 4), (40, 0)])
@every_padding
@every_sampling
def test_flow_of_whole_pixels_is_a_shift(sampling: Sampling, padding: Padding, right: int, down: int) -> None:
    for image in (random_image(16, 32), random_image(17, 24)):
        moved = warp(image, constant_flow(image, right, down), sampling=sampling, padding=padding)
        torch.testing.assert_close(moved, shifted(image, right, down, padding), rtol=0, atol=2e-6)


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (6, 1)])
@every_sampling
def test_frames_of_a_single_row_or_column_can_move(sampling: Sampling, size: tuple[int, int]) -> None:
    image = random_image(*size)
    moved = warp(image, constant_flow(image, 1, 0), sampling=sampling, padding="border")
    torch.testing.assert_close(moved, shifted(image, 1, 0, "border"), rtol=0, atol=2e-6)


@pytest.mark.parametrize("part", [0.25, 0.5])
def test_ramp_moves_by_parts_of_a_pixel(part: float) -> None:
    ramp = torch.arange(16.0).expand(1, 1, 12, 16)
    moved = warp(ramp, constant_flow(ramp, part, 0), sampling="bilinear", padding="border")
    torch.testing.assert_close(moved[..., 1:], ramp[..., 1:] - part, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("sampling", "kernel"), [("bilinear", linear_kernel), ("bicubic", cubic_kernel)])
@every_padding
def test_warp_interpolates_with_its_kernel(
    sampling: Sampling, kernel: Callable[[float], float], padding: Padding
) -> None:
    image = random_image(9, 7).double()
    flow = 3 * torch.randn(3, 2, 9, 7, dtype=torch.double, generator=seeded(1))
    moved = warp(image, flow, sampling=sampling, padding=padding)
    torch.testing.assert_close(moved, naive(image, flow, kernel, 2, padding), rtol=0, atol=1e-12)


@every_sampling
def test_mass_that_stays_inside_is_kept(sampling: Sampling) -> None:
    blob = warp_gaussian(delta(31), constant_flow(delta(31), 0, 0), 2.0, padding="zeros")
    moved = warp(blob, constant_flow(blob, 2.3, -1.6), sampling=sampling, padding="zeros")
    assert moved.sum().item() == pytest.approx(1, abs=1e-5)


@every_padding
def test_gaussian_warp_is_its_definition(padding: Padding) -> None:
    # The sum over all pixels, divided by the sum of weights; the window cuts off less than 1 % of it.
    image = random_image(9, 7, batch=1).double()
    flow = 2 * torch.randn(1, 2, 9, 7, dtype=torch.double, generator=seeded(1))

    def kernel(distance: float) -> float:
        return math.exp(-(distance**2) / (4 * SPREAD)) / math.sqrt(4 * math.pi * SPREAD)

    moved = warp_gaussian(image, flow, SPREAD, padding=padding)
    torch.testing.assert_close(moved, naive(image, flow, kernel, 5, padding), rtol=0, atol=0.01)


@pytest.mark.parametrize("diffusion", [1e-6, 0.03, 0.1, SPREAD, 4.0])
def test_gaussian_warp_keeps_constant_images(diffusion: float) -> None:
    image = torch.full((2, 1, 12, 10), 0.7)
    flow = 5 * torch.randn(2, 2, 12, 10, generator=seeded())
    torch.testing.assert_close(warp_gaussian(image, flow, diffusion, padding="border"), image, rtol=0, atol=1e-6)


def test_gaussian_warp_of_whole_pixels_shifts_the_blurred_image() -> None:
    image = random_image(24, 24)
    still = warp_gaussian(image, constant_flow(image, 0, 0), SPREAD, padding="zeros")
    moved = warp_gaussian(image, constant_flow(image, 3, -2), SPREAD, padding="zeros")
    torch.testing.assert_close(moved[..., 4:16, 8:20], still[..., 6:18, 5:17], rtol=0, atol=1e-6)


def test_delta_spreads_to_the_green_function_of_diffusion() -> None:
    spread = warp_gaussian(delta(), constant_flow(delta(), 0, 0), SPREAD, padding="zeros")
    assert spread[0, 0, 10, 10].item() == pytest.approx(1 / (4 * math.pi * SPREAD), abs=1e-4)
    assert spread.sum().item() == pytest.approx(1, abs=1e-6)


def test_variance_grows_with_every_gaussian_warp() -> None:
    image, places = delta(), torch.arange(21.0) - 10
    for steps in range(1, 4):
        image = warp_gaussian(image, constant_flow(image, 0, 0), SPREAD, padding="zeros")
        variance = (image.sum((0, 1, 2)) * places**2).sum().item()
        assert variance == pytest.approx(2 * SPREAD * steps, rel=5e-3)


@pytest.mark.parametrize("method", [*SAMPLINGS, "gaussian"])
@every_padding
def test_gradients_are_true(method: str, padding: Padding) -> None:
    image = random_image(6, 6, batch=2).double().requires_grad_()
    # Away from whole and half pixels, where pieces of the functions meet.
    whole = torch.randint(-3, 3, (2, 2, 6, 6), generator=seeded(1))
    part = 0.1 + 0.3 * torch.rand(2, 2, 6, 6, generator=seeded(2), dtype=torch.double)
    flow = (whole + part).requires_grad_()

    def moved(image: Tensor, flow: Tensor) -> Tensor:
        if method == "gaussian":
            return warp_gaussian(image, flow, SPREAD, padding=padding)
        return warp(image, flow, sampling="bicubic" if method == "bicubic" else "bilinear", padding=padding)

    assert torch.autograd.gradcheck(moved, (image, flow))


def test_composed_flow_is_one_warp_after_the_other() -> None:
    # A ramp is interpolated exactly, so that both ways agree where no source lies outside.
    ramps = torch.stack(torch.meshgrid(torch.arange(20.0), torch.arange(20.0), indexing="ij"))[None].double()
    earlier = torch.rand(1, 2, 20, 20, generator=seeded(), dtype=torch.double) * 4 - 2
    later = torch.rand(1, 2, 20, 20, generator=seeded(1), dtype=torch.double) * 4 - 2
    stepwise = warp(
        warp(ramps, earlier, sampling="bilinear", padding="border"), later, sampling="bilinear", padding="border"
    )
    at_once = warp(ramps, compose_flows(earlier, later), sampling="bilinear", padding="border")
    torch.testing.assert_close(at_once[..., 4:-4, 4:-4], stepwise[..., 4:-4, 4:-4], rtol=0, atol=1e-9)


def test_bfloat16_images_and_flows_are_moved_in_float32() -> None:
    image, flow = random_image(40, 40).bfloat16(), torch.randn(3, 2, 40, 40, generator=seeded(1)).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        advected = warp(image, flow, sampling="bicubic", padding="border")
        diffused = warp_gaussian(image, flow, SPREAD, padding="border")
    image, flow = image.float(), flow.float()
    assert torch.equal(advected, warp(image, flow, sampling="bicubic", padding="border"))
    assert torch.equal(diffused, warp_gaussian(image, flow, SPREAD, padding="border"))

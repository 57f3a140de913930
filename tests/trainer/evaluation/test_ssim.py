"""SSIM: scikit-image's and torchmetrics' numbers, the definition one window at a time, masks, and laws."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from tests.reference import ssim as reference
from trainer.evaluation import ssim as module
from trainer.evaluation.ssim import ssim, ssim_gaussian

Similarity = Callable[..., Tensor]
SHAPE = (2, 3, 1, 20, 33)

both = pytest.mark.parametrize("similarity", [ssim, ssim_gaussian])


def pair(shape: tuple[int, ...] = SHAPE, contrast: float = 1.0) -> tuple[Tensor, Tensor]:
    """Return smooth targets and noisy forecasts of them in [0, 1], float32 as networks emit them."""
    generator = torch.Generator().manual_seed(7)
    rough = torch.rand(shape, generator=generator)
    target = contrast * torch.nn.functional.avg_pool3d(rough, (1, 5, 5), 1, (0, 2, 2))
    return (target + 0.1 * torch.randn(shape, generator=generator)).clamp(0, 1), target


@pytest.mark.parametrize("contrast", [1.0, 1e-2, 0.0])
def test_uniform_windows_give_the_number_of_scikit_image(contrast: float) -> None:
    forecast, target = pair(contrast=contrast)
    expected = [
        structural_similarity(a, b, data_range=1.0)
        for a, b in zip(
            forecast.double().numpy().reshape(-1, 20, 33), target.double().numpy().reshape(-1, 20, 33), strict=True
        )
    ]
    assert ssim(forecast, target).flatten().tolist() == pytest.approx(expected, abs=1e-9)


def test_gaussian_windows_give_the_number_of_scikit_image() -> None:
    forecast, target = pair()
    expected = [
        structural_similarity(a, b, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
        for a, b in zip(
            forecast.double().numpy().reshape(-1, 20, 33), target.double().numpy().reshape(-1, 20, 33), strict=True
        )
    ]
    assert ssim_gaussian(forecast, target).flatten().tolist() == pytest.approx(expected, abs=1e-9)


def test_gaussian_windows_give_the_map_of_torchmetrics_where_they_lie_inside() -> None:
    forecast, target = (frames.double().flatten(0, 1) for frames in pair())
    returned = structural_similarity_index_measure(forecast, target, data_range=1.0, return_full_image=True)
    expected = returned[1][..., 5:-5, 5:-5].mean(dim=(1, 2, 3))  # its margin is of reflected pixels
    ours = ssim_gaussian(forecast.unflatten(0, (2, 3)), target.unflatten(0, (2, 3))).flatten()
    assert ours.tolist() == pytest.approx(expected.tolist(), abs=1e-9)


@pytest.mark.parametrize("data_range", [1.0, 2.0])
def test_similarity_is_its_definition(data_range: float) -> None:
    forecast, target = pair((1, 1, 1, 16, 18))
    a, b = forecast[0, 0, 0].double().numpy(), target[0, 0, 0].double().numpy()
    uniform = reference.ssim(a, b, reference.uniform_window(), sample=True, data_range=data_range)
    gaussian = reference.ssim(a, b, reference.gaussian_window(), data_range=data_range)
    assert ssim(forecast, target, data_range=data_range).item() == pytest.approx(uniform, abs=1e-12)
    assert ssim_gaussian(forecast, target, data_range=data_range).item() == pytest.approx(gaussian, abs=1e-12)


def test_only_windows_without_a_missing_pixel_count() -> None:
    forecast, target = pair((1, 1, 1, 20, 20))
    valid = torch.ones_like(target, dtype=torch.bool)
    valid[..., 3, 4] = valid[..., 17, 15] = False
    a, b, known = (frames[0, 0, 0].numpy() for frames in (forecast.double(), target.double(), valid))
    expected = reference.ssim(a, b, reference.uniform_window(), sample=True, valid=known)
    gaussian = reference.ssim(a, b, reference.gaussian_window(), valid=known)
    forecast[~valid], target[~valid] = 9.0, torch.nan
    assert ssim(forecast, target, valid).item() == pytest.approx(expected, abs=1e-12)
    assert ssim_gaussian(forecast, target, valid).item() == pytest.approx(gaussian, abs=1e-12)


@both
def test_a_frame_without_a_whole_window_has_no_similarity(similarity: Similarity) -> None:
    small = torch.zeros(2, 3, 1, 6, 40)
    assert similarity(small, small).isnan().all()
    forecast, target = pair()
    valid = torch.ones_like(target, dtype=torch.bool)
    valid[0, 1, :, :, ::6] = False
    similarities = similarity(forecast, target, valid)
    assert similarities.isnan().nonzero().tolist() == [[0, 1]]


@both
def test_a_frame_is_like_itself_and_as_like_as_the_other_is_to_it(similarity: Similarity) -> None:
    forecast, target = pair()
    assert torch.allclose(similarity(target, target), torch.ones(2, 3, dtype=torch.float64), rtol=1e-12)
    assert torch.allclose(similarity(forecast, target), similarity(target, forecast), rtol=1e-12)


@both
def test_binary_noise_is_unlike_its_negative(similarity: Similarity) -> None:
    noise = (torch.rand(SHAPE, generator=torch.Generator().manual_seed(1)) > 0.5).float()
    assert (similarity(noise, 1 - noise) < 0).all()


@both
def test_an_overstated_data_range_flatters(similarity: Similarity) -> None:
    forecast, target = pair()
    assert (similarity(forecast, target, data_range=2.0) > similarity(forecast, target)).all()


@both
def test_similarity_does_not_depend_on_the_batch(similarity: Similarity, monkeypatch: pytest.MonkeyPatch) -> None:
    forecast, target = pair()
    together = similarity(forecast, target)
    assert torch.equal(similarity(forecast.flip(0), target.flip(0)).flip(0), together)
    monkeypatch.setattr(module, "CHUNK_PIXELS", 4 * 20 * 33)
    assert torch.allclose(similarity(forecast, target), together, rtol=1e-12)


@both
def test_similarity_of_several_channels_is_their_mean(similarity: Similarity) -> None:
    forecast, target = pair((2, 3, 2, 16, 16))
    alone = [similarity(forecast[:, :, [channel]], target[:, :, [channel]]) for channel in (0, 1)]
    assert np.allclose(similarity(forecast, target), sum(alone) / 2, rtol=1e-12)

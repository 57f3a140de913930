"""Metrics of frames: numbers by hand, scikit-image's and torchmetrics', masks as crops, and what has no score."""

import math
from collections.abc import Sequence

import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio
from torch import Tensor
from torchmetrics.functional.classification import binary_precision, binary_recall
from torchmetrics.functional.regression import critical_success_index, mean_absolute_error, mean_squared_error

from trainer.evaluation.metrics import describe, measure

THRESHOLDS = (2.0, 64.0, 200.0)


def pair(*shape: int, seed: int = 3) -> tuple[Tensor, Tensor]:
    """Return forecasts and targets in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    target = torch.rand(shape, generator=generator)
    return (target + 0.2 * torch.randn(shape, generator=generator)).clamp(0, 1), target


def measured(
    forecast: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    *,
    scale: float = 255.0,
    limit: float = 1.0,
    thresholds: Sequence[float] = THRESHOLDS,
) -> dict[str, float]:
    """Return the metrics over all frames."""
    sums = measure(forecast, target, valid, scale=scale, limit=limit, thresholds=thresholds)
    return {name: (frames[0].sum() / frames[1].sum()).item() for name, frames in sums.items()}


def test_a_uniform_error_has_the_published_values() -> None:
    target = torch.full((2, 3, 1, 128, 128), 0.4)
    metrics = measured(target + 0.1, target)
    assert metrics["mse_sum"] == pytest.approx(163.84)
    assert metrics["mse_mean"] == pytest.approx(650.25)
    assert metrics["mae"] == pytest.approx(25.5)
    assert metrics["psnr"] == pytest.approx(20.0)
    assert metrics["mse_mean"] == pytest.approx(metrics["mse_sum"] * 65025 / 128**2)


def test_balanced_error_has_the_published_values() -> None:
    rates = torch.tensor([1.0, 3, 7, 20, 50]).view(1, 1, 1, 1, 5)
    metrics = measured(torch.full_like(rates, 2 / 60), rates / 60, scale=60.0)
    assert metrics["b_mse"] == pytest.approx(14497.6, rel=1e-6)
    assert metrics["mse_mean"] == pytest.approx(531.0, rel=1e-6)


def test_balanced_error_of_light_rain_is_the_squared_error() -> None:
    forecast, target = pair(2, 3, 1, 16, 16)
    metrics = measured(forecast, 0.03 * target, scale=60.0)
    assert metrics["b_mse"] == pytest.approx(metrics["mse_mean"], rel=1e-12)


def test_errors_are_those_of_torchmetrics() -> None:
    forecast, target = (frames.double() for frames in pair(2, 3, 1, 16, 18))
    metrics = measured(forecast, target)
    assert metrics["mse_mean"] == pytest.approx(mean_squared_error(255 * forecast, 255 * target).item(), rel=1e-9)
    assert metrics["mae"] == pytest.approx(mean_absolute_error(255 * forecast, 255 * target).item(), rel=1e-9)


def test_psnr_is_the_mean_over_frames_of_that_of_scikit_image() -> None:
    forecast, target = (frames.double() for frames in pair(2, 3, 1, 16, 18))
    frames = zip(target.flatten(0, 2).numpy(), forecast.flatten(0, 2).numpy(), strict=True)
    expected = sum(peak_signal_noise_ratio(true, predicted, data_range=1.0) for true, predicted in frames) / 6
    assert measured(forecast, target)["psnr"] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_scores_of_events_are_those_of_torchmetrics(threshold: float) -> None:
    forecast, target = pair(2, 3, 1, 16, 16)
    metrics = measured(forecast, target)
    foreseen, happened = (255 * forecast >= threshold).int(), (255 * target >= threshold).int()
    assert metrics[f"csi_{threshold:g}"] == pytest.approx(
        critical_success_index(255 * forecast, 255 * target, threshold).item()
    )
    assert metrics[f"pod_{threshold:g}"] == pytest.approx(binary_recall(foreseen, happened).item())
    assert metrics[f"far_{threshold:g}"] == pytest.approx(1 - binary_precision(foreseen, happened).item(), abs=1e-6)


def test_scores_of_events_are_counted_by_hand() -> None:
    forecast = torch.tensor([9.0, 9, 9, 0, 0, 0, 0, 9]).view(1, 1, 1, 2, 4) / 10
    target = torch.tensor([9.0, 9, 0, 9, 9, 9, 0, 0]).view(1, 1, 1, 2, 4) / 10
    metrics = measured(forecast, target, scale=10.0, thresholds=(9.0,))  # 2 hits, 3 misses, 2 false alarms
    assert (metrics["csi_9"], metrics["pod_9"], metrics["far_9"]) == pytest.approx((2 / 7, 2 / 5, 2 / 4))


def test_every_stored_grey_level_reaches_itself() -> None:
    levels = torch.arange(1, 256)
    frame = (levels.float() / 255).view(1, 1, 1, 15, 17)
    sums = measure(frame, frame, None, scale=255.0, limit=1.0, thresholds=[float(level) for level in levels])
    assert [sums[f"csi_{level}"][0].item() for level in levels] == [256 - level for level in levels]


def test_a_perfect_forecast_has_the_best_values() -> None:
    target = pair(2, 3, 1, 16, 16)[1]
    for name, metric in describe("grey level", 255.0, THRESHOLDS).items():
        best = metric.lowest if metric.better == "lower" else metric.highest
        assert measured(target, target)[name] == pytest.approx(best)


def test_every_metric_is_described_and_within_its_range() -> None:
    metrics = measured(*pair(2, 3, 1, 16, 16))
    described = describe("grey level", 255.0, THRESHOLDS)
    assert list(metrics) == list(described)
    for name, value in metrics.items():
        lowest, highest = described[name].lowest, described[name].highest
        assert (-math.inf if lowest is None else lowest) <= value <= (math.inf if highest is None else highest)


def test_frames_are_clipped_to_the_limit() -> None:
    forecast, target = pair(2, 3, 1, 16, 16)
    loud = 3 * forecast - 1
    assert measured(loud, target) == measured(loud.clamp(0, 1), target)
    assert measured(loud, target, limit=math.inf)["mse_mean"] == pytest.approx(
        65025 * (loud.clamp(min=0) - target).double().square().mean().item()
    )


def test_a_mask_of_all_but_a_rectangle_is_a_crop_to_it() -> None:
    forecast, target = pair(2, 3, 2, 24, 26)
    valid = torch.zeros(2, 3, 1, 24, 26, dtype=torch.bool)
    inside = (..., slice(4, 21), slice(2, 15))
    valid[inside] = True
    cropped = measured(forecast[inside], target[inside])
    unknown = ~valid.expand_as(target)
    forecast[unknown], target[unknown] = math.inf, math.nan
    assert measured(forecast, target, valid) == pytest.approx(cropped, rel=1e-12)


def test_a_frame_without_data_takes_no_part() -> None:
    forecast, target = pair(2, 3, 1, 16, 16)
    valid = torch.ones_like(target, dtype=torch.bool)
    valid[:, 2] = False
    assert measured(forecast, target, valid) == pytest.approx(measured(forecast[:, :2], target[:, :2]), rel=1e-12)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_frame_that_holds_no_number_spoils_every_metric(value: float) -> None:
    forecast, target = pair(2, 3, 1, 16, 16)
    forecast[1, 2, 0, 3, 3] = value
    sums = measure(forecast, target, None, scale=255.0, limit=1.0, thresholds=THRESHOLDS)
    spoilt = {name: frames[0].isnan().nonzero().tolist() for name, frames in sums.items()}
    assert spoilt == {name: [[1, 2]] for name in sums}


def test_a_frame_too_small_for_windows_has_the_other_metrics() -> None:
    forecast, target = pair(2, 1, 1, 5, 8)
    without_value = {name for name, value in measured(forecast, target).items() if math.isnan(value)}
    assert without_value == {"ssim", "ssim_gaussian"}

"""Scores: any split of the data gives the same numbers, counts are summed before ratios, and models are paired."""

import json
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from trainer.evaluation.scores import Scores

METRICS = ("mse_sum", "mse_mean", "mae", "psnr", "ssim", "ssim_gaussian", "b_mse", "csi_64", "pod_64", "far_64")


def pair(sequences: int = 12, noise: float = 0.2, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return forecasts that get worse with lead time and from sequence to sequence, and targets."""
    generator = torch.Generator().manual_seed(seed)
    target = torch.rand((sequences, 3, 1, 16, 16), generator=generator)
    error = torch.randn(target.shape, generator=torch.Generator().manual_seed(seed + 1))
    growth = torch.arange(1, 4).view(1, 3, 1, 1, 1) * torch.linspace(0.5, 1.5, sequences).view(-1, 1, 1, 1, 1)
    return (target + noise * growth * error).clamp(0, 1), target


def scored(forecast: Tensor, target: Tensor, valid: Tensor | None = None, **fields: Any) -> Scores:
    scores = Scores(**({"thresholds": (64.0,)} | fields))
    scores.update(forecast, target, valid)
    return scores


def test_the_metrics_are_those_that_are_described() -> None:
    scores = scored(*pair())
    assert tuple(scores.metrics) == tuple(scores.summary(seed=0)) == METRICS


def test_batches_and_merged_parts_are_the_whole() -> None:
    forecast, target = pair()
    whole, streamed, first = (Scores(thresholds=(64.0,)) for _ in range(3))
    whole.update(forecast, target)
    for batch in (slice(0, 5), slice(5, 6), slice(6, 12)):
        streamed.update(forecast[batch], target[batch])
    first.update(forecast[:7], target[:7])
    first.merge(scored(forecast[7:], target[7:]))
    first.merge(Scores(thresholds=(64.0,)))
    assert whole.sequences == streamed.sequences == first.sequences == 12
    assert torch.allclose(streamed.sums, whole.sums, rtol=1e-12)
    assert torch.allclose(first.sums, whole.sums, rtol=1e-12)


def test_scores_merged_with_themselves_hold_every_sequence_twice() -> None:
    scores = scored(*pair())
    once = scores.summary(seed=0)
    scores.merge(scores)
    twice = scores.summary(seed=0)
    assert scores.sequences == 24
    assert [twice[name]["mean"] for name in METRICS] == pytest.approx([once[name]["mean"] for name in METRICS])


def test_lead_times_are_apart_and_their_mean_is_the_whole() -> None:
    forecast, target = pair()
    summary = scored(forecast, target).summary(seed=0)
    for name in ("mse_sum", "psnr", "ssim"):
        alone = [scored(forecast[:, [s]], target[:, [s]]).summary(seed=0)[name] for s in range(3)]
        assert summary[name]["per_lead_time"] == pytest.approx([entry["mean"] for entry in alone], rel=1e-12)
        assert summary[name]["mean"] == pytest.approx(sum(summary[name]["per_lead_time"]) / 3, rel=1e-12)
    assert summary["mse_sum"]["per_lead_time"] == sorted(summary["mse_sum"]["per_lead_time"])


def test_counts_of_events_are_summed_before_their_ratio() -> None:
    forecast, target = torch.zeros(2, 2, 1, 4, 4), torch.zeros(2, 2, 1, 4, 4)
    target[0, 0, 0, 0, 0] = 1  # one wet pixel, missed
    target[1, 0] = forecast[1, 0] = 1  # sixteen, hit
    forecast[1, 1, 0, 0] = 1  # four false alarms
    summary = scored(forecast, target).summary(seed=0)
    assert summary["csi_64"]["per_lead_time"] == pytest.approx([16 / 17, 0])
    assert summary["csi_64"]["mean"] == pytest.approx(16 / 21)
    assert summary["pod_64"]["per_lead_time"] == [pytest.approx(16 / 17), None]
    assert summary["far_64"]["mean"] == pytest.approx(4 / 20)


def test_summary_is_json_whatever_the_scores() -> None:
    forecast, target = pair(3)
    forecast[1, 2, 0, 0, 0] = math.nan
    summary = scored(forecast, target, thresholds=(300.0,)).summary(seed=0)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert summary["mse_sum"]["mean"] is None
    assert summary["mse_sum"]["interval"] is None
    assert summary["mse_sum"]["per_lead_time"][2] is None
    assert summary["mse_sum"]["per_lead_time_interval"][2] is None
    assert summary["mse_sum"]["per_lead_time"][1] > 0
    assert summary["csi_300"]["per_lead_time"] == [None, None, None]


def test_intervals_hold_their_values_and_follow_the_seed() -> None:
    scores = scored(*pair())
    summary = scores.summary(seed=0)
    assert summary == scores.summary(seed=0)
    assert summary["mse_sum"]["interval"] != scores.summary(seed=1)["mse_sum"]["interval"]
    for entry in summary.values():
        low, high = entry["interval"]
        assert low < entry["mean"] < high
        for value, (low, high) in zip(entry["per_lead_time"], entry["per_lead_time_interval"], strict=True):
            assert low < value < high


def test_more_frames_of_the_same_sequences_are_no_more_evidence() -> None:
    forecast, target = (frames[:, :1] for frames in pair())
    once = scored(forecast, target).summary(seed=0)["mse_sum"]
    often = scored(forecast.repeat(1, 9, 1, 1, 1), target.repeat(1, 9, 1, 1, 1)).summary(seed=0)["mse_sum"]
    assert often["interval"] == pytest.approx(once["interval"], rel=1e-12)


def test_one_sequence_has_values_without_intervals() -> None:
    entry = scored(*pair(1)).summary(seed=0)["ssim"]
    assert entry["mean"] > 0
    assert entry["interval"] is None
    assert entry["per_lead_time_interval"] == [None, None, None]


def test_a_mask_reaches_the_metrics() -> None:
    forecast, target = pair()
    valid = torch.ones_like(target, dtype=torch.bool)
    valid[..., 8:, :] = False
    top = scored(forecast[..., :8, :], target[..., :8, :]).summary(seed=0)
    masked = scored(forecast, target, valid).summary(seed=0)
    for name in set(METRICS) - {"ssim_gaussian"}:
        assert masked[name]["per_lead_time"] == pytest.approx(top[name]["per_lead_time"], rel=1e-12)


def test_a_model_is_as_good_as_itself() -> None:
    scores = scored(*pair())
    for name in METRICS:
        difference = scores.paired(scores, name, seed=0)
        assert difference["mean"] == 0
        assert difference["interval"] == [0, 0]
        assert difference["per_lead_time"] == [0, 0, 0]


def test_paired_difference_is_that_of_the_means_and_turns_its_sign_with_the_models() -> None:
    forecast, target = pair()
    better, worse = scored(0.7 * forecast + 0.3 * target, target), scored(forecast, target)
    means = [scores.summary(seed=0)["mse_sum"]["mean"] for scores in (better, worse)]
    gain, loss = better.paired(worse, "mse_sum", seed=0), worse.paired(better, "mse_sum", seed=0)
    assert gain["mean"] == pytest.approx(means[0] - means[1])
    assert gain["mean"] == -loss["mean"]
    assert gain["interval"] == pytest.approx([-loss["interval"][1], -loss["interval"][0]])
    assert gain["interval"][1] < 0


def test_pairing_tells_apart_what_the_intervals_of_two_models_do_not() -> None:
    forecast, target = pair()
    slightly_better = scored(0.9 * forecast + 0.1 * target, target)
    worse = scored(forecast, target)
    mine, others = (scores.summary(seed=0)["mse_sum"]["interval"] for scores in (slightly_better, worse))
    assert mine[1] > others[0]
    assert slightly_better.paired(worse, "mse_sum", seed=0)["interval"][1] < 0


def test_scale_and_unit_of_radar_are_those_of_the_definitions() -> None:
    target = torch.full((2, 1, 1, 8, 8), 0.5)
    scores = scored(target + 1.1, target, unit="mm/h", scale=60.0, limit=math.inf, thresholds=(0.5, 30.0))
    summary = scores.summary(seed=0)
    assert summary["mse_mean"]["mean"] == pytest.approx(66**2, rel=1e-6)
    assert summary["b_mse"]["mean"] == pytest.approx(30 * 66**2, rel=1e-6)
    assert scores.metrics["mse_mean"].unit == "(mm/h)^2"
    assert "30 mm/h" in scores.metrics["csi_30"].definition


def test_what_does_not_belong_together_is_refused() -> None:
    forecast, target = pair()
    scores = scored(forecast, target)
    with pytest.raises(ValueError, match=r"\(12, 3, 1, 16, 16\), target \(12, 2, 1, 16, 16\)"):
        scores.update(forecast, target[:, :2])
    with pytest.raises(ValueError, match="2 lead times after sequences of 3"):
        scores.update(forecast[:, :2], target[:, :2])
    with pytest.raises(ValueError, match="csi_20"):
        scores.merge(Scores(thresholds=(20.0,)))
    with pytest.raises(ValueError, match="12 sequences of 3 lead times are no pairs of 11 sequences of 3"):
        scores.paired(scored(forecast[1:], target[1:]), "ssim", seed=0)
    with pytest.raises(ValueError, match="no sequence was scored"):
        Scores().summary(seed=0)
    with pytest.raises(ValueError, match="threshold 0 mm/h"):
        Scores(unit="mm/h", thresholds=(10.0, 0.0))

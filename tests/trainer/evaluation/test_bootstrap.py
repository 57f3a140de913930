"""Intervals: percentiles of resampled sequences, as wide as theory says, the same for the same seed."""

import math

import pytest
import torch

from trainer.evaluation.bootstrap import interval, resample_counts


def test_resamples_draw_as_many_sequences_as_there_are() -> None:
    counts = resample_counts(30, seed=0)
    assert (counts.sum(dim=1) == 30).all()
    assert counts.mean(dim=0).tolist() == pytest.approx([1.0] * 30, abs=0.15)
    assert counts.var().item() == pytest.approx(1 - 1 / 30, abs=0.05)


def test_resamples_are_those_of_their_seed() -> None:
    assert torch.equal(resample_counts(30, seed=5), resample_counts(30, seed=5))
    assert not torch.equal(resample_counts(30, seed=5), resample_counts(30, seed=6))


def test_interval_of_a_mean_is_as_wide_as_its_standard_error_says() -> None:
    values = torch.randn(400, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    low, high = interval(resample_counts(400, seed=0) @ values / 400).tolist()
    error = values.std().item() / math.sqrt(400)
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.1)
    assert (low + high) / 2 == pytest.approx(values.mean().item(), abs=0.2 * error)


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    draws = torch.randn(200, 50, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    ends = interval(resample_counts(50, seed=0) @ draws.T / 50)
    covered = ((ends[0] <= 0) & (ends[1] >= 0)).double().mean().item()
    assert covered == pytest.approx(0.95, abs=0.05)


def test_interval_leaves_out_resamples_without_a_value() -> None:
    values = torch.tensor([[0.0, math.nan], [1.0, math.nan], [math.nan, math.nan]], dtype=torch.float64)
    ends = interval(values)
    assert ends[:, 0].tolist() == pytest.approx([0.025, 0.975])
    assert ends[:, 1].isnan().all()


def test_a_single_sequence_shows_no_spread() -> None:
    counts = resample_counts(1, seed=0)
    assert interval(counts @ torch.ones(1, 4, dtype=torch.float64)).isnan().all()

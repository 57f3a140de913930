"""The scores of a model on a data set: streamed, merged, and summed up with intervals over sequences."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from trainer.evaluation.bootstrap import interval, resample_counts
from trainer.evaluation.metrics import Metric, describe, measure


class Scores:
    """
    Accumulate every metric of every frame; a sequence costs a few hundred bytes, whatever its frames' size.

    Parameters
    ----------
    unit : of the data, named in definitions
    scale : what a full-scale pixel is in that unit: 255 grey levels, or the mm/h of it
    limit : forecasts and targets are clipped to [0, limit], fractions of full scale: 1 for pictures, infinity for rain
    thresholds : in that unit, > 0; each adds CSI, POD and FAR

    Attributes
    ----------
    metrics : definition, unit, range and direction of every metric by name

    Raises
    ------
    ValueError
        If a threshold is not above 0.
    """

    def __init__(
        self, *, unit: str = "grey level", scale: float = 255.0, limit: float = 1.0, thresholds: Sequence[float] = ()
    ) -> None:
        if thresholds and min(thresholds) <= 0:
            raise ValueError(f"threshold {min(thresholds):g} {unit} is reached by nothing too; give thresholds above 0")
        self.metrics: dict[str, Metric] = describe(unit, scale, thresholds)
        self._scale, self._limit, self._thresholds = scale, limit, tuple(thresholds)
        self._parts: list[Tensor] = []

    @property
    def sequences(self) -> int:
        """How many were scored."""
        return sum(part.shape[2] for part in self._parts)

    @property
    def sums(self) -> Tensor:
        """What everything else is made from: (metric, 2, sequence, time) float64, numerators and denominators."""
        if not self._parts:
            raise ValueError("no sequence was scored; update with at least one")
        return torch.cat(self._parts, dim=2)

    def update(self, forecast: Tensor, target: Tensor, valid: Tensor | None = None) -> None:
        """
        Score a batch of sequences.

        Parameters
        ----------
        forecast, target : (batch, time, channel, y, x), fractions of full scale, on any device
        valid : (batch, time, channel or 1, y, x) bool, true where there are data; None for everywhere

        Raises
        ------
        ValueError
            If the shapes differ, or there are not as many lead times as before.
        """
        if forecast.shape != target.shape:
            raise ValueError(f"forecast has the shape {tuple(forecast.shape)}, target {tuple(target.shape)}")
        sums = measure(forecast, target, valid, scale=self._scale, limit=self._limit, thresholds=self._thresholds)
        self._append(torch.stack([sums[name] for name in self.metrics]).cpu())

    def merge(self, other: "Scores") -> None:
        """
        Add the sequences of other scores after these, as if they had been updated with them.

        Raises
        ------
        ValueError
            If the others have other metrics or lead times.
        """
        self._require_same_metrics(other)
        if other.sequences:
            self._append(other.sums)

    def summary(self, seed: int) -> dict[str, dict[str, Any]]:
        """
        Return every metric, ready for JSON.

        Parameters
        ----------
        seed : of the resamples

        Returns
        -------
        by name: mean, its interval (95 %, over sequences), per_lead_time and per_lead_time_interval; None for what is
        no finite number and for the intervals of a single sequence

        Raises
        ------
        ValueError
            If no sequence was scored.
        """
        sums = self.sums
        counts = resample_counts(sums.shape[2], seed)
        return {
            name: _entry(_values(sums[index]), _values(sums[index], counts)) for index, name in enumerate(self.metrics)
        }

    def paired(self, other: "Scores", metric: str, seed: int) -> dict[str, Any]:
        """
        Return how much greater a metric is here than in other scores of the same sequences in the same order.

        Both are computed on the same resamples: what makes a sequence hard for both does not widen the interval.

        Parameters
        ----------
        other : scores of another model
        metric : its name
        seed : of the resamples

        Returns
        -------
        as an entry of the summary: an interval without 0 tells the two apart

        Raises
        ------
        ValueError
            If the others have other metrics, sequences or lead times.
        """
        self._require_same_metrics(other)
        index = list(self.metrics).index(metric)
        mine, others = self.sums[index], other.sums[index]
        if mine.shape != others.shape:
            raise ValueError(
                f"{mine.shape[1]} sequences of {mine.shape[2]} lead times are no pairs of "
                f"{others.shape[1]} sequences of {others.shape[2]}"
            )
        counts = resample_counts(mine.shape[1], seed)
        return _entry(_values(mine) - _values(others), _values(mine, counts) - _values(others, counts))

    def _append(self, part: Tensor) -> None:
        if self._parts and part.shape[-1] != self._parts[0].shape[-1]:
            raise ValueError(f"{part.shape[-1]} lead times after sequences of {self._parts[0].shape[-1]}")
        self._parts.append(part)

    def _require_same_metrics(self, other: "Scores") -> None:
        if other.metrics != self.metrics:
            changed = sorted(name for name, _ in self.metrics.items() ^ other.metrics.items())
            raise ValueError(f"the scores differ in the definition of {changed[0]}")


def _values(sums: Tensor, counts: Tensor | None = None) -> Tensor:
    """
    Return the ratios of (2, sequence, time) in all, then per lead time: (1, 1 + time).

    With counts (resample, sequence) of each sequence: (resample, 1 + time).
    """
    totals = sums.sum(dim=1, keepdim=True) if counts is None else counts @ sums  # (2, resample, time)
    totals = torch.cat((totals.sum(dim=-1, keepdim=True), totals), dim=-1)
    return totals[0] / totals[1]


def _entry(value: Tensor, resampled: Tensor) -> dict[str, Any]:
    """Return the values of one metric, (1, 1 + time), with the intervals of its (resample, 1 + time)."""
    mean, *per_lead_time = _numbers(value[0])
    ends, *per_lead_time_ends = zip(*(_numbers(end) for end in interval(resampled)), strict=True)
    return {
        "mean": mean,
        "interval": _interval_or_none(ends),
        "per_lead_time": per_lead_time,
        "per_lead_time_interval": [_interval_or_none(ends) for ends in per_lead_time_ends],
    }


def _numbers(values: Tensor) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values.tolist()]


def _interval_or_none(ends: Sequence[float | None]) -> list[float] | None:
    low, high = ends
    return None if low is None or high is None else [low, high]

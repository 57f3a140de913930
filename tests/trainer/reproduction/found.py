"""Scores made up for a row, to be judged and drawn, as the jobs of a plan would have left them."""

from collections.abc import Sequence

from trainer.reproduction.plan import Published, Row, Trial
from trainer.reproduction.scores import RowScores, Scores, Share

LEADS = (0.5, 1.0, 1.5)
"""Error of a lead time over that of all."""


def row_of(name: str, seeds: Sequence[int] = (1, 2, 3), published: Published | None = None) -> Row:
    """Return a row with a trial for each seed."""
    trials = {
        seed: Trial(
            job=f"evaluate/{name}/{seed}",
            evaluation=f"evaluations/{name}-{seed}.json",
            runs=(f"runs/{name}-{seed}",),
            training=(f"train/{name}/{seed}",),
        )
        for seed in seeds
    }
    return Row(name=name, title=name.title(), trials=trials, parameters=1000, published=published)


def scores_with(error: float, ssim: float = 0.5, share: tuple[float, float] | None = None) -> Scores:
    """Return the scores of one seed; the attribution of both properties is `share`, at t+1 and overall."""
    return Scores(
        mse_sum=error,
        mse_mean=63.5 * error,
        ssim=ssim,
        per_lead_time=tuple(lead * error for lead in LEADS),
        parameters=1000,
        cpu_seconds=10 * error,
        attribution={} if share is None else {"translation": Share(*share), "rotation": Share(0.9, 0.9)},
    )


def found(name: str, *seeds: Scores, published: Published | None = None) -> RowScores:
    """Return what was found of a row with the seeds 1, 2 and so on."""
    by_seed = dict(enumerate(seeds, 1))
    return RowScores(row=row_of(name, tuple(by_seed), published), seeds=by_seed, missing={})


def errors(name: str, *values: float) -> RowScores:
    """Return what was found of a row whose seeds have these errors."""
    return found(name, *(scores_with(value) for value in values))

"""Claims as data, and what the seeds say of each: computed, never written by hand."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from trainer.reproduction.scores import RowScores, Scores

Metric = Literal["mse_sum", "mse_first", "ssim"]
Verdict = Literal["holds", "does not", "within the noise", "not judged"]

FEWEST_SEEDS: Final = 2
"""Of each row: one alone has no spread, so nothing can be said of the noise."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One row is better than another, by a factor or at all."""

    statement: str
    row: str
    other: str
    metric: Metric = "mse_sum"
    limit: float | None = None
    """The mean of `row` is at most this share of the mean of `other`; None for better at all."""


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """The gates of a row give each property's pixels to its expert, each at least to a share."""

    statement: str
    row: str
    lead_times: Literal["first", "overall"]
    limit: float
    """Share of the pixels, in [0, 1]."""


Claim = Comparison | Attribution


class Spread(NamedTuple):
    """A mean over seeds, and the least and largest that they allow."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What the seeds say of a claim."""

    claim: Claim
    verdict: Verdict
    measured: Mapping[str, Spread]
    """What the limit is set on: the ratio of a comparison, or the share of every property by its name."""
    reason: str = ""
    """Why it is not judged."""


CLAIMS: Final[tuple[Claim, ...]] = (
    Comparison(
        statement="MIM with D-all <= 0.85 x MIM on real sequences alone", row="mim-all", other="mim-real", limit=0.85
    ),
    Comparison(
        statement="STMoE-Id <= 0.80 x MIM on real sequences alone", row="stmoe-id", other="mim-real", limit=0.80
    ),
    Comparison(
        statement="STMoE-kinematic <= 0.85 x parameter-matched MIM with D-all",
        row="stmoe-kinematic",
        other="mim-all-wide",
        limit=0.85,
    ),
    Comparison(
        statement="the same at t+1 <= 0.60 x",
        row="stmoe-kinematic",
        other="mim-all-wide",
        metric="mse_first",
        limit=0.60,
    ),
    Comparison(
        statement="the same: better SSIM",
        row="stmoe-kinematic",
        other="mim-all-wide",
        metric="ssim",
    ),
    Comparison(statement="STMoE-Id, pixel-wise below uniform attention", row="stmoe-id", other="stmoe-id-uniform"),
    Comparison(statement="STMoE-Id, pixel-wise below no attention", row="stmoe-id", other="stmoe-id-none"),
    *(
        Comparison(
            statement=f"stretch, the paper's ratio: {title} <= {limit} x {name}", row=row, other=other, limit=limit
        )
        for row, title in (("stmoe-id", "STMoE-Id"), ("stmoe-kinematic", "STMoE-kinematic"))
        for other, name, limit in (("mim-real", "MIM", 0.575), ("mim-all", "MIM with D-all", 0.66))
    ),
    *(
        claim
        for row, title in (
            ("stmoe-id", "STMoE-Id"),
            ("stmoe-conv", "STMoE-conv"),
            ("stmoe-kinematic", "STMoE-kinematic"),
        )
        for claim in (
            Attribution(
                statement=f"gates of {title} right at t+1, >= 70 % each", row=row, lead_times="first", limit=0.7
            ),
            Attribution(statement="the same over all frames, >= 60 % each", row=row, lead_times="overall", limit=0.6),
        )
    ),
)
"""Of the first table; those about rows that were not asked for are left out."""


def judge_all(scores: Mapping[str, RowScores], claims: Sequence[Claim] = CLAIMS) -> list[Judgement]:
    """
    Judge the claims about rows that there are.

    Parameters
    ----------
    scores : by row
    """
    return [
        judge(claim, scores)
        for claim in claims
        if claim.row in scores and (isinstance(claim, Attribution) or claim.other in scores)
    ]


def judge(claim: Claim, scores: Mapping[str, RowScores]) -> Judgement:
    """
    Judge a claim by the seeds of its rows.

    A comparison of row A with row B, of which less is better (SSIM is taken negative for it):

    - `does not`: the mean over seeds of A misses the limit, which is `limit` x the mean of B, or the mean of B itself.
    - `holds`: the mean meets it, and the seeds do not overlap: the worst seed of A is better than the best of B.
    - `within the noise`: the mean meets it, but some seed of A is no better than some seed of B.

    What is measured is the ratio of the means, between that of the best seed of A to the worst of B and that of the
    worst of A to the best of B.

    Attribution:

    - `does not`: the mean share of some property is below the limit.
    - `holds`: every seed's share of every property reaches the limit.
    - `within the noise`: the means do, but not every seed.

    `not judged`: a row has fewer than two seeds, or its gates attribute nothing.

    Parameters
    ----------
    scores : by row, with those of the claim
    """
    rows = (claim.row,) if isinstance(claim, Attribution) else (claim.row, claim.other)
    for name in rows:
        if len(scores[name].seeds) < FEWEST_SEEDS:
            reason = f"{name} has {len(scores[name].seeds)} of at least {FEWEST_SEEDS} seeds"
            return Judgement(claim=claim, verdict="not judged", measured={}, reason=reason)
    if isinstance(claim, Comparison):
        return _compare(claim, scores[claim.row], scores[claim.other])
    return _attribute(claim, scores[claim.row])


def spread(values: Sequence[float]) -> Spread:
    """Return the mean, least and largest of values."""
    return Spread(sum(values) / len(values), min(values), max(values))


def _compare(claim: Comparison, row: RowScores, other: RowScores) -> Judgement:
    read = _metric(claim.metric)
    a, b = (spread([read(scores) for scores in rows.seeds.values()]) for rows in (row, other))
    higher_is_better = claim.metric == "ssim"
    if higher_is_better:
        met, apart = a.mean > b.mean, a.low > b.high
    else:
        met = a.mean < b.mean if claim.limit is None else a.mean <= claim.limit * b.mean
        apart = a.high < b.low
    ratio = Spread(a.mean / b.mean, a.low / b.high, a.high / b.low)
    verdict: Verdict = "does not" if not met else "holds" if apart else "within the noise"
    return Judgement(claim=claim, verdict=verdict, measured={"ratio": ratio})


def _attribute(claim: Attribution, row: RowScores) -> Judgement:
    seeds = list(row.seeds.values())
    properties = [name for name in seeds[0].attribution if all(name in scores.attribution for scores in seeds)]
    if not properties:
        return Judgement(
            claim=claim, verdict="not judged", measured={}, reason=f"the gates of {claim.row} attribute nothing"
        )
    shares = {
        name: spread([getattr(scores.attribution[name], claim.lead_times) for scores in seeds]) for name in properties
    }
    met = all(share.mean >= claim.limit for share in shares.values())
    each = all(share.low >= claim.limit for share in shares.values())
    verdict: Verdict = "does not" if not met else "holds" if each else "within the noise"
    return Judgement(claim=claim, verdict=verdict, measured=shares)


def _metric(metric: Metric) -> Callable[[Scores], float]:
    match metric:
        case "mse_sum":
            return lambda scores: scores.mse_sum
        case "mse_first":
            return lambda scores: scores.mse_first
        case "ssim":
            return lambda scores: scores.ssim

"""Verdicts follow from the seeds alone: a limit met by the mean, seeds that do not overlap, and never one seed."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainer.reproduction.found import errors, found, scores_with
from trainer.reproduction.scores import RowScores
from trainer.reproduction.table1 import RECIPES
from trainer.reproduction.verdicts import (
    CLAIMS,
    Attribution,
    Comparison,
    Judgement,
    Metric,
    Verdict,
    judge,
    judge_all,
)

RANK: dict[Verdict, int] = {"does not": 0, "within the noise": 1, "holds": 2}
SEEDS = st.lists(st.floats(0.01, 100), min_size=2, max_size=4)
LIMITS = st.one_of(st.none(), st.floats(0.1, 1))


def compare(a: RowScores, b: RowScores, limit: float | None = None, metric: Metric = "mse_sum") -> Judgement:
    claim = Comparison(statement="a is better than b", row="a", other="b", metric=metric, limit=limit)
    return judge(claim, {"a": a, "b": b})


def attribute(lead_times: str, *shares: tuple[float, float], limit: float = 0.7) -> Judgement:
    claim = Attribution(statement="gates", row="a", lead_times=lead_times, limit=limit)  # type: ignore[arg-type]
    return judge(claim, {"a": found("a", *(scores_with(1, share=share) for share in shares))})


@pytest.mark.parametrize(
    ("a", "b", "limit", "verdict"),
    [
        ((8.0, 8.2, 8.4), (10.0, 10.2, 10.4), 0.85, "holds"),
        ((8.5, 8.5), (10.0, 10.0), 0.85, "holds"),  # at the limit
        ((8.0, 8.2, 10.1), (10.0, 11.0, 11.2), 0.85, "within the noise"),  # the worst is worse than the other's best
        ((8.0, 10.0), (10.0, 12.0), 0.85, "within the noise"),  # as good is not better
        ((9.0, 9.1), (10.0, 10.1), 0.85, "does not"),  # apart, but not by enough
        ((11.0, 12.0), (10.0, 10.1), 0.85, "does not"),
        ((9.9, 10.0), (10.1, 10.2), None, "holds"),
        ((9.9, 10.2), (10.1, 10.3), None, "within the noise"),
        ((10.0, 10.0), (10.0, 10.0), None, "does not"),
    ],
)
def test_a_comparison_is_judged_by_mean_and_overlap(
    a: tuple[float, ...], b: tuple[float, ...], limit: float | None, verdict: Verdict
) -> None:
    assert compare(errors("a", *a), errors("b", *b), limit).verdict == verdict


def test_the_ratio_is_that_of_means_between_those_of_the_extreme_seeds() -> None:
    ratio = compare(errors("a", 4, 6), errors("b", 8, 12), 0.6).measured["ratio"]
    assert ratio == pytest.approx((0.5, 4 / 12, 6 / 8))


def test_more_ssim_is_better() -> None:
    low, high = (
        found(name, scores_with(1, ssim=s), scores_with(1, ssim=s + 0.1)) for name, s in (("a", 0.5), ("b", 0.7))
    )
    assert compare(high, low, metric="ssim").verdict == "holds"
    assert compare(low, high, metric="ssim").verdict == "does not"
    assert (
        compare(found("a", scores_with(1, ssim=0.6), scores_with(1, ssim=0.9)), high, metric="ssim").verdict
        == "does not"
    )
    assert (
        compare(found("a", scores_with(1, ssim=0.75), scores_with(1, ssim=0.9)), high, metric="ssim").verdict
        == "within the noise"
    )


@given(SEEDS, SEEDS, LIMITS)
def test_holds_means_that_every_seed_is_better_and_the_mean_by_enough(
    a: list[float], b: list[float], limit: float | None
) -> None:
    verdict = compare(errors("a", *a), errors("b", *b), limit).verdict
    mean = (sum(a) / len(a)) / (sum(b) / len(b))
    if verdict == "holds":
        assert max(a) < min(b)
        assert mean <= (limit or 1) * (1 + 1e-9)
    if verdict == "does not":
        assert mean >= (limit or 1) * (1 - 1e-9)


@given(SEEDS, SEEDS, LIMITS, st.integers(-3, 3))
def test_the_unit_of_errors_does_not_matter(a: list[float], b: list[float], limit: float | None, power: int) -> None:
    scale = 2.0**power
    before = compare(errors("a", *a), errors("b", *b), limit)
    after = compare(errors("a", *(scale * x for x in a)), errors("b", *(scale * x for x in b)), limit)
    assert after.verdict == before.verdict
    assert after.measured["ratio"] == pytest.approx(before.measured["ratio"])


@given(SEEDS, SEEDS, LIMITS, st.integers(0, 3), st.floats(0.1, 1))
def test_a_better_seed_never_makes_a_verdict_worse(
    a: list[float], b: list[float], limit: float | None, place: int, factor: float
) -> None:
    better = list(a)
    better[place % len(a)] *= factor
    before, after = (compare(errors("a", *seeds), errors("b", *b), limit).verdict for seeds in (a, better))
    assert RANK[after] >= RANK[before]


@pytest.mark.parametrize(("a", "b"), [((1.0,), (10.0, 11.0)), ((1.0, 2.0), (10.0,)), ((), (1.0, 2.0))])
def test_one_seed_is_not_judged(a: tuple[float, ...], b: tuple[float, ...]) -> None:
    judgement = compare(errors("a", *a), errors("b", *b), 0.85)
    assert judgement.verdict == "not judged"
    assert "of at least 2 seeds" in judgement.reason


@pytest.mark.parametrize(
    ("shares", "verdict"),
    [
        (((0.7, 0.1), (0.8, 0.1)), "holds"),
        (((0.69, 0.1), (0.8, 0.1)), "within the noise"),
        (((0.5, 0.9), (0.8, 0.9)), "does not"),
    ],
)
def test_attribution_holds_where_every_seed_and_property_reaches_the_limit(
    shares: tuple[tuple[float, float], ...], verdict: Verdict
) -> None:
    judgement = attribute("first", *shares)
    assert judgement.verdict == verdict
    assert set(judgement.measured) == {"translation", "rotation"}
    assert judgement.measured["rotation"] == pytest.approx((0.9, 0.9, 0.9))


def test_attribution_over_all_frames_is_not_that_at_first() -> None:
    assert attribute("overall", (0.1, 0.8), (0.1, 0.9)).verdict == "holds"


def test_gates_that_attribute_nothing_are_not_judged() -> None:
    claim = Attribution(statement="gates", row="a", lead_times="first", limit=0.7)
    assert judge(claim, {"a": errors("a", 1, 2)}).verdict == "not judged"


def test_claims_are_about_rows_of_the_table() -> None:
    for claim in CLAIMS:
        assert claim.row in RECIPES
        assert isinstance(claim, Attribution) or claim.other in RECIPES
    assert len({claim.statement for claim in CLAIMS if isinstance(claim, Comparison)}) == 11
    limits = {(claim.row, claim.other, claim.metric): claim.limit for claim in CLAIMS if isinstance(claim, Comparison)}
    assert limits["mim-all", "mim-real", "mse_sum"] == 0.85
    assert limits["stmoe-kinematic", "mim-all-wide", "mse_first"] == 0.60
    assert limits["stmoe-kinematic", "mim-real", "mse_sum"] == pytest.approx(115 / 200)
    assert limits["stmoe-kinematic", "mim-all", "mse_sum"] == pytest.approx(115 / 174, abs=0.001)


def test_claims_about_rows_that_are_not_there_are_left_out() -> None:
    scores = {name: errors(name, 1, 2) for name in ("mim-real", "mim-all")}
    assert [judgement.claim for judgement in judge_all(scores)] == [CLAIMS[0]]
    assert {judgement.verdict for judgement in judge_all(scores)} <= set(get_args(Verdict))

"""Plans are in order, tell changed jobs from unchanged ones, and put long jobs first."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.reproduction.plan import Job, Plan, digests_of, longest_first, makespan, needed


def job(name: str, *needs: str, estimate: float = 1.0) -> Job:
    return Job(name=name, command=("true", name), needs=needs, estimate=estimate)


@st.composite
def jobs(draw: st.DrawFn) -> list[Job]:
    """Draw jobs, each of which needs some of those before."""
    made: list[Job] = []
    for number in range(draw(st.integers(1, 12))):
        needs = draw(st.sets(st.sampled_from([other.name for other in made]), max_size=3)) if made else set()
        made.append(job(str(number), *sorted(needs), estimate=draw(st.integers(0, 20))))
    return made


DIAMOND = (job("a"), job("b", "a"), job("c", "a"), job("d", "b", "c"), job("e"))


def test_a_need_that_no_earlier_job_meets_is_refused() -> None:
    with pytest.raises(ValueError, match="b needs a, and no job before it has that name"):
        Plan(jobs=(job("b", "a"), job("a")), rows=())
    with pytest.raises(ValueError, match="two jobs are named a"):
        Plan(jobs=(job("a"), job("a")), rows=())


def test_only_what_is_needed_is_kept_in_order() -> None:
    assert [found.name for found in needed(DIAMOND, ["c", "e"])] == ["a", "c", "e"]
    assert needed(DIAMOND, ["d", "e"]) == DIAMOND


def test_a_digest_follows_command_files_and_needs_and_nothing_else() -> None:
    before = digests_of(DIAMOND)
    assert len(set(before.values())) == len(DIAMOND)
    other = digests_of((replace(DIAMOND[0], files=(("a.yaml", "steps: 2"),)), *DIAMOND[1:]))
    assert {name for name in before if before[name] != other[name]} == {"a", "b", "c", "d"}
    other = digests_of((*DIAMOND[:2], replace(DIAMOND[2], command=("false",)), *DIAMOND[3:]))
    assert {name for name in before if before[name] != other[name]} == {"c", "d"}
    assert digests_of([replace(each, estimate=9.0, parameters=3) for each in DIAMOND]) == before


def test_the_job_that_others_wait_for_longest_comes_first() -> None:
    plan = (
        job("short"),
        job("long", estimate=5),
        job("first", estimate=1),
        job("second", "first", estimate=3),
        job("third", "second", estimate=2),
    )
    assert [each.name for each in longest_first(plan)] == ["first", "long", "second", "third", "short"]


@given(jobs())
def test_with_one_worker_the_time_is_that_of_all_and_with_many_that_of_the_longest_chain(plan: list[Job]) -> None:
    chains: dict[str, float] = {}
    for each in plan:
        chains[each.name] = each.estimate + max((chains[need] for need in each.needs), default=0)
    assert makespan(plan, 1) == sum(each.estimate for each in plan)
    assert makespan(plan, len(plan)) == max(chains.values())


@given(jobs(), st.integers(1, 4))
def test_the_time_lies_between_the_bounds_of_list_scheduling(plan: list[Job], workers: int) -> None:
    """Graham (1966): at most 2 - 1/workers of the best, which is no less than the work shared and the longest chain."""
    total, chain = makespan(plan, 1), makespan(plan, len(plan))
    assert max(total / workers, chain) <= makespan(plan, workers) + 1e-9
    assert makespan(plan, workers) <= total / workers + (1 - 1 / workers) * chain + 1e-9


def test_jobs_that_run_are_not_put_off() -> None:
    plan = (job("running", estimate=1), job("long", estimate=10))
    assert makespan(plan, 1, running=["running"]) == 11
    assert makespan((job("a", estimate=4), job("b", estimate=4), job("last", estimate=1)), 2, running=["last"]) == 5

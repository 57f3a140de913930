"""The table has every seed, their mean and spread, and can be read again from its JSON."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.trainer.reproduction.found import errors, found, row_of, scores_with
from trainer.reproduction.plan import PERSISTENCE, Published
from trainer.reproduction.scores import RowScores
from trainer.reproduction.table import table_of
from trainer.reproduction.verdicts import judge_all

PROVENANCE = {
    "commands": [
        {"command": "/opt/bin/trainer reproduce table1", "time": ""},
        {"command": "/opt/trainer/__main__.py reproduce table1 --out 'my results'", "time": ""},
    ],
    "versions": {"python": "3.11"},
    "machine": "Linux",
}


def table(*rows: RowScores) -> dict[str, Any]:
    scores = {row.row.name: row for row in rows}
    made = table_of(scores, judge_all(scores), {"scale": "small", "seeds": 3}, PROVENANCE)
    assert json.loads(json.dumps(made)) == made
    return made


def test_a_row_has_its_seeds_mean_and_spread() -> None:
    (row,) = table(errors("a", 8, 9, 13))["rows"]
    assert row["summary"]["mse_sum"] == {"mean": 10, "low": 8, "high": 13}
    assert row["summary"]["mse_first"] == {"mean": 5, "low": 4, "high": 6.5}
    assert row["summary"]["mse_last"]["mean"] == 15
    assert row["summary"]["cpu_seconds"]["mean"] == 100
    assert {seed: scores["mse_sum"] for seed, scores in row["seeds"].items()} == {"1": 8, "2": 9, "3": 13}
    assert row["parameters"] == 1000
    assert row["missing"] == {}


def test_the_papers_numbers_stand_beside() -> None:
    rows = table(found("a", scores_with(1), published=Published(115, 0.978)), errors("b", 1))["rows"]
    assert [row["paper"] for row in rows] == [{"mse": 115, "ssim": 0.978}, None]


def test_a_row_without_seeds_keeps_its_reasons_and_no_numbers() -> None:
    (row,) = table(RowScores(row=row_of("a"), seeds={}, missing={2: "no sun"}))["rows"]
    assert (row["seeds"], row["summary"], row["missing"], row["parameters"]) == ({}, {}, {"2": "no sun"}, 1000)


def test_claims_have_what_was_measured_and_the_verdict() -> None:
    rows = (errors("mim-real", 10, 10.2), errors("mim-all", 7, 7.2))
    (claim,) = table(*rows)["claims"]
    assert (claim["row"], claim["other"], claim["limit"], claim["verdict"]) == ("mim-all", "mim-real", 0.85, "holds")
    assert claim["measured"]["ratio"]["mean"] == pytest.approx(7.1 / 10.1)


def test_the_commands_are_told_as_a_user_gives_them() -> None:
    assert table(errors("a", 1))["commands"] == [
        "trainer reproduce table1",
        "trainer reproduce table1 --out 'my results'",
    ]


def test_persistence_has_no_parameters() -> None:
    row = replace(row_of(PERSISTENCE, ()), parameters=0)
    scores = replace(scores_with(3), parameters=0)
    assert table(RowScores(row=row, seeds={0: scores}, missing={}))["rows"][0]["parameters"] == 0

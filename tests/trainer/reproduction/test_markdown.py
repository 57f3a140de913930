"""The page holds a table that is one, says what is missing, and never more than the JSON."""

from dataclasses import replace
from typing import Any

from tests.trainer.reproduction.found import errors, found, row_of, scores_with
from trainer.reproduction.markdown import as_markdown
from trainer.reproduction.plan import PERSISTENCE, Published
from trainer.reproduction.scores import RowScores
from trainer.reproduction.table import table_of
from trainer.reproduction.verdicts import judge_all


def table(*rows: RowScores) -> dict[str, Any]:
    scores = {row.row.name: row for row in rows}
    provenance = {"commands": [{"command": "trainer reproduce table1"}], "versions": {"torch": "2.13"}}
    return table_of(scores, judge_all(scores), {"scale": "small", "seeds": 3}, provenance)


def cells(page: str, title: str) -> list[str]:
    line = next(line for line in page.splitlines() if line.startswith(f"| {title} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


ROWS = (
    RowScores(row=row_of(PERSISTENCE, ()), seeds={0: scores_with(25)}, missing={}),
    found("mim-real", *(scores_with(value) for value in (9.9, 10.1)), published=Published(200, 0.963)),
    found("stmoe-id", *(scores_with(value, share=(0.75, 0.65)) for value in (7, 8)), published=Published(115, 0.978)),
)


def test_a_row_shows_mean_spread_and_ratio_beside_the_papers() -> None:
    page = as_markdown(table(*ROWS), ())
    assert cells(page, "Stmoe-Id") == [
        "Stmoe-Id",
        "1,000",
        "75 (70-80)",
        "7.50 (7.00-8.00)",
        "0.75",
        "476 (444-508)",
        "0.500",
        "3.75 (3.50-4.00)",
        "11.25 (10.50-12.00)",
        "115 / 0.978 (0.57)",
    ]
    assert cells(page, "Persistence")[:5] == ["Persistence", "", "", "25.00", "2.50"]


def test_all_lines_of_the_tables_have_as_many_cells_as_their_header() -> None:
    missing = RowScores(row=row_of("none"), seeds={}, missing={1: "no sun"})
    page = as_markdown(table(*ROWS, missing), ())
    tables = [block.splitlines() for block in page.split("\n\n") if block.startswith("|")]
    assert [len(lines) for lines in tables] == [6, 6]
    for lines in tables:
        assert len({line.count("|") for line in lines}) == 1


def test_what_is_missing_says_why() -> None:
    partly = replace(errors("b", 1, 2), missing={3: "train/b/3: no sun"})
    alone = RowScores(row=row_of("c", ()), seeds={}, missing={})
    lent = replace(errors("d", 1), row=replace(row_of("d"), note="its experts are lent"))
    page = as_markdown(table(partly, alone, lent), ())
    assert "- B, seed 3: not run, train/b/3: no sun" in page
    assert "- C: not run, no seed has what it takes" in page
    assert "- D: its experts are lent" in page
    assert cells(page, "C")[2] == "not run"


def test_claims_have_verdicts() -> None:
    page = as_markdown(table(*ROWS), ())
    claim = "STMoE-Id <= 0.80 x MIM on real sequences alone"
    assert cells(page, claim) == [claim, "0.75 (0.69-0.81)", "**holds**"]
    assert "translation 75% (75%-75%), rotation 90% (90%-90%) | **holds**" in page


def test_only_pictures_that_exist_are_shown() -> None:
    assert "![" not in as_markdown(table(*ROWS), ())
    page = as_markdown(table(*ROWS), ("table1-rows.png", "table1.gif"))
    assert "](table1-rows.png)" in page
    assert "](table1.gif)" in page
    assert "lead-times" not in page


def test_the_origin_is_told() -> None:
    page = as_markdown(table(*ROWS), ())
    assert "\n    trainer reproduce table1\n" in page
    assert "torch 2.13" in page
    assert "[recipes.md](recipes.md)" in page

"""Pictures of a table are as large as it needs, and there are none of nothing."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.trainer.reproduction.found import errors, found, row_of, scores_with
from trainer.reproduction.pictures import forecasts_picture, lead_times_picture, rows_picture
from trainer.reproduction.plan import PERSISTENCE, Plan, Published
from trainer.reproduction.scores import RowScores
from trainer.reproduction.table import table_of

REFERENCE = found("mim-real", scores_with(10), scores_with(11), published=Published(200, 0.96))
PERSISTS = RowScores(row=row_of(PERSISTENCE, ()), seeds={0: scores_with(30)}, missing={})
NOTHING = RowScores(row=row_of("none"), seeds={}, missing={1: "no sun"})
PAPER = (213, 94, 0)
"""The colour of the paper's numbers."""


def table(*rows: RowScores) -> dict[str, Any]:
    return table_of({row.row.name: row for row in rows}, [], {"scale": "small", "seeds": 3}, {})


def decoded(data: bytes | None) -> NDArray[np.uint8]:
    assert data is not None
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def count(picture: NDArray[np.uint8], colour: tuple[int, int, int]) -> int:
    return int((np.abs(picture.astype(int) - colour).max(-1) < 8).sum())


def test_every_row_adds_to_the_height() -> None:
    one = decoded(rows_picture(table(REFERENCE)))
    three = decoded(rows_picture(table(REFERENCE, PERSISTS, errors("mim-all", 8, 9))))
    assert three.shape[1] == one.shape[1]
    assert three.shape[0] > one.shape[0]


def test_the_papers_numbers_are_drawn_where_there_are_some() -> None:
    assert count(decoded(rows_picture(table(REFERENCE, PERSISTS))), PAPER) > 20
    assert count(decoded(rows_picture(table(errors("mim-all", 8, 9)))), PAPER) == 0


@pytest.mark.parametrize("rows", [(REFERENCE, PERSISTS), (errors("mim-all", 8, 9),), (REFERENCE, NOTHING)])
def test_lead_times_are_drawn_with_and_without_the_reference(rows: tuple[RowScores, ...]) -> None:
    assert np.ptp(decoded(lead_times_picture(table(*rows)))) == 255


def test_there_are_no_pictures_of_nothing(tmp_path: Path) -> None:
    empty = table(NOTHING)
    assert rows_picture(empty) is None
    assert lead_times_picture(empty) is None
    plan = Plan(jobs=(), rows=(NOTHING.row,))
    assert forecasts_picture(plan, {"none": NOTHING}, "no.zarr", tmp_path) is None

"""What the default ranges make visible; `python -m tests.reference.visibility` prints the same numbers for the docs."""

import numpy as np
import pytest

from tests.reference import visibility
from tests.reference.specs import clean_spec
from tests.reference.visibility import GREY_LEVEL, square_spec

DRAWS = 5000
SIDE = 32


def test_translating_objects_stay_in_view() -> None:
    # In 95 % of the draws the centre is in the frame in 70 % of the frames.
    assert visibility.share_of_objects_in_view(square_spec("translation", SIDE), DRAWS, 0.7) >= 0.95


def test_rotation_is_visible() -> None:
    # Inside the object, which turns about its centroid and so stays in place, some frame differs from the first by more
    # than five grey levels in the mean over all its pixels: for a plain circle it would be 0.
    change = visibility.visible_change(square_spec("rotation", SIDE, objects={"count": (1, 1)}), DRAWS)
    assert len(change) == DRAWS
    assert np.mean(change > 5 * GREY_LEVEL) >= 0.99


def test_plain_circle_shows_no_rotation() -> None:
    # The measure of the test above sees nothing where there is nothing to see.
    spec = square_spec("rotation", SIDE, objects={"count": (1, 1), "kinds": ["circle"]}, texture={"contrast": (0, 0)})
    assert visibility.visible_change(spec, 50).max() < GREY_LEVEL


def test_intensity_neither_saturates_nor_vanishes() -> None:
    saturated, maximum = visibility.last_frames(square_spec("intensity", SIDE), DRAWS)
    assert len(saturated) == DRAWS
    assert np.mean((saturated < 0.5) & (maximum > 5 * GREY_LEVEL)) >= 0.9


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("side", "draws"), [(32, DRAWS), (64, 1500), (128, 1000)])
def test_growth_and_decay_are_strong_enough_to_matter(side: int, draws: int, seed: int) -> None:
    # Who repeats the last of four input frames errs at least a third as much as for rotation.
    intensity, rotation = (
        visibility.persistence_error(square_spec(kind, side, seed=seed), draws) for kind in ("intensity", "rotation")
    )
    assert intensity >= rotation / 3


def test_persistence_is_exact_where_nothing_changes() -> None:
    still = {"kind": "translation", "speed": (0, 0), "acceleration": (0, 0), "jerk": (0, 0)}
    spec = square_spec("translation", SIDE).model_copy(
        update={"property": clean_spec(still).property},
    )
    assert visibility.persistence_error(spec, 20) == 0

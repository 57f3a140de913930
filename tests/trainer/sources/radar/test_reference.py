"""Real composites decode to the rain rates that pysteps' importers find."""

import csv
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from schemas.recipe import Recipe
from tests.shared_data import shared_file
from trainer.sources.clips import Clip
from trainer.sources.radar.survey import pictures, survey

RECIPE = Recipe(kind="radar")
THRESHOLDS = (0.5, 2, 5, 10, 30)
HALF_A_DIGIT = {"mean_mm_h": 5e-7, "max_mm_h": 5e-5} | {f"fraction_ge_{t:g}": 5e-7 for t in THRESHOLDS}
"""Of the numbers as the table prints them."""


@pytest.mark.parametrize("owner", ["fmi", "mch", "bom", "KNMI"])
def test_every_file_has_the_rain_rates_of_the_reference(owner: str) -> None:
    table = shared_file("data/radar/RAINRATE_REFERENCE.csv")
    with table.open() as opened:
        reference = {row["file"]: row for row in csv.DictReader(opened)}
    clips = survey(table.parent / owner, RECIPE)
    seen = [_compared(table.parent.parent, clip, reference) for clip in clips]
    assert sum(seen) == sum(row.startswith(f"radar/{owner}/") for row in reference)


def _compared(root: Path, clip: Clip, reference: dict[str, dict[str, str]]) -> int:
    for (place, rain), file in zip(pictures(clip, RECIPE), clip.files, strict=True):
        row = reference[file.relative_to(root).as_posix()]
        assert not isinstance(rain, Exception)
        assert rain.values.shape == (int(row["rows"]), int(row["cols"]))
        assert f"{datetime.fromtimestamp(clip.stamps[place], UTC):%Y-%m-%dT%H:%MZ}" == row["valid_time_utc"]
        values = rain.values.astype(np.float64)
        known = values[~np.isnan(values)]
        assert 1 - known.size / values.size == pytest.approx(float(row["nan_fraction"]), abs=5e-7)
        found = {"mean_mm_h": known.mean(), "max_mm_h": known.max()} | {
            f"fraction_ge_{t:g}": (known >= t * (1 - 1e-6)).mean() for t in THRESHOLDS
        }
        for name, value in found.items():
            assert value == pytest.approx(float(row[name]), rel=1e-6, abs=HALF_A_DIGIT[name] * 1.01), (file, name)
    return len(clip.files)

"""Rain is scored in mm/h where there are data, beside its optical flow, and drawn in the colours of its classes."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from schemas.rain import DbzScaling, LinearScaling, Scaling
from tests.trainer.data.real_stores import write_real_store
from tests.trainer.evaluation.small_networks import write_untrained_run
from trainer.evaluation.evaluate import evaluate_run
from trainer.evaluation.extrapolation import available, extrapolated
from trainer.evaluation.panels import forecast_panels
from trainer.evaluation.predict import predict
from trainer.evaluation.rain_look import CLASSES, DRY, NO_DATA, RAIN, rain_pictures
from trainer.evaluation.report import write_report
from trainer.evaluation.score_table import as_table
from trainer.sources.rain import as_stored

COUNT, INPUTS, HORIZON, SIDE = 3, 4, 3, 32
THRESHOLDS = (0.5, 2, 5, 10, 30)


def shower(y: float, x: float, peak: float, width: float = 4) -> NDArray[np.float64]:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return peak * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * width**2))


def moving_rain() -> NDArray[np.float32]:
    """Return showers that move by one px a frame to the right, (sequence, time, y, x) in mm/h."""
    frames = [
        [shower(12 + n, 6 + n + t, 40) + shower(22, 10 + t, 8, 3) for t in range(INPUTS + HORIZON)]
        for n in range(COUNT)
    ]
    return np.array(frames, np.float32)


def rain_store(path: Path, scaling: Scaling, valid: NDArray[np.bool_] | None = None) -> Path:
    frames = as_stored(moving_rain(), scaling)
    arrays: dict[str, NDArray[Any]] = {"frames": frames, "split": np.full(COUNT, 2, np.uint8)}
    if valid is not None:
        arrays |= {"valid": valid.astype(np.uint8), "frames": np.where(valid, frames, 0)}
    return write_real_store(path, arrays, scaling=scaling.model_dump())


def mask() -> NDArray[np.bool_]:
    valid = np.ones((COUNT, INPUTS + HORIZON, SIDE, SIDE), np.bool_)
    valid[:, :, :, 20:] = False
    return valid


@pytest.mark.parametrize("scaling", [LinearScaling(), DbzScaling()])
@pytest.mark.parametrize("masked", [False, True])
def test_scores_are_those_of_the_rain(tmp_path: Path, scaling: Scaling, masked: bool) -> None:
    store = rain_store(tmp_path / "a.zarr", scaling, mask() if masked else None)
    write_untrained_run(tmp_path / "run", data={"real": str(store)})
    evaluation = evaluate_run(tmp_path / "run")
    rain = moving_rain().astype(np.float64)
    known = mask()[:, INPUTS:] if masked else np.ones_like(rain[:, INPUTS:], bool)
    last, truth = np.broadcast_to(rain[:, INPUTS - 1 : INPUTS], known.shape), rain[:, INPUTS:]
    scores = evaluation["scores"]["persistence"]
    weights = np.select([truth < 2, truth < 5, truth < 10, truth < 30], [1, 2, 5, 10], 30)
    squares = (last - truth) ** 2
    assert scores["mse_mean"]["mean"] == pytest.approx(squares[known].mean(), rel=1e-4)
    assert scores["b_mse"]["mean"] == pytest.approx((weights * squares)[known].mean(), rel=1e-3)
    for threshold in THRESHOLDS:
        a, b = (last >= threshold) & known, (truth >= threshold) & known
        assert scores[f"csi_{threshold:g}"]["mean"] == pytest.approx((a & b).sum() / (a | b).sum(), abs=0.01)
    assert evaluation["unit"] == "mm/h"
    assert evaluation["metrics"]["mae"]["unit"] == "mm/h"
    assert "csi_30  persistence" in as_table(evaluation)


def test_a_moving_shower_is_extrapolated() -> None:
    if not available():
        pytest.skip("pysteps or OpenCV is not installed: pip install 'stmoe-synth[nowcasting]'")
    rain = torch.from_numpy(moving_rain())[:, :, None]
    truth = rain[:, INPUTS:]
    moved = extrapolated(rain[:, :INPUTS], HORIZON)
    assert moved.shape == truth.shape
    persistence = (rain[:, INPUTS - 1 : INPUTS] - truth).square().mean()
    assert (moved - truth).square().mean() < 0.1 * persistence


def test_without_rain_nothing_moves() -> None:
    if not available():
        pytest.skip("pysteps or OpenCV is not installed: pip install 'stmoe-synth[nowcasting]'")
    dry = torch.full((1, INPUTS, 1, SIDE, SIDE), 0.01)
    assert torch.equal(extrapolated(dry, HORIZON), dry[:, :HORIZON])


def test_extrapolation_is_scored_where_it_can_be(tmp_path: Path) -> None:
    if not available():
        pytest.skip("pysteps or OpenCV is not installed: pip install 'stmoe-synth[nowcasting]'")
    write_untrained_run(tmp_path / "run", data={"real": str(rain_store(tmp_path / "a.zarr", LinearScaling()))})
    scores = evaluate_run(tmp_path / "run")["scores"]
    assert scores["extrapolation"]["mse_mean"]["mean"] < 0.1 * scores["persistence"]["mse_mean"]["mean"]


def test_pictures_have_none(tmp_path: Path) -> None:
    frames = np.random.default_rng(1).random((2, INPUTS + HORIZON, 8, 8)).astype(np.float32)
    store = write_real_store(tmp_path / "a.zarr", {"frames": frames, "split": np.full(2, 2, np.uint8)})
    write_untrained_run(tmp_path / "run", data={"real": str(store)})
    assert evaluate_run(tmp_path / "run")["scores"].keys() == {"model", "persistence"}


def test_a_class_begins_at_its_rain_rate() -> None:
    rates = np.array(list(CLASSES), np.float32)
    assert [tuple(colour) for colour in rain_pictures(rates / 64).tolist()] == list(CLASSES.values())
    below = [tuple(colour) for colour in rain_pictures(rates * 0.99 / 64).tolist()]
    assert below == [DRY, *list(CLASSES.values())[:-1]]
    assert tuple(rain_pictures(np.array(math.nan)).tolist()) == NO_DATA
    assert set(RAIN.legend.values()) == {*CLASSES.values(), NO_DATA}


def test_rain_grows_brighter_up_to_20_mm_an_hour() -> None:
    luminance = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in (DRY, *CLASSES.values())]
    assert luminance[:7] == sorted(luminance[:7])


def test_no_data_is_drawn_and_has_no_error() -> None:
    inputs, truth = np.zeros((2, 4, 4)), np.zeros((1, 4, 4))
    truth[0, 0] = np.nan
    shown, forecast, _, error = (p.pictures for p in forecast_panels(inputs, truth, np.ones((1, 4, 4)), RAIN))
    assert (shown[2, 0] == NO_DATA).all()
    assert (forecast[2] == list(CLASSES.values())[8]).all()
    assert not error[2, 0].any()
    assert error[2, 1:].min() >= 200


def test_a_report_of_rain_has_its_colours_scores_and_scale(tmp_path: Path) -> None:
    store = rain_store(tmp_path / "a.zarr", LinearScaling(), mask())
    write_untrained_run(tmp_path / "run", data={"real": str(store)})
    page = write_report(tmp_path / "run").read_text()
    for words in ("Rain by threshold", "CSI at 30 mm/h", "B-MSE, (mm/h)^2", "white 16 mm/h or more"):
        assert words in page


@pytest.mark.parametrize("suffix", [".gif", ".png"])
def test_predictions_of_rain_are_in_colour(tmp_path: Path, suffix: str) -> None:
    store = rain_store(tmp_path / "a.zarr", LinearScaling())
    write_untrained_run(tmp_path / "run")
    out, _ = predict(tmp_path / "run", str(store), tmp_path / f"a{suffix}", count=1)
    with Image.open(out) as image:
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3).astype(int)
    for colour in list(CLASSES.values())[2:8]:
        assert np.abs(pixels - colour).max(1).min() <= 12, colour

"""Where there are no data, nothing is learnt and nothing counts."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from schemas.rain import LinearScaling
from schemas.run import RunConfig
from tests.trainer.data.real_stores import write_real_store
from tests.trainer.tiny import BATCH, CPU, changed, phase_of, snapshot, tiny_config
from trainer.data.batches import Batch
from trainer.models.stmoe import Forecast
from trainer.training.distributed import Place
from trainer.training.feeding import Feed
from trainer.training.loop import Loop, validation_error
from trainer.training.losses import global_loss, mean_where
from trainer.training.networks import network_of

RNG = np.random.default_rng(3)
INPUTS, HORIZON, SIDE = 2, 2, 16


def test_the_mean_is_over_what_is_known_of_each_sequence() -> None:
    values = torch.tensor([[1.0, 2, 3, 4], [10, 20, 30, 40], [5, 5, 5, 5]])
    valid = torch.tensor([[1, 1, 1, 1], [1, 0, 0, 1], [0, 0, 0, 0]]).bool()
    assert mean_where(values, valid).item() == pytest.approx((2.5 + 25 + 0) / 3)
    halves = [mean_where(values[rows], valid[rows]) for rows in (slice(0, 1), slice(1, 2), slice(2, 3))]
    assert torch.stack(halves).mean() == mean_where(values, valid)
    assert mean_where(values, torch.ones_like(valid)) == values.mean() == mean_where(values, None)


def test_what_is_unknown_has_no_gradient_and_may_be_anything() -> None:
    frames = torch.rand(2, HORIZON, 1, 4, 4, requires_grad=True)
    target = torch.rand(2, HORIZON, 1, 4, 4)
    valid = torch.rand(2, HORIZON, 1, 4, 4) > 0.4
    target[~valid] = torch.nan
    forecast = Forecast(frames=frames, log_weights=torch.zeros(2, HORIZON, 1, 4, 4), parts=None)
    loss, _ = global_loss(
        forecast,
        target,
        alpha=2,
        c=0.1,
        regulariser_alpha=1,
        regulariser_c=0.1,
        entropy_weight=0,
        smoothness_weight=0,
        magnitude_weight=0,
        valid=valid,
    )
    loss.backward()
    assert frames.grad is not None
    assert torch.equal(frames.grad != 0, valid)


def masked_store(path: Path, garbage: float) -> tuple[Path, NDArray[np.float32]]:
    """Write rain of which a part of what is to be forecast is unknown, and there `garbage`."""
    generator = np.random.default_rng(8)
    frames = generator.random((12, INPUTS + HORIZON, SIDE, SIDE)).astype(np.float32) * 2
    valid = np.ones(frames.shape, np.uint8)
    valid[:, INPUTS:, : SIDE // 2, 3:7] = 0
    frames[valid == 0] = garbage
    split = np.repeat([0, 1, 2], 4).astype(np.uint8)
    arrays = {"frames": frames, "valid": valid, "split": split}
    return write_real_store(path, arrays, scaling=LinearScaling().model_dump()), frames


def config_of(store: Path, stores: dict[str, str]) -> RunConfig:
    return tiny_config({**stores, "real": str(store)}, schedule={"kind": "end-to-end", "joint": {"steps": 3}})


def test_what_is_unknown_changes_no_parameter(stores: dict[str, str], tmp_path: Path) -> None:
    """Frames are flipped and transposed at random, and what is known of them with them."""
    ends = []
    for garbage in (0.0, 1.5):
        store, _ = masked_store(tmp_path / f"{garbage}.zarr", garbage)
        config, place = config_of(store, stores), Place(CPU)
        phase = phase_of(config, "joint")
        with closing(Feed(config, phase, place)) as feed:
            network = network_of(config, phase)
            before = snapshot(network)
            folder = tmp_path / f"run{garbage}"
            folder.mkdir()
            loop = Loop(config, phase, network, feed, folder, place, lambda: False, lambda _report: None)
            loop.run(None)
            assert changed(before, snapshot(network))
            ends.append((snapshot(network), loop.progress.best))
    assert not changed(ends[0][0], ends[1][0])
    assert ends[0][1] == ends[1][1]


class Doubles(torch.nn.Module):
    """Forecast twice the newest frame."""

    def forward(self, inputs: torch.Tensor, horizon: int) -> Forecast:
        frames = 2 * inputs[:, -1:].expand(-1, horizon, -1, -1, -1)
        return Forecast(frames=frames, log_weights=torch.zeros_like(frames), parts=None)


def test_validation_counts_rain_beyond_full_scale_and_only_what_is_known(
    stores: dict[str, str], tmp_path: Path
) -> None:
    store, frames = masked_store(tmp_path / "a.zarr", 9.0)
    config, place = config_of(store, stores), Place(CPU)
    with closing(Feed(config, phase_of(config, "joint"), place)) as feed:
        assert feed.limit == np.inf
        error = validation_error(Doubles(), feed.validation(), config, place, feed.limit)  # type: ignore[arg-type]
    squares = (2 * frames[4:8, 1:2].astype(np.float64) - frames[4:8, INPUTS:]) ** 2
    squares[..., : SIDE // 2, 3:7] = 0
    assert error == pytest.approx(squares.sum((2, 3)).mean(), rel=1e-5)


def test_pictures_have_a_limit(stores: dict[str, str]) -> None:
    config = tiny_config(stores)
    with closing(Feed(config, phase_of(config, "joint"), Place(CPU))) as feed:
        assert feed.limit == 1
        batch: Batch = next(feed.training((0, 0)))
        assert batch.arrays.keys() == {"frames"}
        assert len(batch) == BATCH

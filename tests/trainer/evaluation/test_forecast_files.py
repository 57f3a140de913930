"""Files of forecasts hold the forecasts, whole or not at all, whatever their number."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
import zarr
from numpy.typing import NDArray
from PIL import Image, ImageSequence

from schemas.errors import InputError
from tests.trainer.evaluation.small_networks import (
    EXPERTS,
    INPUTS,
    hand_made_forecast,
    hand_made_network,
    hand_made_weights,
)
from trainer.evaluation.figures import LINE_PIXELS
from trainer.evaluation.forecast_files import Request, write_forecasts
from trainer.evaluation.panels import grey_levels
from trainer.models.decoder import IdentityDecoder
from trainer.models.gating import ConstantGate
from trainer.models.stmoe import STMoE
from trainer.sources.frames import NewestFrames

STEPS = 5
SIZE = (128, 256)
"""(y, x): a picture without text is not enlarged."""


def frames_of(count: int, size: tuple[int, int] = (6, 8), reads: list[tuple[int, int]] | None = None) -> NewestFrames:
    def read(start: int, stop: int) -> NDArray[np.float32]:
        if reads is not None:
            reads.append((start, stop))
        return np.stack([np.random.default_rng(i).random((INPUTS, *size), np.float32) for i in range(start, stop)])

    return NewestFrames(name="clips.npy", n=count, shape=(INPUTS, *size), read=read)


def asked(start: int = 0, count: int = 1000, steps: int = STEPS) -> Request:
    origin = {"model_run": "runs/stmoe-id", "phase": "joint"}
    return Request(start=start, count=count, steps=steps, device=torch.device("cpu"), origin=origin)


def written(out: Path, frames: NewestFrames, request: Request | None = None, **options: Any) -> tuple[Path, ...]:
    return write_forecasts(hand_made_network(), frames, request or asked(), out, **{"overwrite": False} | options)


def levels_of(path: Path) -> list[NDArray[np.uint8]]:
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        return [np.asarray(frame.convert("L")) for frame in ImageSequence.Iterator(image)]


def test_gif_shows_inputs_then_forecasts_level_by_level(tmp_path: Path) -> None:
    frames = frames_of(1, SIZE)
    out, gates = written(tmp_path / "x.gif", frames)
    inputs = frames.read(0, 1)
    shown = grey_levels(np.concatenate((inputs, hand_made_forecast(inputs, STEPS)), 1))[0]
    edge = slice(LINE_PIXELS, -LINE_PIXELS)
    pictures = [picture[edge, edge] for picture in levels_of(out)]
    assert len(pictures) == INPUTS + STEPS
    assert max(np.abs(a.astype(int) - b).max() for a, b in zip(pictures, shown, strict=True)) <= 1  # rounding of sums
    assert gates.name == "x-gates.gif"
    assert len(levels_of(gates)) == INPUTS + STEPS


def test_png_and_mp4_have_gates_beside_them(tmp_path: Path) -> None:
    for name in ("x.png", "x.mp4"):
        paths = written(tmp_path / name, frames_of(2))
        assert [path.name for path in paths] == [name, name.replace("x", "x-gates")]
        assert all(path.stat().st_size for path in paths)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["x-gates.mp4", "x-gates.png", "x.mp4", "x.png"]


def test_arrays_hold_frames_and_weights(tmp_path: Path) -> None:
    frames = frames_of(3)
    out, gates = written(tmp_path / "x.npy", frames, asked(start=1))
    assert np.allclose(np.load(out), hand_made_forecast(frames.read(1, 3), STEPS), atol=1e-6)
    weights = np.load(gates)
    assert weights.shape == (2, STEPS, len(EXPERTS), 6, 8)
    assert np.allclose(weights, hand_made_weights(6, 8), atol=1e-6)


def test_group_has_frames_and_weights_with_named_dimensions(tmp_path: Path) -> None:
    frames = frames_of(3)
    assert written(tmp_path / "x.zarr", frames, asked(start=1)) == (tmp_path / "x.zarr",)
    group = zarr.open_group(tmp_path / "x.zarr", mode="r")
    assert group.metadata.zarr_format == 3
    assert {name: group.attrs[name] for name in ("source", "model_run", "phase", "experts", "first_sequence")} == {
        "source": "clips.npy",
        "model_run": "runs/stmoe-id",
        "phase": "joint",
        "experts": list(EXPERTS),
        "first_sequence": 1,
    }
    with xr.open_zarr(tmp_path / "x.zarr", consolidated=False) as data:
        assert data["frames"].dims == ("sequence", "time", "y", "x")
        assert data["weights"].dims == ("sequence", "time", "expert", "y", "x")
        assert np.allclose(data["frames"], hand_made_forecast(frames.read(1, 3), STEPS), atol=1e-6)
        assert np.allclose(data["weights"], hand_made_weights(6, 8), atol=1e-6)


@pytest.mark.parametrize("name", ["x.npy", "x.zarr"])
def test_many_sequences_are_forecast_in_blocks_and_read_once(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.evaluation.forecast_files.BLOCK_PIXELS", 2 * 6 * 8)
    reads: list[tuple[int, int]] = []
    (out, *_) = written(tmp_path / name, frames_of(5, reads=reads))
    assert reads == [(0, 2), (2, 4), (4, 5)]
    found = np.load(out) if name == "x.npy" else np.asarray(zarr.open_group(out, mode="r")["frames"])
    assert np.allclose(found, hand_made_forecast(frames_of(5).read(0, 5), STEPS), atol=1e-6)


def test_network_of_one_expert_has_no_gates_beside(tmp_path: Path) -> None:
    network = STMoE(
        {"all": hand_made_network().experts["rotation"]}, ConstantGate(1, 1.0), IdentityDecoder(), input_frames=4
    )
    for name in ("x.gif", "x.png", "x.npy"):
        assert write_forecasts(network.eval(), frames_of(1), asked(), tmp_path / name, overwrite=False) == (
            tmp_path / name,
        )


@pytest.mark.parametrize("name", ["x.gif", "x.npy", "x.zarr"])
def test_failure_half_way_leaves_nothing_new(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.evaluation.forecast_files.BLOCK_PIXELS", 2 * 6 * 8)
    written(tmp_path / name, frames_of(2))
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    whole = frames_of(5)

    def read(start: int, stop: int) -> NDArray[np.float32]:
        if start == 4:
            raise InputError("sequence 4 is damaged")
        return whole.read(start, stop)

    broken = NewestFrames(name="clips.npy", n=5, shape=whole.shape, read=read)
    with pytest.raises(InputError, match="sequence 4 is damaged"):
        written(tmp_path / name, broken, overwrite=True)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


def test_gates_that_are_there_are_not_replaced_unless_told(tmp_path: Path) -> None:
    (tmp_path / "x-gates.gif").write_text("mine")
    with pytest.raises(InputError, match=r"x-gates\.gif exists; give another path or --overwrite"):
        written(tmp_path / "x.gif", frames_of(1))
    assert [file.name for file in tmp_path.iterdir()] == ["x-gates.gif"]
    written(tmp_path / "x.gif", frames_of(1), overwrite=True)
    assert (tmp_path / "x-gates.gif").read_bytes()[:3] == b"GIF"


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (asked(start=3), "1000 sequences from 3 on are not in clips.npy; give some of 0 to 2"),
        (asked(start=-1), "from -1 on are not in"),
        (asked(count=0), "0 sequences from 0 on are not in"),
        (asked(steps=0), "steps are 0; give 1 or more"),
    ],
)
def test_what_is_not_there_is_refused(tmp_path: Path, request_: Request, message: str) -> None:
    with pytest.raises(InputError, match=message):
        written(tmp_path / "x.npy", frames_of(3), request_)
    assert not list(tmp_path.iterdir())


def test_too_large_a_picture_is_refused_before_anything_is_forecast(tmp_path: Path) -> None:
    reads: list[tuple[int, int]] = []
    with pytest.raises(InputError, match="are the limit; give fewer sequences"):
        written(tmp_path / "x.gif", frames_of(10**6, (64, 64), reads))
    assert not reads
    assert not list(tmp_path.iterdir())


def test_other_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has the suffix \.avi; give \.gif, \.mp4, \.png, \.npy or \.zarr"):
        written(tmp_path / "x.avi", frames_of(1))

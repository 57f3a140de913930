"""Forecasts of a user's own frames: a store, video, image folder or array in, files out."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from schemas.errors import InputError
from schemas.run import RunConfig
from trainer.data.blocks import fault_of
from trainer.data.stores import FRAMES, open_store
from trainer.evaluation.forecast_files import Request, kind_of, write_forecasts
from trainer.evaluation.forecasting import stored_fractions
from trainer.evaluation.output import require_free
from trainer.sources.frames import NewestFrames, open_frames
from trainer.training.distributed import device_of
from trainer.training.folder import load_forecaster


def predict(
    run: Path,
    source: str,
    out: Path,
    *,
    steps: int | None = None,
    start: int = 0,
    count: int | None = None,
    size: tuple[int, int] | None = None,
    device: str = "auto",
    overwrite: bool = False,
) -> tuple[Path, ...]:
    """
    Forecast what follows the last frames of sequences, and write it.

    .gif, .mp4 and .png show the inputs and then the forecast, clipped to [0, 1], or rain in colours with their scale; a
    second file named -gates shows which expert counts where. .npy holds the forecast alone, (sequence, time, y, x)
    float32 as the network gave it, and one named -gates the weights, (sequence, time, expert, y, x). .zarr is a group
    with both, `frames` and `weights`, and what kinematic experts estimate of the motion at the newest real frame, e.g.
    `translation_velocity` (`trainer.evaluation.motion_maps`). A network of one expert has no gates. The memory that
    .npy and .zarr take does not grow with the number of sequences.

    Parameters
    ----------
    run : folder of a run, or a checkpoint
    source : path or URL of a store; path of a video, an image folder, or a .npy (time, y, x) or (sequence, time, y, x)
    out : .gif, .mp4, .png, .npy or .zarr
    steps : frames to forecast, also more than were trained; None for the run's horizon
    start, count : which sequences of the source; by default all from `start` on
    size : (y, x) px to resize files to, by means over areas; None for frames as they are
    device : auto, cpu or cuda
    overwrite : whether files that are there may be replaced

    Returns
    -------
    the files written

    Raises
    ------
    InputError
        the suffix is none of these, something is there, the source does not fit the network, or the world refuses.
    MissingExtraError
        a video is read or written and PyAV is not installed.
    """
    kind_of(out)
    require_free(out, overwrite=overwrite)
    place = device_of(device)
    network, checkpoint = load_forecaster(run, place)
    frames = open_source(source, network.input_frames, size)
    require_sides(checkpoint.config, frames)
    request = Request(
        start=start,
        count=frames.n if count is None else count,
        steps=checkpoint.config.data.horizon if steps is None else steps,
        device=place,
        origin={"model_run": str(run), "phase": checkpoint.phase},
    )
    return write_forecasts(network, frames, request, out, overwrite=overwrite)


def open_source(source: str, last: int, size: tuple[int, int] | None = None) -> NewestFrames:
    """
    Open the last frames of a store, video, image folder or .npy.

    Parameters
    ----------
    source : path or URL
    last : newest frames to read of every sequence
    size : (y, x) px to resize files to; None for frames as they are

    Raises
    ------
    InputError
        it is missing, unreadable, or has too few frames.
    """
    path = Path(source)
    if "://" in source or path.suffix == ".zarr" or (path / "zarr.json").exists():
        return _open_stored(source, last, size)
    return open_frames(path, last, size)


def require_sides(config: RunConfig, frames: NewestFrames) -> None:
    """Raise InputError where a side of the frames is no multiple of the network's patch."""
    patch = config.model.mim.patch if "mim" in config.experts.values() else 1
    _, height, width = frames.shape
    if height % patch or width % patch:
        right = "x".join(str(max(side // patch, 1) * patch) for side in (height, width))
        raise InputError(
            f"{frames.name} has frames of {height}x{width} px, the network takes multiples of {patch}; resize "
            f"them, e.g. by --size {right}, or crop them"
        )


def _open_stored(source: str, last: int, size: tuple[int, int] | None) -> NewestFrames:
    if size is not None:
        raise InputError(f"{source} is a store, whose frames are not resized; give a store of the size you want")
    store = open_store(source)
    if store.frame_count < last:
        raise InputError(f"{source} has {store.frame_count} frames, a forecast starts from {last}; give {last} or more")
    array = store[FRAMES]

    def read(start: int, stop: int) -> NDArray[np.float32]:
        values = stored_fractions(array.rows(start, stop)[:, -last:])
        if fault := fault_of(values):
            raise InputError(f"{source}: one of the sequences {start}-{stop - 1} {fault}")
        return values

    return NewestFrames(
        name=source, n=len(store), shape=(last, store.height, store.width), read=read, scaling=store.scaling
    )

"""Forecasts as files: pictures that move, arrays, or a Zarr group that grows block by block; gate maps beside them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
import zarr
from numpy.typing import NDArray

from schemas.errors import InputError
from schemas.rain import Scaling
from trainer.evaluation.figures import contact_sheet, moving_picture, plain_picture, require_plain
from trainer.evaluation.forecasting import Forecasts, forecast
from trainer.evaluation.motion_maps import Meaning, motion_maps
from trainer.evaluation.output import require_free, written_aside
from trainer.evaluation.panels import (
    GREY,
    Clock,
    Colour,
    Panel,
    expert_legend,
    frames_panel,
    gate_panels,
    grey_levels,
    tinted_panel,
)
from trainer.evaluation.rain_look import RAIN
from trainer.evaluation.units import units_of
from trainer.models.stmoe import STMoE
from trainer.sources.frames import NewestFrames

Array = NDArray[Any]
PictureKind = Literal["gif", "mp4", "png"]
Kind = PictureKind | Literal["npy", "zarr"]

BLOCK_PIXELS = 2**18
"""Of the frames that are forecast at once, one of each sequence: 64 sequences of 64x64, 16 of 128x128."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to forecast, and what a group's attributes say of it."""

    start: int
    count: int
    """Sequences; fewer where the source ends."""
    steps: int
    device: torch.device
    origin: Mapping[str, str]


def write_forecasts(
    network: STMoE, frames: NewestFrames, request: Request, out: Path, *, overwrite: bool
) -> tuple[Path, ...]:
    """
    Forecast sequences and write them as `trainer.evaluation.predict.predict` says.

    Parameters
    ----------
    network : on the request's device, in eval mode
    frames : the last input frames of every sequence
    request : which sequences, and how far
    out : the suffix decides what is written
    overwrite : whether files that are there may be replaced

    Returns
    -------
    the files written

    Raises
    ------
    InputError
        there are no such sequences or steps, a picture would be too large, or a file cannot be written.
    """
    kind, numbers, experts = kind_of(out), _numbers(frames, request), tuple(network.experts)
    beside = [out.with_name(f"{out.stem}-gates{out.suffix}")] if len(experts) > 1 and kind != "zarr" else []
    paths = (out, *beside)
    for path in paths:
        require_free(path, overwrite=overwrite)
    blocks = _blocks(network, frames, numbers, request)
    with ExitStack() as stack:
        asides = [stack.enter_context(written_aside(path, overwrite=overwrite)) for path in paths]
        match kind:
            case "zarr":
                _write_group(asides[0], blocks, frames, numbers, network, request)
            case "npy":
                shape = (len(numbers), request.steps, *frames.shape[1:])
                _write_arrays(asides, blocks, shape, len(experts))
            case "gif" | "mp4" | "png":
                length, height, width = frames.shape
                require_plain((len(numbers), length + request.steps, height, width))
                _write_pictures(asides, list(blocks), numbers, experts, kind, frames.scaling)
    return paths


def kind_of(out: Path) -> Kind:
    """Return the kind of file that a suffix asks for; raises InputError for any other."""
    match out.suffix.lower():
        case ".gif":
            return "gif"
        case ".mp4":
            return "mp4"
        case ".png":
            return "png"
        case ".npy":
            return "npy"
        case ".zarr":
            return "zarr"
        case suffix:
            raise InputError(f"{out} has the suffix {suffix or '(none)'}; give .gif, .mp4, .png, .npy or .zarr")


class _Block(NamedTuple):
    """Sequences that were forecast at once."""

    place: int
    """Of the first among those asked for."""
    inputs: Array
    """(sequence, time, y, x)"""
    made: Forecasts


def _numbers(frames: NewestFrames, request: Request) -> range:
    if request.steps < 1:
        raise InputError(f"steps are {request.steps}; give 1 or more")
    numbers = range(request.start, min(request.start + request.count, frames.n))
    if request.start < 0 or not numbers:
        raise InputError(
            f"{request.count} sequences from {request.start} on are not in {frames.name}; "
            f"give some of 0 to {frames.n - 1}"
        )
    return numbers


def _block_sequences(frames: NewestFrames) -> int:
    return max(BLOCK_PIXELS // (frames.shape[1] * frames.shape[2]), 1)


def _blocks(network: STMoE, frames: NewestFrames, numbers: range, request: Request) -> Iterator[_Block]:
    length = _block_sequences(frames)
    for start in range(numbers.start, numbers.stop, length):
        inputs = frames.read(start, min(start + length, numbers.stop))
        yield _Block(start - numbers.start, inputs, forecast(network, inputs, request.steps, request.device))


def _write_pictures(
    asides: Sequence[Path],
    blocks: Sequence[_Block],
    numbers: range,
    experts: Sequence[str],
    kind: PictureKind,
    scaling: Scaling | None,
) -> None:
    """Write inputs and forecasts, greys exactly and rain in colours with their scale; and gates where there are any."""
    fractions, look = units_of(scaling).fractions, GREY if scaling is None else RAIN
    inputs = fractions(np.concatenate([block.inputs for block in blocks]))
    frames = fractions(np.concatenate([block.made.frames for block in blocks]))
    clock = Clock(inputs=inputs.shape[1], horizon=frames.shape[1])
    named = [f"sequence {number}" if len(numbers) > 1 else "forecast" for number in numbers]
    forecasts = [frames_panel(*of_one, look) for of_one in zip(inputs, frames, named, strict=True)]
    if scaling is None:
        shown = grey_levels(np.concatenate((inputs, frames), axis=1))
        asides[0].write_bytes(plain_picture(shown, kind, inputs.shape[1]))
    else:
        asides[0].write_bytes(_picture([[panel] for panel in forecasts], clock, kind, look.legend))
    if experts[1:]:
        gates = np.concatenate([block.made.gates for block in blocks])
        rows = [
            [
                panel,
                tinted_panel(inputs[place], frames[place], gates[place], look),
                *gate_panels(inputs[place], gates[place], experts),
            ]
            for place, panel in enumerate(forecasts)
        ]
        asides[1].write_bytes(_picture(rows, clock, kind, {**expert_legend(experts), **look.legend}))


def _picture(rows: Sequence[Sequence[Panel]], clock: Clock, kind: PictureKind, legend: Mapping[str, Colour]) -> bytes:
    if kind == "png":
        return contact_sheet([panel for row in rows for panel in row], clock, legend)
    return moving_picture(rows, clock, kind, legend)


def _write_arrays(asides: Sequence[Path], blocks: Iterator[_Block], shape: tuple[int, ...], experts: int) -> None:
    """Write frames, and weights where there is a second file, block by block."""
    shapes = [shape, (*shape[:2], experts, *shape[2:])][: len(asides)]
    with ExitStack() as stack:
        files = [stack.enter_context(aside.open("wb")) for aside in asides]
        for file, whole in zip(files, shapes, strict=True):
            np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": whole})
        for block in blocks:
            for file, values in zip(files, [block.made.frames, block.made.weights][: len(files)], strict=True):
                file.write(np.ascontiguousarray(values, "<f4").data)


def _write_group(
    aside: Path,
    blocks: Iterator[_Block],
    frames: NewestFrames,
    numbers: range,
    network: STMoE,
    request: Request,
) -> None:
    group, experts = zarr.open_group(aside, mode="w", zarr_format=3), list(network.experts)
    (_, height, width), chunk = frames.shape, min(_block_sequences(frames), len(numbers))

    def array(name: str, meaning: Meaning, axes: Mapping[str, int]) -> Any:
        sizes = {**axes, "y": height, "x": width}
        return group.create_array(
            name,
            shape=(len(numbers), *sizes.values()),
            chunks=(chunk, *sizes.values()),
            dtype="float32",
            dimension_names=("sequence", *sizes),
            attributes={"long_name": meaning.long_name, "units": meaning.units},
        )

    forecasts = array("frames", Meaning("intensity, not clipped", "1"), {"time": request.steps})
    gates = {"time": request.steps, "expert": len(experts)}
    weights = array("weights", Meaning("weight of each expert", "1"), gates)
    motion: dict[str, Any] = {}
    for block in blocks:
        part = slice(block.place, block.place + len(block.inputs))
        forecasts[part] = block.made.frames
        weights[part] = block.made.weights
        for name, (values, meaning) in motion_maps(network, block.inputs, request.device).items():
            if name not in motion:
                motion[name] = array(name, meaning, {meaning.axis: 2} if meaning.axis else {})
            motion[name][part] = values
    about: dict[str, Any] = {"source": frames.name, "first_sequence": numbers.start, **request.origin}
    if frames.scaling is not None:
        about["scaling"] = frames.scaling.model_dump(mode="json")
    about |= {"experts": experts, "input_frames": frames.shape[0], "package_version": version("stmoe-synth")}
    group.attrs.update({**about, "created": datetime.now(UTC).isoformat(timespec="seconds")})

"""Pictures of sequences: an animation as GIF or WebP, a contact sheet as PNG, truth drawn over it on request."""

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from datagen.views.files import local_path, written_aside
from datagen.views.grey import grey_levels
from datagen.views.overlay import PALETTE, draw_flow, indexed, outline_objects
from datagen.views.source import Source
from schemas.errors import InputError
from schemas.service import Overlay

Array = NDArray[Any]
Picture = NDArray[np.uint8]
PictureFormat = Literal["gif", "webp", "png"]

PICTURE_FORMATS: tuple[PictureFormat, ...] = get_args(PictureFormat)
OVERLAYS: tuple[Overlay, ...] = get_args(Overlay)
DEFAULT_SIDE = 256
"""A frame is enlarged by the whole number that brings its longer side up to this many px."""
DEFAULT_DURATION = 100
"""Milliseconds a frame."""
MIN_DURATION = 20
"""What is shorter, browsers show at 100 ms."""
MAX_DURATION = 60_000
MAX_GIF_TIME = 655_350
"""Milliseconds of a whole GIF: equal frames become one, whose time has 16 bits in units of 10 ms."""
MAX_PICTURE_PIXELS = 2**27
"""Of all frames of an animation together."""


def write_preview(
    source: Source,
    path: str | Path,
    *,
    sequences: Sequence[int],
    overlays: Sequence[Overlay] = (),
    scale: int | None = None,
    duration: int = DEFAULT_DURATION,
) -> None:
    """
    Write a picture of some sequences; one that is there is replaced.

    Parameters
    ----------
    source : a spec or a store
    path : local; .gif and .webp are animations with the sequences side by side, .png has a row for each sequence and a
        column for each frame
    sequences : their numbers, at least one
    overlays : truth to draw over the frames
    scale : px of the picture per px of the frame, at least 1; by default a frame's longer side comes up to 256 px
    duration : milliseconds a frame, 20 to 60,000

    Raises
    ------
    InputError
        the suffix is none of these, the source lacks a sequence or an overlay, the picture would be too large, or the
        path cannot be written, or is a URL.
    """
    path = local_path(path)
    kind = _format_of(path)
    if not sequences:
        raise InputError("no sequences are given; give at least one number, e.g. 0")
    shape = source.layouts["frames"].shape
    scale = _scale_for(shape) if scale is None else scale
    _checked_grid(kind, (len(sequences), *shape), scale, duration)
    arrays = [source.read(("frames", *overlays), index, index + 1) for index in sequences]
    drawn: dict[str, Array] = {name: np.concatenate([array[name] for array in arrays]) for name in overlays}
    frames = np.concatenate([array["frames"] for array in arrays])
    data = encode_preview(frames, kind, flow=drawn.get("flow"), mask=drawn.get("mask"), scale=scale, duration=duration)
    with written_aside(path, overwrite=True) as aside:
        aside.write_bytes(data)


def encode_preview(
    frames: Array,
    kind: PictureFormat,
    *,
    flow: Array | None = None,
    mask: Array | None = None,
    scale: int | None = None,
    duration: int = DEFAULT_DURATION,
    columns: int | None = None,
) -> bytes:
    """
    Return a picture of sequences as the bytes of a file.

    Grey levels are exact without overlays, and one of 240 with them.

    Parameters
    ----------
    frames : (sequence, time, y, x) uint8, or float with full scale 1
    kind : animation (gif, webp), which loops for ever, or contact sheet (png)
    flow : (sequence, time, 2, y, x) px/frame, drawn as arrows of the displacement over 3 frames
    mask : (sequence, time, y, x) uint8, front object + 1, drawn as outlines
    scale : px of the picture per px of the frame, at least 1; by default a frame's longer side comes up to 256 px
    duration : milliseconds a frame, 20 to 60,000
    columns : sequences side by side in an animation, at least 1; by default as many as rows

    Raises
    ------
    InputError
        scale, duration or columns is out of range, or the picture would be too large.
    """
    scale = _scale_for(frames.shape) if scale is None else scale
    grid = _checked_grid(kind, frames.shape, scale, duration, columns)
    overlaid = flow is not None or mask is not None
    panels = _enlarged(grey_levels(frames), scale)  # (sequence, time, y, x)
    if overlaid:
        panels = indexed(panels)
    for place in np.ndindex(panels.shape[:2]):
        if mask is not None:
            outline_objects(panels[place], _enlarged(mask[place], scale))
        if flow is not None:
            panels[place] = draw_flow(panels[place], flow[place], scale)
    gap = indexed(_GAP) if overlaid else _GAP
    if kind == "png":
        pictures = [_tiled(panels.reshape(-1, *panels.shape[2:]), grid, gap)]
    else:
        pictures = [_tiled(panels[:, frame], grid, gap) for frame in range(panels.shape[1])]
    return _encoded(pictures, kind, duration, overlaid=overlaid)


_GAP = np.array(64, np.uint8)
"""Grey level of the line between two frames."""
_GAP_PIXELS = 2


def _format_of(path: Path) -> PictureFormat:
    match path.suffix.lower():
        case ".gif":
            return "gif"
        case ".webp":
            return "webp"
        case ".png":
            return "png"
        case suffix:
            raise InputError(f"{path} has the suffix {suffix or '(none)'}; give .gif, .webp or .png")


def _scale_for(shape: tuple[int, ...]) -> int:
    return max(DEFAULT_SIDE // max(shape[-2:]), 1)


_MAX_SIDE: dict[PictureFormat, int] = {"gif": 65_535, "webp": 16_383, "png": 65_535}


def _checked_grid(
    kind: PictureFormat, shape: tuple[int, ...], scale: int, duration: int, columns: int | None = None
) -> tuple[int, int]:
    """Return rows and columns of frames in a picture of so many (sequence, time, y, x)."""
    if scale < 1:
        raise InputError(f"scale is {scale}; give a whole number of 1 or more")
    if columns is not None and columns < 1:
        raise InputError(f"columns is {columns}; give a whole number of 1 or more")
    if not MIN_DURATION <= duration <= MAX_DURATION:
        raise InputError(f"duration is {duration} ms; give {MIN_DURATION} to {MAX_DURATION}")
    if kind == "gif" and shape[1] * duration > MAX_GIF_TIME:
        raise InputError(
            f"the animation would last {shape[1] * duration} ms, {MAX_GIF_TIME} are the limit of gif; "
            "give a shorter duration or another format"
        )
    fewer = "give fewer sequences" + (" or a smaller scale" if scale > _scale_for(shape) else "")
    pixels = math.prod(shape) * scale**2
    if pixels > MAX_PICTURE_PIXELS:
        raise InputError(f"the picture would have {pixels} pixels, {MAX_PICTURE_PIXELS} are the limit; {fewer}")
    columns = shape[1] if kind == "png" else columns or math.ceil(math.sqrt(shape[0]))
    rows = shape[0] if kind == "png" else -(-shape[0] // columns)
    side = max(rows * (shape[2] * scale + _GAP_PIXELS), columns * (shape[3] * scale + _GAP_PIXELS))
    if side > _MAX_SIDE[kind]:
        raise InputError(
            f"the picture would be {side} px long, {_MAX_SIDE[kind]} are the limit of {kind}; "
            f"{fewer}, or another format"
        )
    return rows, columns


def _enlarged(picture: Picture, scale: int) -> Picture:
    return picture.repeat(scale, axis=-2).repeat(scale, axis=-1)


def _tiled(panels: Picture, grid: tuple[int, int], gap: Picture) -> Picture:
    """Put (panel, y, x) in a grid of rows and columns, lines between them."""
    height, width = panels.shape[1] + _GAP_PIXELS, panels.shape[2] + _GAP_PIXELS
    sheet = np.full((grid[0] * height, grid[1] * width), gap, np.uint8)
    for place, panel in enumerate(np.pad(panels, ((0, math.prod(grid) - len(panels)), (0, 0), (0, 0)))):
        top, left = place // grid[1] * height, place % grid[1] * width
        sheet[top : top + panel.shape[0], left : left + panel.shape[1]] = panel
    return sheet[:-_GAP_PIXELS, :-_GAP_PIXELS]


_GREY_PALETTE = np.arange(256, dtype=np.uint8).repeat(3).tobytes()


def _encoded(pictures: list[Picture], kind: PictureFormat, duration: int, *, overlaid: bool) -> bytes:
    palette = PALETTE.tobytes() if overlaid else _GREY_PALETTE
    images = [Image.fromarray(picture) for picture in pictures]
    for image in images:
        image.putpalette(palette)
    file = io.BytesIO()
    first, others = images[0], images[1:]
    match kind:
        case "png":
            (first if overlaid else Image.fromarray(pictures[0])).save(file, "PNG")
        case "gif":
            # With `optimize`, Pillow's default, greys are one level off in a frame that lacks a level.
            save = {"save_all": True, "append_images": others, "duration": duration, "loop": 0}
            first.save(file, "GIF", **save, palette=palette, optimize=False)
        case "webp":
            others = [image.convert("RGB") for image in others]
            save = {"save_all": True, "append_images": others, "duration": duration, "loop": 0}
            first.convert("RGB").save(file, "WEBP", **save, lossless=True)
    return file.getvalue()

"""Pictures and charts as bytes: sequences side by side that move, contact sheets, and curves as SVG."""

import io
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from schemas.errors import InputError, MissingExtraError
from trainer.evaluation.curves import Chart
from trainer.evaluation.panels import EXPERT_COLOURS, Clock, Colour, Panel

MovingKind = Literal["gif", "webp", "mp4"]
Picture = NDArray[np.uint8]
"""(y, x) or (y, x, 3)"""

DURATION = 250
"""Milliseconds a frame."""
LAST_DURATION = 1000
"""Milliseconds of the last frame, before an animation begins anew."""
FRAMES_PER_SECOND = 4
"""Of a video."""
PANEL_SIDE = 192
"""A frame is enlarged by the whole number that brings its longer side up to this many px."""
LARGEST_PANEL_SIDE = 384
"""A larger frame is made smaller, each px the mean of the area that it covers."""
SHEET_WIDTH = 1000
"""The frames of a row of a contact sheet are enlarged by the whole number that brings them up to this many px."""
CHARTS_WIDTH = 10.8
"""Inches of a full row of charts."""
PLAIN_SIDE = 256
"""As PANEL_SIDE, for pictures without text; those are never made smaller."""
LINE_PIXELS = 2
"""Width of the line around a frame of a picture without text."""
MAX_PICTURE_PIXELS = 2**27
"""Of all frames of a picture together."""


def moving_picture(
    rows: Sequence[Sequence[Panel]], clock: Clock, kind: MovingKind, legend: Mapping[str, Colour] | None = None
) -> bytes:
    """
    Return panels side by side as one animation, with a caption that says which frame it is.

    Parameters
    ----------
    rows : panels of one size, each with a picture for every frame of the clock
    clock : what the frames are
    kind : gif has 256 colours, webp is exact, mp4 is lossy
    legend : colours by name, below the panels

    Raises
    ------
    InputError
        the picture would be too large.
    MissingExtraError
        mp4 is asked for and PyAV is not installed.
    """
    pictures = []
    for frame in range(len(clock.captions)):
        cells = [[_Cell(panel.title, _fitted(panel.pictures[frame])) for panel in row] for row in rows]
        pictures.append(_drawn(cells, clock=clock, frame=frame, legend=legend or {}))
        _require_pixels(pictures[0].size // 3 * len(clock.captions))
    return encode(pictures, kind)


def contact_sheet(panels: Sequence[Panel], clock: Clock, legend: Mapping[str, Colour] | None = None) -> bytes:
    """
    Return panels as a PNG: a row for each, a column for each frame.

    Parameters
    ----------
    panels : of one size, each with a picture for every frame of the clock
    clock : what the frames are
    legend : colours by name, below the panels

    Raises
    ------
    InputError
        the picture would be too large.
    """
    height, width = panels[0].pictures.shape[1:3]
    scale = max(SHEET_WIDTH // (len(clock.columns) * width), 1)
    _require_pixels(len(panels) * len(clock.columns) * height * width * scale**2)
    cells = [[_Cell("", _enlarged(picture, scale)) for picture in panel.pictures] for panel in panels]
    cells[0] = [_Cell(title, cell.picture) for title, cell in zip(clock.columns, cells[0], strict=True)]
    return encode_still(_drawn(cells, names=[panel.title for panel in panels], legend=legend or {}))


def plain_picture(frames: NDArray[np.uint8], kind: MovingKind | Literal["png"], inputs: int) -> bytes:
    """
    Return sequences without text, inputs in a dark line and forecasts in a white one; greys are exact, but in mp4.

    Parameters
    ----------
    frames : (sequence, time, y, x) uint8; an animation has the sequences in a square, a png a row for each
    kind : of the file
    inputs : how many of the frames are inputs

    Raises
    ------
    InputError
        the picture would be too large.
    MissingExtraError
        mp4 is asked for and PyAV is not installed.
    """
    require_plain(frames.shape)
    scale = _plain_scale(*frames.shape[2:])
    levels = np.where(np.arange(frames.shape[1]) < inputs, 64, 255)
    framed = np.stack([_framed(frames[:, time], scale, level) for time, level in enumerate(levels)], axis=1)
    if kind == "png":
        return encode_still(_tiled(framed.reshape(-1, *framed.shape[2:]), columns=framed.shape[1]))
    columns = math.ceil(math.sqrt(len(framed)))
    return encode([_tiled(framed[:, time], columns) for time in range(framed.shape[1])], kind)


def encode(pictures: Sequence[Picture], kind: MovingKind) -> bytes:
    """
    Return pictures of one size as an animation that loops for ever (gif, webp), or as a video.

    Raises
    ------
    MissingExtraError
        mp4 is asked for and PyAV is not installed.
    """
    if kind == "mp4":
        return _encoded_mp4(pictures)
    images = [Image.fromarray(picture) for picture in pictures]
    durations = [DURATION] * (len(images) - 1) + [LAST_DURATION]
    file = io.BytesIO()
    if kind == "webp":
        first, *others = (image.convert("RGB") for image in images)
        # Method 0, Pillow's for animations, takes five times the bytes.
        options: dict[str, Any] = {"lossless": True, "quality": 60, "method": 4}
        first.save(file, "WEBP", save_all=True, append_images=others, duration=durations, loop=0, **options)
    else:
        first, *others = _in_one_palette(images)
        # With `optimize`, Pillow's default, greys are one level off in a frame that lacks a level.
        first.save(
            file, "GIF", save_all=True, append_images=others, duration=durations, loop=0, optimize=False, disposal=1
        )
    return file.getvalue()


def encode_still(picture: Picture) -> bytes:
    """Return a picture as PNG."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", optimize=True)
    return file.getvalue()


def require_plain(shape: tuple[int, ...]) -> None:
    """
    Check the size of a plain picture before the work for it begins.

    Parameters
    ----------
    shape : (sequence, time, y, x) of its frames

    Raises
    ------
    InputError
        the picture would be too large.
    """
    _require_pixels(math.prod(shape) * _plain_scale(*shape[2:]) ** 2)


def draw_charts(charts: Sequence[Chart], name: str, columns: int = 3) -> str:
    """
    Return charts as one SVG element to stand in a page.

    The n-th line of every chart has the colour of the page's CSS variable `--line-<n>`, from 1 on, and its own dashes;
    text and axes have `--ink` and `--faint`.

    Parameters
    ----------
    charts : at least one
    name : unique in the page: what the element's identifiers begin with
    columns : how many charts stand side by side
    """
    width = CHARTS_WIDTH / columns
    columns = min(len(charts), columns)
    rows = -(-len(charts) // columns)
    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": name, "font.size": 10, "font.family": "sans-serif"}
    with mpl.rc_context(settings):
        figure = Figure(figsize=(width * columns, (width / 2 + 0.9) * rows), layout="constrained")
        for place, chart in enumerate(charts):
            _draw_chart(figure.add_subplot(rows, columns, place + 1), chart)
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator")))
    return _as_element(file.getvalue(), name)


_BACKGROUND: Colour = (22, 24, 29)
_INK: Colour = (225, 227, 232)
_FAINT: Colour = (105, 109, 118)
_ACCENT: Colour = (240, 228, 66)
_MARGIN = 10
_GAP = 8
_LINE = 19
"""px of a line of text."""
_FONT_SIZE = 13


class _Cell(NamedTuple):
    title: str
    picture: Picture


def _drawn(
    rows: Sequence[Sequence[_Cell]],
    *,
    names: Sequence[str] = (),
    clock: Clock | None = None,
    frame: int = 0,
    legend: Mapping[str, Colour],
) -> Picture:
    """Draw cells in rows with their titles, the names of rows left of them, a clock above and a legend below."""
    height, width = rows[0][0].picture.shape[:2]
    font = ImageFont.load_default(_FONT_SIZE)
    left = _MARGIN + max((math.ceil(font.getlength(name)) + _GAP for name in names), default=0)
    titled = [_LINE if any(cell.title for cell in row) else 0 for row in rows]
    top = _MARGIN + (_LINE + _GAP if clock else 0)
    bottom = top + sum(titled) + len(rows) * (height + _GAP)
    step = max(width, *(math.ceil(font.getlength(cell.title)) for row in rows for cell in row)) + _GAP
    right = left + max(len(row) for row in rows) * step - _GAP + _MARGIN
    needed = _MARGIN + sum(_legend_width(font, name) for name in legend)
    canvas = Image.new("RGB", (max(right, needed), bottom + (_LINE if legend else 0) + _MARGIN - _GAP), _BACKGROUND)
    pen = ImageDraw.Draw(canvas)
    if clock:
        _draw_clock(pen, font, clock, frame, canvas.width)
    for number, row in enumerate(rows):
        top += titled[number]
        if names:
            pen.text((_MARGIN, top + height // 2), names[number], _INK, font, anchor="lm")
        for column, cell in enumerate(row):
            x = left + column * step
            pen.text((x, top - 4), cell.title, _INK, font, anchor="ls")
            canvas.paste(Image.fromarray(cell.picture), (x, top))
        top += height + _GAP
    _draw_legend(pen, font, legend, top)
    return np.asarray(canvas)


def _draw_clock(pen: ImageDraw.ImageDraw, font: Any, clock: Clock, frame: int, width: int) -> None:
    """Draw the caption of a frame, and a dot for each: inputs grey, forecasts in colour, the present one large."""
    pen.text((_MARGIN, _MARGIN + _LINE // 2), clock.captions[frame], _INK, font, anchor="lm")
    count = len(clock.captions)
    step = min(14, max((width - 180) // count, 2))
    for place in range(count):
        x, y = width - _MARGIN - (count - place) * step + step // 2, _MARGIN + _LINE // 2
        colour = _FAINT if place < clock.inputs else _ACCENT
        radius = 4 if place == frame else 2
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def _legend_width(font: Any, name: str) -> int:
    return 12 + 5 * _GAP // 2 + int(font.getlength(name))


def _draw_legend(pen: ImageDraw.ImageDraw, font: Any, legend: Mapping[str, Colour], top: int) -> None:
    x = _MARGIN
    for name, colour in legend.items():
        pen.rectangle((x, top + 3, x + 11, top + 14), fill=colour)
        pen.text((x + 12 + _GAP // 2, top + _LINE // 2), name, _INK, font, anchor="lm")
        x += _legend_width(font, name)


def _enlarged(picture: Picture, scale: int) -> Picture:
    return picture.repeat(scale, axis=0).repeat(scale, axis=1)


def _fitted(picture: Picture) -> Picture:
    """Return a picture enlarged by a whole number, or made smaller."""
    side = max(picture.shape[:2])
    if side <= LARGEST_PANEL_SIDE:
        return _enlarged(picture, max(PANEL_SIDE // side, 1))
    height, width = (max(length * LARGEST_PANEL_SIDE // side, 1) for length in picture.shape[:2])
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BOX))


def _plain_scale(height: int, width: int) -> int:
    return max(PLAIN_SIDE // max(height, width), 1)


def _require_pixels(pixels: int) -> None:
    if pixels > MAX_PICTURE_PIXELS:
        raise InputError(
            f"the picture would have {pixels} pixels, {MAX_PICTURE_PIXELS} are the limit; give fewer sequences or "
            "steps, or write .zarr or .npy"
        )


def _framed(pictures: NDArray[np.uint8], scale: int, level: int) -> NDArray[np.uint8]:
    """Return pictures (sequence, y, x) enlarged, each in a line of a grey level."""
    width = ((0, 0), (LINE_PIXELS, LINE_PIXELS), (LINE_PIXELS, LINE_PIXELS))
    return np.pad(pictures.repeat(scale, axis=1).repeat(scale, axis=2), width, constant_values=level)


def _tiled(panels: NDArray[np.uint8], columns: int) -> Picture:
    """Put (panel, y, x) in rows."""
    rows = -(-len(panels) // columns)
    height, width = panels.shape[1:]
    sheet = np.zeros((rows * height, columns * width), np.uint8)
    for place, panel in enumerate(panels):
        top, left = place // columns * height, place % columns * width
        sheet[top : top + height, left : left + width] = panel
    return sheet


def _in_one_palette(images: Sequence[Image.Image]) -> list[Image.Image]:
    """Return images with the same 256 colours: all greys, or those of legends and text, and others that suit best."""
    if images[0].mode == "L":
        greys = np.arange(256, dtype=np.uint8).repeat(3).tobytes()
        for image in images:
            image.putpalette(greys)
        return list(images)
    strip = Image.new("RGB", (images[0].width, images[0].height * len(images)))
    for place, image in enumerate(images):
        strip.paste(image, (0, place * image.height))
    kept = (*EXPERT_COLOURS, _BACKGROUND, _INK, _FAINT, _ACCENT)
    found = strip.quantize(256 - len(kept), method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    palette = Image.new("P", (1, 1))
    palette.putpalette([*np.ravel(kept).tolist(), *(found.getpalette() or [])])
    return [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]


def _encoded_mp4(pictures: Sequence[Picture]) -> bytes:
    try:
        import av
    except ImportError:
        raise MissingExtraError(
            ".mp4 needs PyAV, which is not installed; pip install 'stmoe-synth[real]', or give .gif or .png"
        ) from None
    file = io.BytesIO()
    height, width = pictures[0].shape[:2]
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND, options={"crf": "18"})
        stream.height, stream.width = height + height % 2, width + width % 2  # YUV 4:2:0 halves both sides
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            padding = ((0, height % 2), (0, width % 2), (0, 0))[: picture.ndim]
            kind = "gray" if picture.ndim == 2 else "rgb24"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.pad(picture, padding), format=kind)))
        container.mux(stream.encode())
    return file.getvalue()


_VARIABLES = {"#010101": "--ink", "#020202": "--faint"} | {f"#0303{n:02x}": f"--line-{n}" for n in range(1, 7)}
"""Colours that stand for variables of the page until the chart is drawn."""
_COLOURS = {variable: colour for colour, variable in _VARIABLES.items()}
_DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 2, 1, 2)), (0, (2, 2)), (0, (8, 3)))


def _draw_chart(axes: Axes, chart: Chart) -> None:
    for place, line in enumerate(chart.lines):
        colour, dashes = _COLOURS[f"--line-{place % 6 + 1}"], _DASHES[place % 6]
        y = [math.nan if value is None else value for value in line.y]
        marker = "o" if len(line.x) <= 16 else ""
        axes.plot(
            line.x, y, color=colour, linestyle=dashes, marker=marker, markersize=3, label=line.name, linewidth=1.6
        )
        if line.band:
            low, high = zip(*(ends or (math.nan, math.nan) for ends in line.band), strict=True)
            axes.fill_between(line.x, low, high, color=colour, alpha=0.18, linewidth=0)
    axes.set_title(chart.title, color=_COLOURS["--ink"], fontsize=10, loc="left")
    axes.set_xlabel(chart.x_label, color=_COLOURS["--ink"])
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    if chart.logarithmic:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
    else:
        axes.set_ylim(chart.lowest, chart.highest)
    axes.tick_params(color=_COLOURS["--faint"], labelcolor=_COLOURS["--ink"], which="both")
    axes.grid(color=_COLOURS["--faint"], alpha=0.25, linewidth=0.6)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(_COLOURS["--faint"])
    if len(chart.lines) > 1:
        beside: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1, 0.5)} if len(chart.lines) > 2 else {}
        axes.legend(frameon=False, labelcolor=_COLOURS["--ink"], fontsize=9, **beside)


def _as_element(svg: str, name: str) -> str:
    """Return an SVG file as an element of a page: no prologue, no metadata, identifiers and colours of the page."""
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r'\b(id="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    return re.sub("|".join(_VARIABLES), lambda found: f"var({_VARIABLES[found[0]]})", svg)

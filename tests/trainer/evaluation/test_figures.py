"""Pictures decode to what was drawn, and charts are elements of a page."""

import io
import re
import xml.etree.ElementTree as ET
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageSequence

from schemas.errors import InputError, MissingExtraError
from trainer.evaluation.curves import Chart, Line
from trainer.evaluation.figures import (
    LINE_PIXELS,
    contact_sheet,
    draw_charts,
    moving_picture,
    plain_picture,
)
from trainer.evaluation.panels import EXPERT_COLOURS, Clock, Panel, grey_pictures

RNG = np.random.default_rng(8)
CLOCK = Clock(inputs=2, horizon=3)
FRAMES = RNG.integers(0, 256, (3, 5, 128, 64), np.uint8)


def decoded(data: bytes) -> list[NDArray[np.uint8]]:
    with Image.open(io.BytesIO(data)) as image:
        return [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]


def panels_of(count: int, side: int = 32) -> list[Panel]:
    frames = RNG.random((count, 5, side, side))
    return [Panel(title=f"panel {place}", pictures=grey_pictures(part)) for place, part in enumerate(frames)]


def contains(picture: NDArray[np.uint8], part: NDArray[np.uint8]) -> bool:
    """Return whether a part is somewhere in a picture."""
    height, width = part.shape[:2]
    places = np.argwhere((picture == part[0, 0]).all(-1))
    return any(np.array_equal(picture[y : y + height, x : x + width], part) for y, x in places)


def test_plain_gif_holds_every_grey_level_of_every_frame() -> None:
    pictures = decoded(plain_picture(FRAMES, "gif", 2))
    height, width = 256 + 2 * LINE_PIXELS, 128 + 2 * LINE_PIXELS
    assert len(pictures) == 5
    for time, picture in enumerate(pictures):
        assert picture.shape == (2 * height, 2 * width, 3)
        for sequence in range(3):
            top, left = sequence // 2 * height + LINE_PIXELS, sequence % 2 * width + LINE_PIXELS
            shown = picture[top : top + 256 : 2, left : left + 128 : 2]
            assert np.array_equal(shown, FRAMES[sequence, time][..., None].repeat(3, -1))
        assert picture[0, 0, 0] == (64 if time < 2 else 255)


def test_plain_png_has_a_row_for_every_sequence() -> None:
    (picture,) = decoded(plain_picture(FRAMES, "png", 2))
    assert picture.shape == (3 * (256 + 2 * LINE_PIXELS), 5 * (128 + 2 * LINE_PIXELS), 3)
    row = picture[260 + LINE_PIXELS : 516 + LINE_PIXELS : 2, 3 * 132 + LINE_PIXELS : 3 * 132 + 128 + LINE_PIXELS : 2, 0]
    assert np.array_equal(row, FRAMES[1, 3])


def test_gif_loops_for_ever_and_rests_on_its_last_frame() -> None:
    with Image.open(io.BytesIO(plain_picture(FRAMES, "gif", 2))) as image:
        assert image.info["loop"] == 0
        durations = [frame.info["duration"] for frame in ImageSequence.Iterator(image)]
    assert durations[-1] > durations[0] == durations[1]


def test_mp4_of_an_odd_size_has_every_frame() -> None:
    frames = np.zeros((1, 5, 255, 201), np.uint8)
    frames[0, 3:] = 200
    with av.open(io.BytesIO(plain_picture(frames, "mp4", 2))) as container:
        pictures = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    assert len(pictures) == 5
    assert pictures[0].shape == (260, 206)
    assert [round(float(picture[20:200, 20:180].mean()) / 200) for picture in pictures] == [0, 0, 0, 1, 1]


@pytest.mark.parametrize("side", [32, 100])
def test_moving_picture_shows_every_panel_at_every_time(side: int) -> None:
    panels = panels_of(3, side)
    scale = 192 // side
    pictures = decoded(moving_picture([panels[:2], panels[2:]], CLOCK, "webp", {"blue": (0, 0, 255)}))
    assert len(pictures) == 5
    for time, picture in enumerate(pictures):
        for panel in panels:
            assert contains(picture, panel.pictures[time].repeat(scale, 0).repeat(scale, 1))
        assert contains(picture, np.full((8, 8, 3), (0, 0, 255), np.uint8))


def test_gif_with_colours_is_close_to_the_exact_picture() -> None:
    panels = panels_of(1)
    panels[0].pictures[..., 2] = 40
    exact = decoded(moving_picture([panels], CLOCK, "webp"))
    close = decoded(moving_picture([panels], CLOCK, "gif"))
    assert max(np.abs(a.astype(int) - b).mean() for a, b in zip(exact, close, strict=True)) < 4


def test_gif_keeps_the_colours_of_its_legend() -> None:
    """They are few pixels among thousands of greys, which a palette made for the picture alone would round away."""
    legend = dict(zip(("one", "two", "three"), EXPERT_COLOURS, strict=False))
    pictures = decoded(moving_picture([panels_of(3)], CLOCK, "gif", legend))
    for colour in legend.values():
        assert contains(pictures[-1], np.full((8, 8, 3), colour, np.uint8))


def test_large_frames_are_made_smaller_by_means() -> None:
    pictures = np.zeros((5, 900, 600, 3), np.uint8)
    pictures[:, :, ::2] = 200
    (first, *_) = decoded(moving_picture([[Panel(title="wide", pictures=pictures)]], CLOCK, "webp"))
    assert first.shape[0] < 500
    assert abs(int(first[200, 150, 0]) - 100) < 40


def test_contact_sheet_has_a_row_a_panel_and_a_column_a_frame() -> None:
    panels = panels_of(2, side=100)
    (sheet,) = decoded(contact_sheet(panels, CLOCK, {"one": EXPERT_COLOURS[0]}))
    assert all(contains(sheet, picture.repeat(2, 0).repeat(2, 1)) for panel in panels for picture in panel.pictures)
    assert contains(sheet, np.full((8, 8, 3), EXPERT_COLOURS[0], np.uint8))


def test_picture_without_end_is_refused_before_it_is_drawn() -> None:
    frames: Any = np.broadcast_to(np.zeros((), np.uint8), (64, 2048, 1024, 1024))
    with pytest.raises(InputError, match=r"are the limit; give fewer sequences or steps, or write \.zarr or \.npy"):
        plain_picture(frames, "gif", 4)


def test_mp4_without_pyav_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'stmoe-synth\[real\]'"):
        plain_picture(FRAMES, "mp4", 2)


def charts() -> list[Chart]:
    error = Line("forecast", [1, 2, 3], [4.0, None, 6.0], [(3.5, 4.5), None, (5.0, 7.0)])
    return [
        Chart("error", "lead time", [error, Line("persistence", [1, 2, 3], [8.0, 9.0, 10.0])], lowest=0),
        Chart("loss & <more>", "step", [Line("training", range(10, 200, 10), [0.7**i for i in range(19)])]),
    ]


def test_chart_is_an_element_with_its_words_as_text() -> None:
    root = ET.fromstring(draw_charts(charts(), "errors"))
    assert root.tag.endswith("svg")
    words = {"".join(node.itertext()).strip() for node in root.iter() if node.tag.endswith("text")}
    assert {"error", "lead time", "forecast", "persistence", "loss & <more>", "step"} <= words


def test_two_charts_of_a_page_share_no_identifier_and_refer_to_their_own() -> None:
    one, other = (draw_charts(charts(), name) for name in ("errors", "losses"))
    found = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in (one, other)]
    assert not found[0] & found[1]
    for svg, identifiers in zip((one, other), found, strict=True):
        references = set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', svg))
        assert {name for pair in references for name in pair if name} <= identifiers


def test_chart_takes_its_colours_from_the_page() -> None:
    svg = draw_charts(charts(), "errors")
    assert {"var(--ink)", "var(--faint)", "var(--line-1)", "var(--line-2)"} <= set(re.findall(r"var\(--[^)]+\)", svg))
    assert not re.findall(r"#0[123]0[123]0\d", svg)


def test_chart_is_a_function_of_its_numbers() -> None:
    assert draw_charts(charts(), "errors") == draw_charts(charts(), "errors")

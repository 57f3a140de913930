"""Frames and gate weights as colours: grey levels, one hue an expert, and errors from black over red to white."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Pictures = NDArray[np.uint8]
"""(..., y, x, 3), red green blue."""
Colour = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One of several pictures side by side."""

    title: str
    pictures: Pictures
    """(time, y, x, 3)"""


@dataclass(frozen=True, kw_only=True)
class Clock:
    """What the frames of a picture are: first those that were given, then those that were forecast."""

    inputs: int
    horizon: int

    @property
    def captions(self) -> tuple[str, ...]:
        """What each frame is."""
        given = (f"input {number} of {self.inputs}" for number in range(1, self.inputs + 1))
        forecast = (f"lead time {number} of {self.horizon}" for number in range(1, self.horizon + 1))
        return (*given, *forecast)

    @property
    def columns(self) -> tuple[str, ...]:
        """The same in short."""
        return (*(f"input {i + 1}" for i in range(self.inputs)), *(f"+{i + 1}" for i in range(self.horizon)))


EXPERT_COLOURS: tuple[Colour, ...] = (
    (86, 180, 233),
    (240, 160, 0),
    (0, 170, 120),
    (214, 120, 175),
    (240, 228, 66),
    (225, 90, 30),
    (170, 170, 170),
)
"""By the expert's place; told apart by any colour vision (after Okabe and Ito, 2008), used again from the eighth on."""
_FULL = 255
_DIMMEST = 0.22
"""Share of a hue's brightness that a black pixel keeps, so that gates can be seen on background too."""
_ERROR_COLOURS = ((0, 0, 0), (90, 20, 110), (200, 60, 70), (250, 150, 30), (255, 255, 200))
"""From no error to full scale, ever brighter; as `inferno`, a map that any colour vision can read, in few points."""


def expert_colour(place: int) -> Colour:
    """Return the hue of an expert by its place in the mixture."""
    return EXPERT_COLOURS[place % len(EXPERT_COLOURS)]


def grey_levels(frames: Array) -> NDArray[np.uint8]:
    """Return frames of any shape, full scale 1, as 256 grey levels; what is beyond is clipped, NaN is black."""
    levels: NDArray[np.uint8] = np.rint(np.clip(np.nan_to_num(frames), 0, 1) * _FULL).astype(np.uint8)
    return levels


def grey_pictures(frames: Array) -> Pictures:
    """Return frames (..., y, x), full scale 1, as pictures."""
    return np.repeat(grey_levels(frames)[..., None], 3, axis=-1)


@dataclass(frozen=True, kw_only=True)
class Look:
    """How frames are drawn."""

    paint: Callable[[Array], Pictures]
    """Frames (..., y, x), full scale 1, as pictures."""
    brightness: Callable[[Array], Array]
    """Frames in [0, 1], for pictures that are tinted."""
    limit: float
    """Largest value that is not clipped before errors are drawn."""
    full_error: float
    """Absolute error that is white."""
    error_is: str
    """In words, what an error's black and white are."""
    legend: Mapping[str, Colour]
    """Colours by name, to stand below the pictures."""


GREY = Look(
    paint=grey_pictures,
    brightness=lambda frames: frames,
    limit=1.0,
    full_error=1.0,
    error_is="black is none, white full scale",
    legend={},
)


def error_pictures(errors: Array) -> Pictures:
    """Return absolute errors (..., y, x), full scale 1, from black (none) over red to white."""
    place = np.clip(np.nan_to_num(np.abs(errors), nan=1), 0, 1) * (len(_ERROR_COLOURS) - 1)
    stops = np.arange(len(_ERROR_COLOURS))
    channels = [np.interp(place, stops, channel) for channel in zip(*_ERROR_COLOURS, strict=True)]
    return _as_levels(np.stack(channels, axis=-1))


def gate_pictures(maps: Array, colour: Colour) -> Pictures:
    """Return the map of one expert's gate, (..., y, x) in [0, 1], from black (0) to the expert's hue (1)."""
    return _as_levels(np.clip(maps, 0, 1)[..., None] * np.array(colour))


def overlaid_pictures(frames: Array, maps: Array, colours: Sequence[Colour]) -> Pictures:
    """
    Return frames tinted by their gates: brightness is the frame's, the hue mixes those of the experts by their weights.

    Parameters
    ----------
    frames : (time, y, x) brightness in [0, 1]
    maps : (time, expert, y, x) in [0, 1]; where they sum to more than 1 they count by their shares, where to less the
        rest is black
    colours : of the experts
    """
    shares = maps / np.maximum(maps.sum(1, keepdims=True), 1)
    hues = np.einsum("tkyx,kc->tyxc", shares, np.array(colours, float))
    brightness = _DIMMEST + (1 - _DIMMEST) * np.clip(np.nan_to_num(frames), 0, 1)
    return _as_levels(hues * brightness[..., None])


def forecast_panels(inputs: Array, truth: Array, frames: Array, look: Look = GREY) -> list[Panel]:
    """
    Return truth, forecast, persistence and the forecast's absolute error side by side, all after the same inputs.

    Parameters
    ----------
    inputs : (time, y, x), l frames
    truth, frames : (time, y, x), n frames each; where the truth is NaN there is no error
    look : of the frames
    """
    persistence = np.broadcast_to(inputs[-1], truth.shape)
    shown = {"truth": truth, "forecast": frames, "persistence": persistence}
    errors = np.abs(np.clip(frames, 0, look.limit) - truth) / look.full_error
    errors = np.concatenate((np.zeros_like(inputs), np.where(np.isnan(truth), 0, errors)))
    return [
        *(frames_panel(inputs, part, title, look) for title, part in shown.items()),
        Panel(title="error of the forecast", pictures=error_pictures(errors)),
    ]


def frames_panel(inputs: Array, frames: Array, title: str, look: Look = GREY) -> Panel:
    """Return inputs (time, y, x) and then a forecast (time, y, x)."""
    return Panel(title=title, pictures=look.paint(np.concatenate((inputs, frames))))


def tinted_panel(inputs: Array, frames: Array, gates: Array, look: Look = GREY) -> Panel:
    """
    Return the forecast tinted by the gates, after the inputs as they are.

    Parameters
    ----------
    inputs : (time, y, x), l frames
    frames : (time, y, x), n frames
    gates : (time, expert, y, x) in [0, 1], n frames
    look : of the frames
    """
    colours = [expert_colour(place) for place in range(gates.shape[1])]
    tinted = overlaid_pictures(look.brightness(frames), gates, colours)
    return Panel(title="tinted by the gates", pictures=np.concatenate((look.paint(inputs), tinted)))


def gate_panels(inputs: Array, gates: Array, experts: Sequence[str]) -> list[Panel]:
    """
    Return the map of every expert's gate; black while there are only inputs.

    Parameters
    ----------
    inputs : (time, y, x), l frames
    gates : (time, expert, y, x) in [0, 1], n frames
    experts : names
    """
    maps = _after_blanks(inputs, gates)
    return [
        Panel(title=f"gate of {name}", pictures=gate_pictures(maps[:, place], expert_colour(place)))
        for place, name in enumerate(experts)
    ]


def part_panels(inputs: Array, parts: Array, experts: Sequence[str], look: Look = GREY) -> list[Panel]:
    """
    Return what every expert alone makes of the next frame, H(Z~^k); black while there are only inputs.

    Parameters
    ----------
    inputs : (time, y, x), l frames
    parts : (time, expert, y, x), n frames
    experts : names
    look : of the frames
    """
    decoded = _after_blanks(inputs, parts)
    return [Panel(title=f"{name} alone", pictures=look.paint(decoded[:, k])) for k, name in enumerate(experts)]


def expert_legend(experts: Sequence[str]) -> dict[str, Colour]:
    """Return the hue of every expert by name."""
    return {name: expert_colour(place) for place, name in enumerate(experts)}


def _after_blanks(inputs: Array, maps: Array) -> Array:
    return np.concatenate((np.zeros((len(inputs), *maps.shape[1:]), maps.dtype), maps))


def _as_levels(values: Array) -> Pictures:
    levels: Pictures = np.rint(values).astype(np.uint8)
    return levels

"""Estimated motion as arrows on the newest input frame, beside the true one where a store knows it."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from trainer.evaluation.motion import kinematic_experts
from trainer.models.kinematic import Rotation, Translation
from trainer.models.stmoe import STMoE

Array = NDArray[np.float32]

LENGTH: Final = 2
"""Of an arrow, frames of motion."""
_SEEN = 0.1
"""Least intensity of a pixel that gets an arrow: how nothing moves does not matter."""
_ACROSS = 16
"""Arrows along a side of a frame, at most about twice as many."""
_ESTIMATED, _TRUE, _BACKGROUND, _INK = "#f0e442", "#56b4e9", "#16181d", "#e1e3e8"


@dataclass(frozen=True, kw_only=True)
class Motion:
    """What an expert estimates at the newest input frame."""

    velocity: Array
    """(component, y, x), px/frame, of every pixel, to the right and downwards"""
    deviation: Array
    """(y, x), px, standard deviation of the place one frame later"""


@torch.inference_mode()
def motions_of(network: STMoE, inputs: Array, device: torch.device) -> dict[str, Motion]:
    """
    Estimate the motion in a sequence, by the name of each kinematic expert.

    Parameters
    ----------
    inputs : (time, y, x), the l input frames, full scale 1
    """
    frames = torch.from_numpy(inputs)[None, :, None].to(device)
    return {name: _motion(expert.estimate(frames)) for name, expert in kinematic_experts(network).items()}


def draw_motions(frame: Array, motions: Mapping[str, Motion], truth: Array | None) -> bytes:
    """
    Return a PNG of a panel for each expert, its arrows on the frame, and of one for the truth.

    An arrow is as long as what it stands on moves in two frames; where an expert is unsure, it is paler: fully so where
    the standard deviation of the place one frame later is a pixel.

    Parameters
    ----------
    frame : (y, x), full scale 1
    motions : by name, one or more
    truth : (component, y, x), px/frame; None where it is not known
    """
    panels = [_Panel(name, motion.velocity, 1 - motion.deviation, _ESTIMATED) for name, motion in motions.items()]
    if truth is not None:
        panels.append(_Panel("true motion", truth, np.ones_like(frame), _TRUE))
    settings: Any = {"font.size": 9}
    with mpl.rc_context(settings):
        figure = Figure(figsize=(2.9 * len(panels), 3.1), layout="constrained", facecolor=_BACKGROUND)
        for place, panel in enumerate(panels):
            _draw(figure.add_subplot(1, len(panels), place + 1), frame, panel)
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=110, metadata={"Software": None})
    return file.getvalue()


class _Panel(NamedTuple):
    title: str
    velocity: Array
    """(component, y, x), px/frame"""
    sure: Array
    """(y, x), 1 or less; 0 and less is invisible"""
    colour: str


def _motion(estimate: Translation | Rotation) -> Motion:
    velocity = estimate.velocity
    if isinstance(estimate, Rotation):
        x, y = estimate.arm[:, :1], estimate.arm[:, 1:]
        velocity = torch.cat((-velocity * y, velocity * x), 1)
    deviation = estimate.spread.sum(1).sqrt()[0]
    return Motion(velocity=velocity[0].cpu().numpy(), deviation=deviation.cpu().numpy())


def _draw(axes: Axes, frame: Array, panel: _Panel) -> None:
    rows, columns = _arrows(frame)
    axes.imshow(frame, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    right, down = LENGTH * panel.velocity[:, rows, columns]
    axes.quiver(
        *(columns, rows, right, down),
        angles="xy",
        scale_units="xy",
        scale=1,
        width=0.007,
        color=panel.colour,
        alpha=panel.sure[rows, columns].clip(0.15, 1),
    )
    axes.set_xlim(-0.5, frame.shape[1] - 0.5)
    axes.set_ylim(frame.shape[0] - 0.5, -0.5)
    axes.set_title(panel.title, color=_INK)
    axes.set_axis_off()


def _arrows(frame: Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows and columns of the pixels that get an arrow: those with something to see, on a grid."""
    step = max(1, max(frame.shape) // _ACROSS)
    rows, columns = np.nonzero(frame >= _SEEN)
    kept = (rows % step == 0) & (columns % step == 0)
    return rows[kept], columns[kept]

"""A training step of MIM against a transcription of its equations in fp32, one convolution a gate: time and loss."""

import math
import runpy
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from timing import Row, arguments, interleaved, report, spread
from torch import Tensor

from datagen import RenderSpec, render_sequences
from schemas.run import Execution
from trainer.models.mim import MIM
from trainer.training.precision import precision_of

TRANSCRIPTION = Path(__file__).parent.parent / "tests/reference/mim.py"
LAYERS, HIDDEN, KERNEL, PATCH = 4, 64, 5, 4
INPUTS = 4
BATCH = 4
LEARNING_RATE = 5e-4
HELD_OUT = 8
"""Batches that the losses are compared on."""
SPEC = RenderSpec.model_validate({"property": "rotation", "height": 64, "width": 64, "noise": {"ratio": 0}})
SAME_NUMBERS, SAME_LOSS = 1e-4, 0.02
FLOAT32_LIMIT, SHIPPED_LIMIT = 1.0, 1.3
SHIPPED = precision_of(Execution().precision, torch.device("cpu"))
"""Precision in which this machine trains unless told otherwise."""


class Forecaster(NamedTuple):
    """What is trained."""

    predict: Callable[[Tensor], Tensor]
    """(batch, time, channel, y, x) to all frames but the first, each from those before it; from `INPUTS` on predictions
    are fed."""
    weights: list[Tensor]


def main() -> None:
    """Train from the same weights on the same batches in turn, and time each step."""
    options = arguments(__doc__ or "", rounds=9, steps=200, threads=torch.get_num_threads())
    torch.set_num_threads(options.threads)
    batches = rendered(max(options.rounds, options.steps) + HELD_OUT)
    fp32 = timed({"transcription": transcribed(), "MIM": shipped("fp32")}, batches, options.rounds)
    contenders = {"transcription": transcribed(), "MIM": shipped(SHIPPED)}
    default = timed(contenders, batches, options.steps - 1)  # one more is made before the clock starts
    rows = [
        same_numbers(batches[0]),
        ratio_row("fp32", FLOAT32_LIMIT, fp32),
        ratio_row(f"as shipped, {SHIPPED}", SHIPPED_LIMIT, default),
        same_loss(contenders, batches[-HELD_OUT:], options.steps),
    ]
    report(rows, options)


def shipped(precision: str) -> Forecaster:
    """Return the network of the trainer."""
    network = new_network()

    def predict(frames: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            return network.unroll(frames, lambda index, true, predicted: true if index < INPUTS else predicted)

    return Forecaster(predict, list(network.parameters()))


def transcribed() -> Forecaster:
    """Return the transcription with the weights of a new network of the trainer."""
    build = runpy.run_path(str(TRANSCRIPTION))["Transcription"]
    network = build(new_network().state_dict(), layers=LAYERS, patch=PATCH)
    return Forecaster(lambda frames: network.unroll(frames, INPUTS), list(network.weights.values()))


def new_network() -> MIM:
    """Return a network with the same weights every time."""
    torch.manual_seed(0)
    return MIM(layers=LAYERS, hidden=HIDDEN, kernel=KERNEL, patch=PATCH)


def rendered(count: int) -> Tensor:
    """Return turning objects, (step, batch, time, channel, y, x) in [0, 1]."""
    frames = torch.from_numpy(render_sequences(SPEC, 0, count * BATCH).frames)
    return frames.reshape(count, BATCH, SPEC.frames, 1, SPEC.height, SPEC.width) / 255


def timed(contenders: dict[str, Forecaster], batches: Tensor, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each training step."""
    return interleaved({name: training(each, batches, rounds) for name, each in contenders.items()}, rounds)


def training(forecaster: Forecaster, batches: Tensor, steps: int) -> Callable[[int], object]:
    """Return a task that makes one step: forward, backward, Adam; as in a phase, a cosine takes the rate to 0."""
    optimiser = torch.optim.Adam(forecaster.weights, LEARNING_RATE)

    def step(number: int) -> None:
        optimiser.param_groups[0]["lr"] = LEARNING_RATE / 2 * (1 + math.cos(math.pi * number / steps))
        optimiser.zero_grad()
        loss_of(forecaster, batches[number]).backward()
        optimiser.step()

    return step


def loss_of(forecaster: Forecaster, frames: Tensor) -> Tensor:
    """Return the mean squared error of all predictions."""
    return (forecaster.predict(frames) - frames[:, 1:]).square().mean()


def same_numbers(frames: Tensor) -> Row:
    """Compare the predictions of the new networks."""
    with torch.no_grad():
        expected = transcribed().predict(frames)
        difference = (shipped("fp32").predict(frames) - expected).abs().max().item()
    detail = f"largest of {expected.numel():,} predictions of magnitude {expected.abs().max():.2f}"
    return Row(
        benchmark="MIM: difference from the transcription, fp32",
        measured=difference,
        unit="of full scale",
        limit=SAME_NUMBERS,
        detail=detail,
    )


def ratio_row(precision: str, limit: float, seconds: dict[str, list[float]]) -> Row:
    """Return by how much a step of the transcription takes longer."""
    ratios = [slow / fast for slow, fast in zip(seconds["transcription"], seconds["MIM"], strict=True)]
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return Row(
        benchmark=f"MIM: step of the transcription in fp32 / {precision}",
        measured=statistics.median(ratios),
        limit=limit,
        at_least=True,
        detail=f"{medians['transcription']:.2f} s / {medians['MIM']:.2f} s, quartiles {spread(ratios)}; {LAYERS} x"
        f" {HIDDEN}, batch {BATCH}, {SPEC.height}x{SPEC.width}, {INPUTS} + {SPEC.frames - INPUTS} frames,"
        f" {torch.get_num_threads()} threads",
    )


def same_loss(contenders: dict[str, Forecaster], held_out: Tensor, steps: int) -> Row:
    """Compare the trained networks on sequences that neither has seen."""
    with torch.no_grad():
        losses = {
            name: statistics.mean(loss_of(each, frames).item() for frames in held_out)
            for name, each in contenders.items()
        }
    return Row(
        benchmark=f"MIM: loss after {steps} steps in {SHIPPED} / of the transcription - 1, either sign",
        measured=abs(losses["MIM"] / losses["transcription"] - 1),
        unit="",
        limit=SAME_LOSS,
        detail=f"{losses['MIM']:.6f} / {losses['transcription']:.6f}, {len(held_out) * BATCH} held-out sequences",
    )


if __name__ == "__main__":
    main()

"""MIM gives the numbers of its equations, keeps no state of its own, and learns."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.cells import FORGET, filled, least_distance, outcomes_of_swaps, pixel
from tests.reference.mim import Transcription
from trainer.models.mim import MIM, MemoryModule, MIMBlock


def network(seed: int = 0, **options: Any) -> MIM:
    """Return a network whose every weight matters: also the offsets and peepholes, which start at 0."""
    torch.manual_seed(seed)
    mim = MIM(**{"layers": 3, "hidden": 3, "kernel": 3, "patch": 2} | options).double()
    for parameter in mim.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return mim


def video(batch: int = 2, time: int = 6, channels: int = 1, y: int = 8, x: int = 6, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, time, channels, y, x, generator=generator, dtype=torch.float64)


def free_running(inputs: int) -> Any:
    """Feed true frames as long as there are inputs, then what is predicted."""
    return lambda index, true, predicted: true if index < inputs else predicted


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def memory_module(hidden: int = 1, *, normalise: bool = False) -> MemoryModule:
    torch.manual_seed(0)
    return MemoryModule(hidden, 3, normalise=normalise).double()


def block(hidden: int = 1, *, normalise: bool = False) -> MIMBlock:
    torch.manual_seed(0)
    return MIMBlock(hidden, 3, normalise=normalise).double()


PIXELS = [pixel(value) for value in (1, 0.2, 0.5, -0.5, 0.1, 0.25)]
"""x, D, h, C, S and M of a block."""


def test_mim_n_gives_the_numbers_of_its_equations() -> None:
    change, memory = filled(memory_module(), 0.1)(pixel(0.2), pixel(0.3), pixel(0.1))
    assert change.item() == pytest.approx(0.051327233, abs=1e-8)
    assert memory.item() == pytest.approx(0.099997393, abs=1e-8)


def test_mim_s_and_block_give_the_numbers_of_their_equations() -> None:
    mim_block = filled(block(), 0.1)
    trend, _ = mim_block.stationary(pixel(0.2), pixel(-0.5), pixel(0.1))
    assert trend.item() == pytest.approx(0.028550513, abs=1e-8)
    after = [state.item() for state in mim_block(*PIXELS)]
    assert after == pytest.approx([0.019744532, 0.108565774, 0.057865270, 0.254786227], abs=1e-8)  # h C S M


@pytest.mark.parametrize(
    ("build", "weight", "gates"),
    [
        (memory_module, "from_input.weight", 4),
        (memory_module, "from_recurrent.weight", 4),
        (memory_module, "peepholes", 3),
        (block, "from_input.weight", 4),
        (block, "from_hidden.weight", 3),
        (block, "from_memory.weight", 4),
    ],
)
def test_gates_are_told_apart(build: Any, weight: str, gates: int) -> None:
    given = PIXELS[:3] if build is memory_module else PIXELS
    assert least_distance(outcomes_of_swaps(build(), weight, gates, given)) > 1e-6


def test_modules_without_weights_only_forget() -> None:
    inputs, recurrent, memory = video(3, 1, 4)[:, 0].unsqueeze(1)
    output, after = filled(memory_module(4), 0)(inputs, recurrent, memory)
    torch.testing.assert_close(after, FORGET * memory)
    torch.testing.assert_close(output, 0.5 * torch.tanh(after))


def test_block_without_weights_keeps_the_trend() -> None:
    inputs, change, hidden, cell, stationary, memory = video(6, 1, 4)[:, 0].unsqueeze(1)
    after = filled(block(4), 0)(inputs, change, hidden, cell, stationary, memory)
    assert not after[0].any()
    torch.testing.assert_close(after[1], 0.5 * torch.tanh(FORGET * stationary))
    torch.testing.assert_close(after[3], FORGET * memory)


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("build", [memory_module, block])
def test_gradients_are_those_of_finite_differences(build: Any, normalise: bool) -> None:
    module = build(2, normalise=normalise)
    states = [video(1, 1, 2, 4, 4, seed)[:, 0].requires_grad_() for seed in range(3 if build is memory_module else 6)]
    assert torch.autograd.gradcheck(
        lambda *given: module(*given[: len(states)]), (*states, *module.parameters()), fast_mode=True
    )


@pytest.mark.parametrize(
    "options",
    [
        {"layers": 1},
        {"layers": 4},
        {"layers": 4, "differences": "diagonal", "normalise": False},
        {"layers": 3, "peephole": "map", "grid": (4, 3), "channels": 2},
    ],
)
def test_predictions_and_gradients_are_those_of_the_transcription(options: dict[str, Any]) -> None:
    mim, channels = network(**options), options.get("channels", 1)
    transcription = Transcription(
        mim.state_dict(),
        layers=options["layers"],
        patch=2,
        differences=options.get("differences", "cascade"),
        features=channels,
    )
    frames = video(channels=channels)
    predictions, expected = mim.unroll(frames, free_running(3)), transcription.unroll(frames, 3)
    torch.testing.assert_close(predictions, expected, rtol=1e-9, atol=1e-10)
    for each in (predictions, expected):
        (each - frames[:, 1:]).square().sum().backward()
    for name, parameter in mim.named_parameters():
        torch.testing.assert_close(parameter.grad, transcription.gradient(name), rtol=1e-7, atol=1e-9)


def test_stepping_continues_what_unroll_predicts() -> None:
    mim, frames = network(), video()
    features, state = mim.step(frames[:, -2], mim.begin(frames[:, :-1]))
    unrolled = mim.unroll(frames)
    assert torch.equal(features, unrolled[:, -1])
    again, _ = mim.step(features, state)
    assert torch.equal(again, mim.unroll(torch.cat((frames[:, :-1], features[:, None], frames[:, :1]), 1))[:, -1])


def test_first_frame_alone_is_enough_to_begin() -> None:
    mim, frames = network(), video()
    features, _ = mim.step(frames[:, 0], mim.begin(frames[:, :1]))
    assert torch.equal(features, mim.unroll(frames)[:, 0])


def test_unroll_asks_what_to_feed_for_each_frame_but_the_first_and_last() -> None:
    mim, frames = network(), video(time=5)
    asked = []

    def fed(index: int, true: Tensor, predicted: Tensor) -> Tensor:
        assert torch.equal(true, frames[:, index])
        asked.append((index, predicted))
        return 1 - true

    predictions = mim.unroll(frames, fed)
    assert [index for index, _ in asked] == [1, 2, 3]
    assert all(torch.equal(predicted, predictions[:, index - 1]) for index, predicted in asked)
    inverted = torch.cat((frames[:, :1], 1 - frames[:, 1:]), 1)
    assert torch.equal(predictions, mim.unroll(inverted))


def test_decoded_features_are_predicted_and_fed() -> None:
    mim, frames = network(features=3), video()
    decoder = nn.Conv2d(3, 1, 3, padding=1).double()
    predictions = mim.unroll(frames, free_running(4), decoder)
    features, _ = mim.step(frames[:, 3], mim.begin(frames[:, :4]))
    assert features.shape == (2, 3, 8, 6)
    assert predictions.shape == (2, 5, 1, 8, 6)
    assert torch.equal(predictions[:, 3], decoder(features))


def test_samples_of_a_batch_do_not_see_each_other() -> None:
    mim, frames = network(), video(batch=3)
    torch.testing.assert_close(mim.unroll(frames)[:1], mim.unroll(frames[:1]), rtol=1e-12, atol=1e-12)


def test_nothing_stays_behind_between_sequences() -> None:
    mim, one, other = network(), video(seed=1), video(batch=1, seed=2)
    before = mim.unroll(one)
    mim.unroll(other)
    assert torch.equal(mim.unroll(one), before)


@pytest.mark.parametrize("changed", range(5))
def test_frame_changes_later_predictions_only(changed: int) -> None:
    mim, frames = network(), video()
    other = frames.clone()
    other[:, changed] = 1 - other[:, changed]
    same = (mim.unroll(frames) == mim.unroll(other)).all(dim=(0, 2, 3, 4))
    assert same.tolist() == [index < changed for index in range(5)]


def test_forecast_sees_no_frame_beyond_its_inputs() -> None:
    mim, frames = network(), video()
    other = frames.clone()
    other[:, 3:] = 0
    assert torch.equal(mim.unroll(frames, free_running(3)), mim.unroll(other, free_running(3)))


def test_cascade_and_diagonal_part_at_the_third_layer() -> None:
    frames = video()

    def both(layers: int) -> list[Tensor]:
        return [network(layers=layers, differences=kind).unroll(frames) for kind in ("cascade", "diagonal")]

    assert torch.equal(*both(2))
    assert not torch.equal(*both(3))


@pytest.mark.parametrize("normalise", [True, False])
def test_first_step_knows_no_difference(normalise: bool) -> None:
    mim = network(normalise=normalise)
    mim.unroll(video(time=2)).sum().backward()
    learnt = {name for name, parameter in mim.named_parameters() if parameter.grad is not None and parameter.grad.any()}
    assert not {name for name in learnt if name.startswith("nonstationary")}
    assert {name for name in learnt if name.startswith(("first", "blocks", "head"))}


@pytest.mark.parametrize("differences", ["cascade", "diagonal"])
@pytest.mark.parametrize("normalise", [True, False])
def test_every_parameter_learns_from_four_frames(normalise: bool, differences: str) -> None:
    torch.manual_seed(0)
    mim = MIM(layers=3, hidden=4, kernel=3, patch=2, normalise=normalise, differences=differences).double()
    mim.unroll(video(time=4)).square().sum().backward()
    assert [name for name, parameter in mim.named_parameters() if not parameter.grad.any()] == []


def test_shifted_video_is_predicted_shifted() -> None:
    torch.manual_seed(0)
    mim = MIM(layers=2, hidden=4, kernel=3, patch=2, normalise=False).double()
    frames = torch.zeros(1, 3, 1, 64, 64, dtype=torch.float64)
    frames[:, :, :, 30:34, 30:36] = video(1, 3, 1, 4, 6)
    moved = mim.unroll(frames.roll((4, -6), (3, 4)))
    torch.testing.assert_close(moved, mim.unroll(frames).roll((4, -6), (3, 4)))
    assert moved.abs().max() > 1e-3


def test_differences_of_a_still_video_vanish() -> None:
    mim, still = network(normalise=False), video(batch=1, time=1)[:, 0]
    state = mim.begin(still[:, None])
    hidden = []
    for _ in range(60):
        _, state = mim.step(still, state)
        hidden.append(state.first.hidden)
    assert (hidden[-1] - hidden[-2]).abs().max() < 1e-3 * (hidden[1] - hidden[0]).abs().max()


def test_one_network_forecasts_frames_of_any_size() -> None:
    mim = network()
    for y, x in ((4, 4), (6, 14)):
        assert mim.unroll(video(y=y, x=x)).shape == (2, 5, 1, y, x)


def test_frame_that_does_not_divide_into_patches_is_refused() -> None:
    with pytest.raises(ValueError, match="8x5 px does not divide into patches of 2 px"):
        network().begin(video(x=5))


def test_peephole_map_without_a_grid_is_refused() -> None:
    with pytest.raises(ValueError, match="grid is None"):
        network(peephole="map")


def test_bfloat16_predicts_nearly_the_same_in_the_precision_of_the_frames() -> None:
    mim, frames = network().float(), video().float()
    exact = mim.unroll(frames)
    with torch.autocast("cpu", torch.bfloat16):
        rounded, state = mim.unroll(frames), mim.begin(frames)
    assert rounded.dtype == state.memory.dtype == state.further[0].nonstationary.dtype == torch.float32
    assert 0 < (rounded - exact).abs().max() < 0.05 * exact.abs().max()


def test_small_network_starts_with_a_silent_mim_n() -> None:
    torch.manual_seed(0)
    mim = MIM(layers=3, hidden=8, kernel=3, patch=2)
    state = mim.begin(video().float())
    loud = max(block_state.hidden.abs().max().item() for block_state in state.further)
    assert max(block_state.change.abs().max().item() for block_state in state.further) < 0.5 * loud


@pytest.mark.parametrize(
    ("layers", "hidden", "kernel", "patch", "grid", "expected"),
    [
        (4, 64, 5, 4, (16, 16), 9_723_904),
        (4, 128, 5, 4, (16, 16), 37_945_344),
        (4, 64, 5, 4, (28, 28), 10_332_160),
        (3, 32, 5, 4, (16, 16), 1_807_360),
        (2, 16, 3, 4, (8, 8), 106_496),
    ],
)
def test_published_sizes_have_the_published_parameters(
    layers: int, hidden: int, kernel: int, patch: int, grid: tuple[int, int], expected: int
) -> None:
    with torch.device("meta"):
        mim = MIM(layers=layers, hidden=hidden, kernel=kernel, patch=patch, peephole="map", grid=grid, normalise=False)
    offsets = sum(parameter.numel() for name, parameter in mim.named_parameters() if name.endswith("offset"))
    assert parameters(mim) - offsets == expected


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize(("layers", "hidden", "kernel", "patch", "channels"), [(3, 6, 3, 2, 1), (1, 5, 1, 3, 2)])
def test_parameters_follow_from_the_sizes(
    layers: int, hidden: int, kernel: int, patch: int, channels: int, normalise: bool
) -> None:
    mim = MIM(layers=layers, hidden=hidden, kernel=kernel, patch=patch, channels=channels, normalise=normalise)
    area, inputs = kernel**2 * hidden, patch**2 * channels
    first = area * (7 * inputs + 9 * hidden) + 2 * hidden**2
    further = area * 19 * hidden + 2 * hidden**2 + area * 8 * hidden + 6 * hidden
    of_channels = (15 + 27 * (layers - 1)) * hidden * (2 if normalise else 1)
    assert parameters(mim) == first + (layers - 1) * further + hidden * inputs + of_channels


def test_parameters_have_the_names_that_checkpoints_hold() -> None:
    mim = MIM(layers=2, hidden=2, kernel=3, patch=1)
    convolutions = {
        "first": ["from_input", "from_hidden", "from_memory", "from_memories"],
        "nonstationary.0": ["from_input", "from_recurrent"],
        "blocks.0": ["from_input", "from_hidden", "from_memory"],
        "blocks.0.stationary": ["from_input", "from_recurrent"],
    }
    names = {
        f"{module}.{name}.{part}"
        for module, named in convolutions.items()
        for name in named
        for part in ("weight", "scale", "offset")
    }
    peepholes = {"nonstationary.0.peepholes", "blocks.0.stationary.peepholes"}
    assert set(mim.state_dict()) == names | peepholes | {"first.mix.weight", "blocks.0.mix.weight", "head.weight"}


@pytest.mark.slow
def test_overfits_one_batch() -> None:
    torch.manual_seed(0)
    frames = moving_blobs(batch=4, time=10, size=32)
    mim = MIM(layers=2, hidden=16, kernel=3, patch=4)
    optimiser = torch.optim.Adam(mim.parameters(), 3e-3)
    losses = []
    while not losses or (losses[-1] > 2e-4 and len(losses) < 300):
        loss = (mim.unroll(frames, free_running(4)) - frames[:, 1:]).square().mean()
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(mim.parameters(), 1.0)
        optimiser.step()
    assert losses[0] > 1e-2
    assert losses[-1] <= 2e-4


def moving_blobs(batch: int, time: int, size: int) -> Tensor:
    """Return a Gaussian blob in each sequence that moves straight on."""
    generator = torch.Generator().manual_seed(0)
    start, velocity = torch.rand(2, batch, 2, 1, 1, 1, generator=generator) - 0.5
    steps, y, x = torch.meshgrid(torch.arange(time), torch.arange(size), torch.arange(size), indexing="ij")
    across = x - size / 2 - 4 * start[:, 0] - velocity[:, 0] * steps
    down = y - size / 2 - 4 * start[:, 1] - velocity[:, 1] * steps
    return torch.exp(-(across**2 + down**2) / 8)[:, :, None]

"""Random choices are a function of (seed, phase, step), the same however many processes share a batch."""

import pytest
import torch
from torch import Tensor

from trainer.training.draws import SYMMETRIES, Draws, draw, transformed

FIELDS = ("feed_truth", "symmetry")


def drawn(seed: int = 0, phase: str = "joint", step: int = 3, batch: int = 12) -> Draws:
    return draw(seed, phase, step, steps=10, batch=batch, frames=6)


def test_the_same_step_draws_the_same_whatever_came_before() -> None:
    first = drawn()
    torch.manual_seed(5)
    drawn(step=9)
    torch.rand(3)
    for name in FIELDS:
        assert torch.equal(getattr(first, name), getattr(drawn(), name))


def test_drawing_leaves_the_global_generator_alone() -> None:
    state = torch.get_rng_state()
    drawn()
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("other", [{"seed": 1}, {"phase": "gates"}, {"step": 4}, {"seed": 2**62}])
def test_another_seed_phase_or_step_draws_something_else(other: dict[str, int]) -> None:
    for name in FIELDS:
        assert not torch.equal(getattr(drawn(), name), getattr(drawn(**other), name))  # type: ignore[arg-type]


def test_draws_are_within_their_ranges_and_even() -> None:
    many = drawn(batch=8000)
    assert many.feed_truth.shape == (8000, 6)
    assert many.feed_truth.min() >= 0
    assert many.feed_truth.max() < 1
    assert many.feed_truth.mean().item() == pytest.approx(0.5, abs=0.01)
    counts = torch.bincount(many.symmetry, minlength=SYMMETRIES)
    assert len(counts) == SYMMETRIES
    assert counts.min() > 850


def test_done_goes_from_nothing_to_just_below_all() -> None:
    assert [draw(0, "a", step, steps=4, batch=1, frames=1).done for step in range(4)] == [0, 0.25, 0.5, 0.75]


@pytest.mark.parametrize("world", [1, 2, 3])
def test_processes_share_out_what_one_draws(world: int) -> None:
    whole = drawn()
    parts = [whole.shared(rank, world) for rank in range(world)]
    for name in FIELDS:
        dealt = torch.stack([getattr(part, name) for part in parts], 1)  # (turn, process, ...)
        assert torch.equal(dealt.flatten(0, 1), getattr(whole, name))
    assert {part.done for part in parts} == {whole.done}


def square(x: int = 4) -> Tensor:
    return torch.arange(2 * 3 * 4 * x, dtype=torch.float32).view(1, 2, 3, 4, x)  # (batch, time, channel, y, x)


def test_codes_are_the_eight_symmetries_of_a_square() -> None:
    images = [transformed(square(), torch.tensor([code])) for code in range(SYMMETRIES)]
    assert torch.equal(images[0], square())
    assert len({tuple(image.flatten().tolist()) for image in images}) == SYMMETRIES
    turned = square().rot90(1, (-2, -1))
    assert any(torch.equal(image, turned) for image in images)
    for image in images:  # within a frame; time and channel stay
        assert torch.equal(image.flatten(-2).sort().values, square().flatten(-2).sort().values)


def test_oblong_frames_are_flipped_and_keep_their_shape() -> None:
    images = [transformed(square(5), torch.tensor([code])) for code in range(SYMMETRIES)]
    assert {image.shape for image in images} == {square(5).shape}
    assert len({tuple(image.flatten().tolist()) for image in images}) == 4
    assert torch.equal(images[1], square(5).flip(-1))
    assert torch.equal(images[2], square(5).flip(-2))


def test_each_sequence_has_its_own_symmetry() -> None:
    frames = torch.rand(5, 2, 1, 4, 4)
    codes = torch.tensor([0, 3, 4, 7, 1])
    alone = [transformed(frames[i : i + 1], codes[i : i + 1]) for i in range(5)]
    assert torch.equal(transformed(frames, codes), torch.cat(alone))

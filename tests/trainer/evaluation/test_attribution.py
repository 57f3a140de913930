"""Gate attribution on maps whose answer can be counted by hand."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from schemas.store import PROPERTY_BITS
from trainer.evaluation.attribution import Attribution

EXPERTS = ("translation", "rotation", "intensity")


def log_weights_of(winners: Tensor, experts: int = 3) -> Tensor:
    """Return weights of which the named expert has 0.8: winners (batch, time, y, x)."""
    chosen = torch.nn.functional.one_hot(winners, experts).movedim(-1, 2)
    return torch.where(chosen > 0, 0.8, 0.2 / (experts - 1)).log()


def test_shares_are_those_counted_by_hand() -> None:
    mask = torch.tensor([[[[1, 1, 1, 1], [2, 2, 4, 0]]], [[[0, 0, 0, 0], [4, 4, 4, 3]]]], dtype=torch.uint8)
    winners = torch.tensor([[[[0, 0, 0, 1], [1, 0, 2, 0]]], [[[2, 2, 2, 2], [2, 1, 0, 0]]]])
    counted = Attribution(EXPERTS, PROPERTY_BITS, 1)
    counted.update(log_weights_of(winners), mask)
    summary = counted.summary()
    assert {name: entry["pixels"] for name, entry in summary.items()} == {
        "translation": 4,
        "rotation": 2,
        "intensity": 4,
    }
    assert {name: entry["share"] for name, entry in summary.items()} == {
        "translation": 0.75,
        "rotation": 0.5,
        "intensity": 0.5,
    }
    assert summary["intensity"]["winners"] == {"translation": 0.25, "rotation": 0.25, "intensity": 0.5, "tie": 0}


def test_lead_times_are_kept_apart() -> None:
    mask = torch.full((2, 3, 2, 2), PROPERTY_BITS["rotation"], dtype=torch.uint8)
    mask[:, 2] = 0
    winners = torch.ones(2, 3, 2, 2, dtype=torch.int64)
    winners[0, 1] = 0
    counted = Attribution(EXPERTS, PROPERTY_BITS, 3)
    counted.update(log_weights_of(winners), mask)
    rotation = counted.summary()["rotation"]
    assert rotation["per_lead_time"] == [1.0, 0.5, None]
    assert rotation["share"] == 0.75


def test_pixels_of_several_properties_and_background_do_not_count() -> None:
    mask = torch.tensor([[[[0, 3, 5, 6, 7]]]], dtype=torch.uint8)
    counted = Attribution(EXPERTS, PROPERTY_BITS, 1)
    counted.update(log_weights_of(torch.zeros(1, 1, 1, 5, dtype=torch.int64)), mask)
    assert {entry["pixels"] for entry in counted.summary().values()} == {0}
    assert {entry["share"] for entry in counted.summary().values()} == {None}


def test_gates_that_treat_experts_alike_attribute_nothing() -> None:
    mask = torch.tensor([[[[1, 2, 4]]]], dtype=torch.uint8)
    counted = Attribution(EXPERTS, PROPERTY_BITS, 1)
    counted.update(torch.full((1, 1, 3, 1, 3), math.log(1 / 3)), mask)
    assert {entry["share"] for entry in counted.summary().values()} == {0.0}
    assert {entry["winners"]["tie"] for entry in counted.summary().values()} == {1.0}


def test_experts_are_matched_by_name() -> None:
    """An expert of a property that no mask knows may win, but has no row; nor has a property without an expert."""
    mask = torch.tensor([[[[4, 4, 2]]]], dtype=torch.uint8)
    counted = Attribution(("shear", "intensity"), PROPERTY_BITS, 1)
    counted.update(log_weights_of(torch.tensor([[[[1, 0, 1]]]]), 2), mask)
    assert list(counted.summary()) == ["intensity"]
    assert counted.summary()["intensity"]["share"] == 0.5
    assert counted.summary()["intensity"]["winners"] == {"shear": 0.5, "intensity": 0.5, "tie": 0}


@given(st.integers(0, 2**20), st.integers(1, 3))
def test_counting_in_batches_is_counting_at_once(seed: int, cut: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    log_weights = torch.randn(4, 2, 3, 3, 5, generator=generator).log_softmax(2)
    mask = torch.randint(0, 8, (4, 2, 3, 5), generator=generator, dtype=torch.uint8)
    whole, parts = Attribution(EXPERTS, PROPERTY_BITS, 2), Attribution(EXPERTS, PROPERTY_BITS, 2)
    whole.update(log_weights, mask)
    parts.update(log_weights[:cut], mask[:cut])
    parts.update(log_weights[cut:], mask[cut:])
    assert torch.equal(whole.counts, parts.counts)
    shares = [sum(entry["winners"].values()) for entry in whole.summary().values() if entry["pixels"]]
    assert shares == pytest.approx([1.0] * len(shares))


def test_shapes_that_do_not_belong_together_are_refused() -> None:
    counted = Attribution(EXPERTS, PROPERTY_BITS, 2)
    with pytest.raises(ValueError, match="2 lead times of 3 experts"):
        counted.update(torch.zeros(1, 2, 3, 4, 4), torch.zeros(1, 3, 4, 4, dtype=torch.uint8))
    with pytest.raises(ValueError, match="2 lead times of 3 experts"):
        counted.update(torch.zeros(1, 2, 2, 4, 4), torch.zeros(1, 2, 4, 4, dtype=torch.uint8))

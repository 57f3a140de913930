"""Losses: published values, the definition in extended precision, laws, and the equations by hand."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import logsigmoid

from tests.reference import robust_loss as reference
from trainer.models.stmoe import Forecast
from trainer.training.losses import (
    balanced_square,
    charbonnier,
    entropy,
    flow_regulariser,
    global_loss,
    robust_loss,
    smoothness,
)

ALPHAS = (-math.inf, -2.0, -1.0, 0.0, 1e-7, 1e-4, 0.5, 1.0, 1.5, 2 - 1e-6, 2.0)
TABLE_X = (0.01, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 100.0)
TABLE = {
    2.0: (5e-5, 0.005, 0.125, 0.5, 2, 12.5, 50, 5000),
    1.5: (5e-5, 0.004988, 0.118468, 0.426502, 1.398717, 6.028120, 17.460757, 560.285299),
    1.0: (5e-5, 0.004988, 0.118034, 0.414214, 1.236068, 4.099020, 9.049876, 99.005000),
    0.5: (5e-5, 0.004988, 0.117870, 0.408658, 1.151348, 3.150493, 5.604288, 24.109077),
    0.0: (5e-5, 0.004988, 0.117783, 0.405465, 1.098612, 2.602690, 3.931826, 8.517393),
    -1.0: (5e-5, 0.004988, 0.117693, 0.401924, 1.036039, 2.018019, 2.488008, 2.948046),
    -2.0: (5e-5, 0.004988, 0.117647, 0.4, 1, 1.724138, 1.923077, 1.999200),
    -math.inf: (5e-5, 0.004988, 0.117503, 0.393469, 0.864665, 0.999996, 1, 1),
}
"""models.md 4.2; its first two columns are rounded to 6 digits after the point."""

alphas = st.sampled_from(ALPHAS)
errors = st.floats(-100, 100)
scales = st.floats(0.05, 20)


def double(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def seeded(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("alpha", "published"), TABLE.items())
def test_robust_loss_has_the_published_values(alpha: float, published: tuple[float, ...]) -> None:
    assert robust_loss(double(*TABLE_X), alpha, 1.0).tolist() == pytest.approx(published, abs=6e-7)


@given(alpha=alphas, x=errors, c=scales)
def test_robust_loss_and_its_gradient_are_the_definition(alpha: float, x: float, c: float) -> None:
    point = double(x).requires_grad_()
    loss = robust_loss(point, alpha, c)
    loss.sum().backward()
    assert point.grad is not None
    assert loss.item() == pytest.approx(float(reference.robust_loss(x, alpha, c)), rel=1e-9, abs=1e-12)
    assert point.grad.item() == pytest.approx(float(reference.slope(x, alpha, c)), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_robust_loss_loses_no_digits_in_single_precision(alpha: float) -> None:
    x = torch.logspace(-6, 2, 81)
    single, exact = robust_loss(x, alpha, 0.1), robust_loss(x.double(), alpha, 0.1)
    assert single.dtype == torch.float32
    assert ((single - exact) / exact).abs().max() < 1e-5


@pytest.mark.parametrize("alpha", ALPHAS)
def test_robust_loss_is_flat_where_there_is_no_error(alpha: float) -> None:
    x = torch.zeros(3, requires_grad=True)
    loss = robust_loss(x, alpha, 0.1)
    loss.sum().backward()
    assert x.grad is not None
    assert loss.tolist() == x.grad.tolist() == [0, 0, 0]


@pytest.mark.parametrize("alpha", ALPHAS)
def test_gradient_of_the_robust_loss_is_that_of_finite_differences(alpha: float) -> None:
    x = double(-3, -0.4, -1e-3, 0, 0.02, 0.9, 7).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: robust_loss(x, alpha, 0.5), (x,))


@given(alpha=alphas, x=errors, c=scales)
def test_scale_of_the_robust_loss_is_the_unit_of_its_error(alpha: float, x: float, c: float) -> None:
    scaled = robust_loss(double(x / c), alpha, 1.0).item()
    assert robust_loss(double(x), alpha, c).item() == pytest.approx(scaled, rel=1e-12)


@given(x=errors, y=errors, c=scales)
def test_robust_loss_is_even_and_grows_with_error_and_shape(x: float, y: float, c: float) -> None:
    less, more = sorted((abs(x), abs(y)))
    small, large, mirrored = (
        torch.stack([robust_loss(double(value), alpha, c) for alpha in ALPHAS]) for value in (less, more, -more)
    )
    assert torch.equal(large, mirrored)
    assert (small <= large * (1 + 1e-9)).all()
    assert (large.diff(dim=0) >= -1e-9 * large[1:]).all()


@pytest.mark.parametrize("alpha", [alpha for alpha in ALPHAS if alpha <= 1])
def test_no_error_pulls_harder_than_its_scale_says(alpha: float) -> None:
    x = torch.linspace(-50, 50, 1001, requires_grad=True)
    robust_loss(x, alpha, 0.25).sum().backward()
    assert x.grad is not None
    assert x.grad.abs().max() <= 1 / 0.25


@pytest.mark.parametrize("alpha", ALPHAS)
def test_absurd_errors_have_a_finite_loss_and_gradient(alpha: float) -> None:
    x = torch.tensor([1e12, -1e30, 3e38], requires_grad=True)
    loss = robust_loss(x, alpha, 0.1)
    loss.mean().backward()
    assert x.grad is not None
    assert loss.isfinite().all()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("alpha", ALPHAS)
def test_an_error_that_is_no_finite_number_has_no_loss(alpha: float) -> None:
    assert robust_loss(torch.tensor([math.nan, math.inf, -math.inf]), alpha, 0.1).isnan().all()


@pytest.mark.parametrize(
    ("logit", "value", "gradient"),
    [(-math.log(2), 0.3662041, 0.0219138), (0.0, 0.3465736, -0.0767132), (2.0, 0.1117978, -0.0916670)],
)
def test_entropy_has_the_published_values_and_slopes(logit: float, value: float, gradient: float) -> None:
    a = double(logit).requires_grad_()
    entropies = entropy(logsigmoid(a))
    entropies.sum().backward()
    assert a.grad is not None
    assert entropies.item() == pytest.approx(value, abs=5e-8)
    assert a.grad.item() == pytest.approx(gradient, abs=5e-8)


def test_entropy_of_weights_has_the_published_values_and_its_maximum_at_1_over_e() -> None:
    published = {1 / 3: 0.3662, 0.5: 0.3466, 0.9: 0.0948, 1 / math.e: 0.3679, 1.0: 0.0}
    assert entropy(double(*published).log()).tolist() == pytest.approx(list(published.values()), abs=5e-5)
    assert entropy(seeded(100).log()).max() <= 1 / math.e


def test_mean_entropy_of_a_softmax_is_the_categorical_entropy_over_the_experts() -> None:
    logits = 4 * seeded(3, 10) - 2
    categorical = torch.distributions.Categorical(logits=logits.T).entropy()
    assert torch.allclose(entropy(logits.log_softmax(dim=0)).mean(dim=0), categorical / 3, rtol=1e-12)


def test_entropy_survives_extreme_logits() -> None:
    logits = torch.tensor([[1000.0, -1000.0, 0.0], [-1000.0, -1000.0, 1000.0]])
    for log_weights in (logsigmoid, lambda a: a.log_softmax(dim=-1)):
        a = logits.clone().requires_grad_()
        entropies = entropy(log_weights(a))
        entropies.sum().backward()
        assert a.grad is not None
        assert entropies.isfinite().all()
        assert a.grad.isfinite().all()


def test_constant_weights_are_smooth_and_alternating_ones_are_not() -> None:
    alternating = torch.tensor([0.0, 1.0, 0.0, 1.0]).view(1, 4, 1, 1, 1).expand(2, 4, 3, 5, 6)
    assert smoothness(torch.full((2, 4, 3, 5, 6), 0.4), 2.0, 1.0) == 0
    assert smoothness(alternating, 2.0, 1.0) == 0.5
    assert smoothness(alternating, 1.0, 0.1) == pytest.approx(math.sqrt(101) - 1)


def test_smoothness_is_robust_pixel_by_pixel() -> None:
    weights = torch.zeros(1, 3, 2, 4, 4)
    weights[0, 1, 0, 2, 2] = 1
    assert smoothness(weights, 1.0, 0.1) == pytest.approx(2 * (math.sqrt(101) - 1) / (2 * 2 * 4 * 4))


def test_one_lead_time_has_nothing_to_be_smooth_over() -> None:
    weights = torch.rand(2, 1, 3, 4, 4, requires_grad=True)
    assert smoothness(weights, 1.0, 0.1) == 0


def test_charbonnier_is_a_square_for_small_errors_and_linear_for_large_ones() -> None:
    assert charbonnier(double(0.0)).item() == pytest.approx(1e-3)
    assert charbonnier(double(1e-5)).item() - 1e-3 == pytest.approx(1e-10 / 2e-3, rel=1e-3)
    assert charbonnier(double(-0.5)).item() == pytest.approx(0.5 + 1e-6, rel=1e-9)


def test_gradient_of_charbonnier_is_that_of_finite_differences() -> None:
    assert torch.autograd.gradcheck(charbonnier, (double(-1, -0.01, 0, 1e-3, 0.2).requires_grad_(),))


def field(x_component: Tensor, y_component: Tensor) -> Tensor:
    return torch.stack(torch.broadcast_tensors(x_component, y_component)).unsqueeze(0)


def terms(flow: Tensor) -> tuple[float, float, float]:
    """Return the means of (div w)^2, |grad w|^2 and |w|^2."""
    weights = ("divergence", "gradient", "magnitude")
    alone = [flow_regulariser(flow, **{name: float(name == term) for name in weights}).item() for term in weights]
    return alone[0], alone[1], alone[2]


Y = torch.arange(5, dtype=torch.float64)[:, None] - 2
X = torch.arange(7, dtype=torch.float64)[None] - 3


@pytest.mark.parametrize(
    ("flow", "divergence", "gradient"),
    [
        pytest.param(field(-0.3 * Y, 0.3 * X), 0, 2 * 0.3**2, id="rotation"),
        pytest.param(field(X, Y), 2**2, 2, id="expansion"),
        pytest.param(field(X, -Y), 0, 2, id="strain"),
        pytest.param(field(Y, 0 * X), 0, 1, id="shear"),
        pytest.param(field(0 * X + 1.5, 0 * Y - 2), 0, 0, id="translation"),
    ],
)
def test_flow_of_a_kind_has_its_divergence_and_gradient(flow: Tensor, divergence: float, gradient: float) -> None:
    measured = terms(flow)
    assert measured == pytest.approx((divergence, gradient, flow.square().sum(dim=1).mean().item()), abs=1e-12)


def test_regulariser_of_flow_is_written_out_by_hand() -> None:
    flow = 3 * seeded(2, 2, 4, 6) - 1
    w_x, w_y = flow.numpy()[:, 0], flow.numpy()[:, 1]
    divergence = np.mean((np.diff(w_x, axis=2)[:, :-1] + np.diff(w_y, axis=1)[:, :, :-1]) ** 2)
    gradient = sum(np.mean(np.diff(w, axis=axis) ** 2) for w in (w_x, w_y) for axis in (1, 2))
    magnitude = np.mean(w_x**2 + w_y**2)
    loss = flow_regulariser(flow, divergence=0.7, gradient=0.2, magnitude=-0.1)
    assert loss.item() == pytest.approx(0.7 * divergence + 0.2 * gradient - 0.1 * magnitude, rel=1e-12)


def test_gradient_of_the_flow_regulariser_is_that_of_finite_differences() -> None:
    flow = seeded(1, 2, 3, 4).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda flow: flow_regulariser(flow, divergence=1.0, gradient=0.4, magnitude=-0.03), (flow,)
    )


SHAPES: dict[str, Any] = {"alpha": 1.5, "c": 0.2, "regulariser_alpha": 1.0, "regulariser_c": 0.1}
WEIGHTS: dict[str, Any] = {"entropy_weight": 0.01, "smoothness_weight": 0.05, "magnitude_weight": 0.003}


def forecast_and_target(n: int = 3) -> tuple[Forecast, Tensor]:
    frames, target = seeded(2, n, 1, 4, 5, seed=1), seeded(2, n, 1, 4, 5, seed=2)
    log_weights = (2 * seeded(2, n, 3, 4, 5, seed=3)).log_softmax(dim=2)
    return Forecast(frames.requires_grad_(), log_weights.requires_grad_(), None), target


def test_global_loss_is_equation_8() -> None:
    forecast, target = forecast_and_target()
    total, named = global_loss(forecast, target, **SHAPES, **WEIGHTS)
    weights = forecast.log_weights.detach().exp().numpy()
    by_hand = {
        "reconstruction": reference.robust_loss((forecast.frames.detach() - target).numpy(), 1.5, 0.2).mean(),
        "entropy": reference.robust_loss(-weights * np.log(weights), 1.0, 0.1).mean(),
        "smoothness": reference.robust_loss(np.diff(weights, axis=1), 1.0, 0.1).mean(),
        "magnitude": reference.robust_loss(weights, 1.0, 0.1).mean(),
    }
    assert {name: term.item() for name, term in named.items()} == pytest.approx(by_hand, rel=1e-9)
    weighed = np.dot([1, *WEIGHTS.values()], list(by_hand.values()))
    assert total.item() == pytest.approx(weighed, rel=1e-9)


def test_global_loss_reaches_frames_and_weights_and_its_terms_hold_no_graph() -> None:
    forecast, target = forecast_and_target()
    total, named = global_loss(forecast, target, **SHAPES, **WEIGHTS)
    total.backward()
    for tensor in (forecast.frames, forecast.log_weights):
        assert tensor.grad is not None
        assert (tensor.grad != 0).all()
    assert not any(term.requires_grad for term in named.values())


def test_global_loss_without_weights_is_the_reconstruction_alone() -> None:
    forecast, target = forecast_and_target()
    total, _ = global_loss(forecast, target, **SHAPES, **dict.fromkeys(WEIGHTS, 0.0))
    total.backward()
    assert forecast.log_weights.grad is not None
    assert total.item() == robust_loss(forecast.frames - target, 1.5, 0.2).mean().item()
    assert (forecast.log_weights.grad == 0).all()


def test_global_loss_of_one_lead_time_has_no_smoothness() -> None:
    forecast, target = forecast_and_target(n=1)
    total, named = global_loss(forecast, target, **SHAPES, **WEIGHTS)
    total.backward()
    assert named["smoothness"] == 0
    assert total.isfinite()


def test_terms_have_the_sizes_that_their_weights_were_chosen_for() -> None:
    forecast = Forecast(torch.full((1, 2, 1, 4, 4), 0.55), torch.full((1, 2, 2, 4, 4), math.log(0.5)), None)
    shapes = SHAPES | {"alpha": 1.0, "c": 0.1}
    _, named = global_loss(forecast, torch.full((1, 2, 1, 4, 4), 0.5), **shapes, **WEIGHTS)
    assert named["reconstruction"] == pytest.approx(0.118, abs=1e-3)
    assert named["entropy"] == pytest.approx(2.6, abs=0.01)


def test_half_precision_and_autocast_do_not_reach_the_losses() -> None:
    forecast, target = forecast_and_target()
    halves = Forecast(forecast.frames.bfloat16(), forecast.log_weights.bfloat16(), None)
    singles = Forecast(halves.frames.float(), halves.log_weights.float(), None)
    flow = (4 * seeded(1, 2, 6, 6)).bfloat16()
    weights = {"divergence": 1.0, "gradient": 0.4, "magnitude": 0.1}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        lowered = global_loss(halves, target.bfloat16(), **SHAPES, **WEIGHTS)[0]
        others = flow_regulariser(flow, **weights), charbonnier(flow), smoothness(halves.log_weights.exp(), 1.0, 0.1)
    assert torch.equal(lowered, global_loss(singles, target.bfloat16().float(), **SHAPES, **WEIGHTS)[0])
    assert torch.equal(others[0], flow_regulariser(flow.float(), **weights))
    assert {loss.dtype for loss in (lowered, *others)} == {torch.float32}


def test_balanced_square_has_the_published_mean() -> None:
    rates = double(1, 3, 7, 20, 50)
    squares = balanced_square(torch.full_like(rates, 2 / 60), rates / 60, 60.0)
    assert squares.sum().item() == pytest.approx(72488)
    assert squares.mean().item() == pytest.approx(14497.6)


def test_balanced_square_of_light_rain_is_the_square() -> None:
    rates, forecast = 1.99 * seeded(50), 80 * seeded(50, seed=1)
    assert torch.allclose(balanced_square(forecast, rates, 1.0), (forecast - rates).square(), rtol=1e-12)


@pytest.mark.parametrize(("rate", "weight"), [(0, 1), (2, 2), (5, 5), (10, 10), (30, 30), (200, 30)])
def test_weight_of_a_rate_begins_at_its_threshold_in_single_precision_too(rate: float, weight: float) -> None:
    for full_scale in (1.0, 50.0, 60.0, 70.0, 255.0):
        target = torch.tensor([rate / full_scale])
        forecast = target + 1 / full_scale
        assert balanced_square(forecast, target, full_scale).item() == pytest.approx(weight, rel=1e-3)


def test_balanced_square_teaches_the_forecast() -> None:
    forecast, target = double(0.1, 0.5).requires_grad_(), double(0.2, 0.4)
    balanced_square(forecast, target, 100.0).sum().backward()
    assert forecast.grad is not None
    assert forecast.grad.tolist() == pytest.approx([2 * 10 * -10 * 100, 2 * 30 * 10 * 100])

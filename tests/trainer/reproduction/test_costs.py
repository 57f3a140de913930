"""Parameters are counted, and estimated times follow steps, experts and size."""

import pytest
import torch

from schemas.run import RunConfig
from tests.trainer.tiny import tiny_config
from trainer.reproduction.costs import (
    START,
    parameters_of,
    seconds_of_evaluation,
    seconds_of_rendering,
    seconds_of_training,
)
from trainer.training.networks import network_of
from trainer.training.phases import named

STORES = {name: f"{name}.zarr" for name in ("translation", "rotation", "intensity", "real")}


def test_parameters_are_those_of_the_network_that_the_last_phase_trains() -> None:
    config = tiny_config(STORES)
    network = network_of(config, named(config, "joint"))
    assert parameters_of(config) == sum(parameter.numel() for parameter in network.parameters())
    assert torch.empty(0).device.type == "cpu"  # it counts on no device, and leaves the default as it was


def test_twice_the_steps_take_twice_the_time_and_a_wider_network_more() -> None:
    budget = {"steps": 8, "batch": 4, "learning_rate": 1e-3}
    phases = ("decoder", "mim", "addl", "gates", "joint")
    once, twice = (tiny_config(STORES, schedule=dict.fromkeys(phases, budget | {"steps": n})) for n in (8, 16))
    assert seconds_of_training(twice) - START == pytest.approx(2 * (seconds_of_training(once) - START))
    wide = tiny_config(STORES, schedule=dict.fromkeys(phases, budget), model={"mim": {"hidden": 16}})
    assert seconds_of_training(wide) > seconds_of_training(once)


def test_a_mixture_takes_longer_to_forecast_than_one_network() -> None:
    assert seconds_of_evaluation(tiny_config(STORES), 9) > seconds_of_evaluation(tiny_config(STORES, "mim"), 9) > START


def test_the_estimate_of_the_measured_run_is_near_what_it_took() -> None:
    """MIM with D-all, 16 hidden, took 434 CPU seconds in all, on the machine that the constants were measured on."""
    budgets = {"decoder": {"steps": 2500}, "joint": {"steps": 1000}}
    fields = {"data": {"synthetic": {"rotation": "a"}, "real": "b"}, "model": {"kind": "mim"}, "schedule": budgets}
    assert 0.8 * 434 < seconds_of_training(RunConfig.parse(fields)) < 1.2 * 434


def test_rendering_grows_with_the_pixels() -> None:
    small, large = (seconds_of_rendering(10_000, 10, side) - START for side in (32, 128))
    assert large == pytest.approx(16 * small)

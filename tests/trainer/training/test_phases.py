"""The phases of a run: what each trains, on which data, and from what on."""

from typing import Any

import pytest

from schemas.errors import InputError
from schemas.run import PROPERTIES, RunConfig
from trainer.training.phases import Phase, chosen, phases_of

SYNTHETIC = {name: f"{name}.zarr" for name in PROPERTIES}
EXPERTS = tuple(f"expert-{name}" for name in PROPERTIES)
EVERYTHING = (*(f"experts.{name}" for name in PROPERTIES), "gate", "decoder")


def run_of(kind: str = "stmoe-id", **fields: Any) -> RunConfig:
    return RunConfig.parse({"model": {"kind": kind}, "data": {"synthetic": SYNTHETIC, "real": "real.zarr"}} | fields)


def named(config: RunConfig) -> dict[str, Phase]:
    return {phase.name: phase for phase in phases_of(config)}


def names(config: RunConfig) -> list[str]:
    return list(named(config))


@pytest.mark.parametrize("kind", ["stmoe-id", "stmoe-conv"])
def test_a_mixture_has_local_phases_then_gates_then_all(kind: str) -> None:
    phases = named(run_of(kind))
    assert list(phases) == ["decoder", *EXPERTS, "gates", "joint"]
    assert phases["decoder"].trains == ("experts.all", "decoder")
    assert phases["gates"].trains == ("gate",)
    assert phases["joint"].trains == EVERYTHING
    assert [phases[name].trains for name in EXPERTS] == [(f"experts.{name}",) for name in PROPERTIES]


def test_kinematic_experts_need_no_first_network() -> None:
    phases = named(run_of("stmoe-kinematic"))
    assert list(phases) == [*EXPERTS, "gates", "joint"]
    assert {phases[name].objective for name in EXPERTS} == {"kinematics"}
    more = {"synthetic": SYNTHETIC | {"vortex": "vortex.zarr"}, "real": "real.zarr"}
    assert names(run_of("stmoe-kinematic", data=more))[0] == "decoder"  # whose expert is a MIM


def test_decoder_learns_on_all_synthetic_data_and_each_expert_on_its_own() -> None:
    phases = named(run_of())
    assert phases["decoder"].data == PROPERTIES
    assert [phases[name].data for name in EXPERTS] == [(name,) for name in PROPERTIES]
    assert phases["gates"].data == phases["joint"].data == ()


def test_each_phase_starts_from_those_that_taught_its_parts() -> None:
    phases = named(run_of())
    assert phases["decoder"].after == ()
    assert [phases[name].after for name in EXPERTS] == [(), ("decoder",), ("decoder",)]  # F0 is a MIM, H has nothing
    assert {named(run_of("stmoe-conv"))[name].after for name in EXPERTS} == {("decoder",)}
    assert phases["gates"].after == ("decoder", *EXPERTS)
    assert phases["joint"].after == ("decoder", *EXPERTS, "gates")


@pytest.mark.parametrize("kind", ["stmoe-id", "stmoe-conv", "stmoe-kinematic", "mim"])
def test_each_phase_comes_after_all_that_it_starts_from(kind: str) -> None:
    order = names(run_of(kind))
    for number, phase in enumerate(phases_of(run_of(kind))):
        assert set(phase.after) <= set(order[:number])


def test_translation_is_taught_by_its_flow_in_stmoe_id_alone() -> None:
    by_image, by_features = named(run_of("stmoe-id")), named(run_of("stmoe-conv"))
    assert [by_image[name].objective for name in EXPERTS] == ["advection", "one-step", "one-step"]
    assert [by_features[name].objective for name in EXPERTS] == ["one-step"] * 3
    assert by_image["expert-translation"].budget == run_of().schedule.addl
    assert by_image["expert-rotation"].budget == run_of().schedule.mim
    assert by_image["gates"].objective == by_image["joint"].objective == "forecast"


def test_without_warm_start_the_identity_needs_no_decoder_phase_and_the_convolution_does() -> None:
    cold = {"schedule": {"warm_start": False}}
    assert names(run_of("stmoe-id", **cold)) == [*EXPERTS, "gates", "joint"]
    assert names(run_of("stmoe-conv", **cold)) == ["decoder", *EXPERTS, "gates", "joint"]


def test_experts_of_another_kind_need_no_first_network() -> None:
    config = run_of(model={"kind": "stmoe-id", "experts": dict.fromkeys(PROPERTIES, "addl")})
    assert names(config) == [*EXPERTS, "gates", "joint"]


def test_a_single_mim_learns_all_synthetic_data_then_real_data() -> None:
    phases = named(run_of("mim"))
    assert list(phases) == ["decoder", "joint"]
    assert phases["decoder"].data == PROPERTIES
    assert phases["joint"].experts == ("all",)
    assert phases["joint"].after == ("decoder",)


@pytest.mark.parametrize("kind", ["stmoe-id", "stmoe-conv", "mim"])
def test_end_to_end_is_one_phase_of_as_many_steps_as_the_global_ones(kind: str) -> None:
    config = run_of(kind, schedule={"kind": "end-to-end", "gates": {"steps": 30}, "joint": {"steps": 12}})
    (phase,) = phases_of(config)
    assert (phase.name, phase.after, phase.data) == ("joint", (), ())
    assert phase.budget.steps == 42
    assert phase.budget.expert_learning_rate is None
    assert {"gate", "decoder"} < set(phase.trains)


@pytest.mark.parametrize("kind", ["stmoe-id", "stmoe-conv", "mim"])
def test_real_data_alone_are_learnt_at_once(kind: str) -> None:
    assert names(run_of(kind, data={"real": "real.zarr"})) == ["joint"]


@pytest.mark.parametrize("kind", ["stmoe-id", "stmoe-conv", "mim"])
def test_synthetic_data_alone_end_with_the_local_phases(kind: str) -> None:
    local = ["decoder"] if kind == "mim" else ["decoder", *EXPERTS]
    assert names(run_of(kind, data={"synthetic": SYNTHETIC})) == local


@pytest.mark.parametrize(
    "fields", [{"data": {}}, {"data": {"synthetic": SYNTHETIC}, "schedule": {"kind": "end-to-end"}}]
)
def test_a_run_that_learns_from_nothing_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(
        InputError, match=r"data names no store to learn from; give data\.synthetic, data\.real, or both"
    ):
        phases_of(run_of(**fields))


def test_a_property_of_ones_own_is_one_more_expert() -> None:
    synthetic = SYNTHETIC | {"flicker": "flicker.zarr"}
    phases = named(run_of(data={"synthetic": synthetic, "real": "real.zarr"}))
    assert list(phases) == ["decoder", *EXPERTS, "expert-flicker", "gates", "joint"]
    assert phases["expert-flicker"].data == ("flicker",)
    assert phases["expert-flicker"].objective == "one-step"
    assert phases["decoder"].data == (*PROPERTIES, "flicker")
    assert phases["joint"].experts == (*PROPERTIES, "flicker")
    assert "experts.flicker" in phases["joint"].trains


@pytest.mark.parametrize("attention", ["none", "mean"])
def test_weights_that_nothing_learns_have_no_phase(attention: str) -> None:
    config = run_of(model={"kind": "stmoe-id", "attention": attention})
    assert names(config) == ["decoder", *EXPERTS, "joint"]
    assert named(config)["joint"].after == ("decoder", *EXPERTS)


def test_uniform_weights_are_learnt() -> None:
    assert "gates" in names(run_of(model={"kind": "stmoe-id", "attention": "uniform"}))


def test_one_expert_needs_no_gate() -> None:
    config = run_of(data={"synthetic": {"rotation": "rotation.zarr"}, "real": "real.zarr"})
    assert names(config) == ["decoder", "expert-rotation", "joint"]


def test_only_the_global_networks_have_gates() -> None:
    assert [phase.gated for phase in phases_of(run_of())] == [False] * 4 + [True] * 2


def test_phases_are_chosen_by_stage_and_by_expert() -> None:
    phases = phases_of(run_of())

    def picked(stage: Any, expert: str | None) -> list[str]:
        return [phase.name for phase in chosen(phases, stage, expert)]

    assert picked(None, None) == [phase.name for phase in phases]
    assert picked("experts", None) == list(EXPERTS)
    assert picked("experts", "rotation") == picked(None, "rotation") == ["expert-rotation"]
    assert picked("gates", None) == ["gates"]


@pytest.mark.parametrize(
    ("stage", "expert", "message"), [("experts", "spin", "no expert spin"), ("gates", None, "no phase gates")]
)
def test_what_the_run_does_not_have_is_refused_with_what_it_has(stage: Any, expert: str | None, message: str) -> None:
    phases = phases_of(run_of("mim"))
    with pytest.raises(InputError, match=f"the run has {message}; its phases are decoder, joint"):
        chosen(phases, stage, expert)

"""From a run to networks: the same beginning in every phase, what is handed on, and sizes that fit nothing."""

from typing import Any

import pytest
import torch
from torch import nn

from schemas.errors import InputError
from schemas.run import RunConfig
from tests.trainer.tiny import PROPERTIES, changed, phase_of, snapshot, tiny_config
from trainer.models.addl import ADDL
from trainer.models.decoder import ConvolutionDecoder, IdentityDecoder
from trainer.models.gating import ConstantGate, PixelwiseGate, UniformGate
from trainer.models.mim import MIM
from trainer.models.stmoe import STMoE
from trainer.training.networks import check_frames, network_of, start_from, trainable
from trainer.training.phases import phases_of

STORES = {name: f"{name}.zarr" for name in (*PROPERTIES, "real")}


def config_of(kind: str = "stmoe-id", **changes: Any) -> RunConfig:
    return tiny_config(STORES, kind, **changes)


def network(config: RunConfig, phase: str) -> STMoE:
    return network_of(config, phase_of(config, phase))


@pytest.mark.parametrize("kind", ["stmoe-id", "stmoe-conv", "mim"])
def test_components_begin_alike_in_every_phase(kind: str) -> None:
    config = config_of(kind)
    everything = snapshot(network(config, "joint"))
    shared = 0
    for phase in phases_of(config):
        for name, tensor in snapshot(network_of(config, phase)).items():
            if name in everything:
                assert torch.equal(tensor, everything[name]), (phase.name, name)
                shared += 1
    assert shared > len(everything)


def test_another_seed_is_another_network_and_the_global_generator_is_left_alone() -> None:
    state = torch.get_rng_state()
    networks = [snapshot(network(config_of(seed=seed), "joint")) for seed in (0, 0, 1)]
    assert torch.equal(torch.get_rng_state(), state)
    assert changed(networks[0], networks[1]) == set()
    assert {name.split(".")[0] for name in changed(networks[0], networks[2])} == {"experts", "gate"}


def test_experts_of_one_kind_begin_unlike_each_other() -> None:
    experts = network(config_of("stmoe-conv"), "joint").experts
    assert changed(snapshot(experts["rotation"]), snapshot(experts["intensity"]))


def test_models_have_the_experts_and_decoders_of_their_names() -> None:
    by_image, by_features, single = (network(config_of(kind), "joint") for kind in ("stmoe-id", "stmoe-conv", "mim"))
    assert [type(expert) for expert in by_image.experts.values()] == [ADDL, MIM, MIM]
    assert isinstance(by_image.decoder, IdentityDecoder)
    assert [type(expert) for expert in by_features.experts.values()] == [MIM, MIM, MIM]
    assert isinstance(by_features.decoder, ConvolutionDecoder)
    assert [type(expert) for expert in single.experts.values()] == [MIM]
    assert (type(single.gate), type(single.decoder)) == (ConstantGate, IdentityDecoder)


@pytest.mark.parametrize(
    ("attention", "kind", "total"),
    [
        ("pixelwise", PixelwiseGate, 1),
        ("uniform", UniformGate, 1),
        ("none", ConstantGate, 3),
        ("mean", ConstantGate, 1),
    ],
)
def test_weights_are_those_of_the_attention(attention: str, kind: type[nn.Module], total: float) -> None:
    gate = network(config_of(model={"attention": attention}), "joint").gate
    assert type(gate) is kind
    weights = gate(torch.rand(2, 2, 8, 8)).exp()
    assert weights.shape == (2, 3, 8, 8)
    torch.testing.assert_close(weights.sum(1), torch.full((2, 8, 8), float(total)))


@pytest.mark.parametrize("name", ["decoder", "expert-rotation"])
def test_an_expert_alone_counts_in_full(name: str) -> None:
    assert torch.equal(network(config_of(), name).gate(torch.rand(1, 2, 8, 8)), torch.zeros(1, 1, 8, 8))


def test_a_property_of_ones_own_has_an_expert_and_a_gate() -> None:
    names = ("translation", "flicker")
    config = config_of(data={"synthetic": {name: f"{name}.zarr" for name in names}})
    model = network(config, "joint")
    assert [(name, type(expert)) for name, expert in model.experts.items()] == [("translation", ADDL), ("flicker", MIM)]
    assert model(torch.rand(1, 2, 1, 8, 8), 1).log_weights.shape == (1, 1, 2, 8, 8)


@pytest.mark.parametrize("kind", ["stmoe-id", "stmoe-conv"])
def test_warm_start_hands_the_first_network_to_experts_of_its_kind(kind: str) -> None:
    config = config_of(kind)
    learnt = snapshot(network(config_of(kind, seed=9), "decoder"))
    for name in PROPERTIES:
        phase = phase_of(config, f"expert-{name}")
        model = network_of(config, phase)
        before = snapshot(model)
        start_from(model, phase, "decoder", learnt)
        expert = {key.replace("experts.all.", f"experts.{name}."): tensor for key, tensor in learnt.items()}
        if config.experts[name] == "mim":
            assert changed(expert, snapshot(model)) == set()
        else:
            assert changed(before, snapshot(model)) == set()


def test_without_warm_start_the_first_network_hands_on_its_decoder_alone() -> None:
    config = config_of("stmoe-conv", schedule={"warm_start": False})
    phase = phase_of(config, "expert-rotation")
    model, learnt = network_of(config, phase), snapshot(network(config_of("stmoe-conv", seed=9), "decoder"))
    before = snapshot(model)
    start_from(model, phase, "decoder", learnt)
    assert {name.split(".")[0] for name in changed(before, snapshot(model))} == {"decoder"}


def test_an_earlier_phase_hands_on_what_has_the_same_name_and_no_more() -> None:
    config = config_of("stmoe-conv")
    phase = phase_of(config, "gates")
    model, learnt = network_of(config, phase), snapshot(network(config_of("stmoe-conv", seed=9), "expert-rotation"))
    before = snapshot(model)
    start_from(model, phase, "expert-rotation", learnt)
    after = snapshot(model)
    assert changed(learnt, {name: after[name] for name in learnt}) == set()
    assert changed(before, after) <= set(learnt)
    assert any(name.startswith("decoder.") for name in changed(before, after))


def test_first_network_is_not_handed_to_the_mixture() -> None:
    config = config_of("stmoe-conv")
    phase = phase_of(config, "gates")
    model, learnt = network_of(config, phase), snapshot(network(config_of("stmoe-conv", seed=9), "decoder"))
    before = snapshot(model)
    start_from(model, phase, "decoder", learnt)
    assert {name.split(".")[0] for name in changed(before, snapshot(model))} == {"decoder"}


@pytest.mark.parametrize("kind", ["stmoe-id", "stmoe-conv", "mim"])
def test_what_a_phase_trains_needs_gradients_and_nothing_else_does(kind: str) -> None:
    config = config_of(kind)
    for phase in phases_of(config):
        model = network_of(config, phase)
        trained = trainable(model, phase)
        wanted = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        assert trained.keys() == wanted
        assert {name for name in wanted if not any(name.startswith(f"{part}.") for part in phase.trains)} == set()
        parts = {
            part for part in phase.trains if any(name.startswith(f"{part}.") for name, _ in model.named_parameters())
        }
        assert {part for part in parts if not any(name.startswith(f"{part}.") for name in wanted)} == set()


def test_names_that_begin_alike_are_told_apart() -> None:
    config = config_of(data={"synthetic": {"spin": "a", "spin2": "b"}})
    phase = phase_of(config, "joint")
    only_spin = phase_of(config, "expert-spin").trains
    model = network_of(config, phase)
    trained = trainable(model, type(phase)(**{**vars(phase), "trains": only_spin}))
    assert {name.split(".")[1] for name in trained} == {"spin"}


@pytest.mark.parametrize(("height", "width"), [(17, 16), (16, 18), (2, 2)])
def test_frames_that_do_not_divide_into_patches_are_refused(height: int, width: int) -> None:
    with pytest.raises(InputError) as caught:
        check_frames(config_of(model={"mim": {"patch": 4}}), height, width)
    assert str(caught.value) == (
        f"frames are {height}x{width}, model.mim.patch is 4; give sides that are multiples of it"
    )


def test_frames_that_divide_and_networks_without_patches_are_taken() -> None:
    check_frames(config_of(model={"mim": {"patch": 4}}), 20, 8)
    check_frames(config_of(model={"mim": {"patch": 4}, "experts": dict.fromkeys(PROPERTIES, "addl")}), 17, 3)


@pytest.mark.parametrize("name", ["type", "half", "values"])
def test_names_that_a_network_has_for_itself_are_refused(name: str) -> None:
    config = config_of(data={"synthetic": {name: "a.zarr", "rotation": "b.zarr"}})
    with pytest.raises(InputError, match=r"an expert cannot have this name: .*; give another"):
        network(config, "joint")

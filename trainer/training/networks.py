"""From a RunConfig to networks: every component has its own seed, so that it starts alike in every phase."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from schemas.errors import InputError
from schemas.run import ALL, ExpertKind, RunConfig
from trainer.models.addl import ADDL
from trainer.models.decoder import ConvolutionDecoder, IdentityDecoder
from trainer.models.gating import ConstantGate, PixelwiseGate, UniformGate
from trainer.models.kinematic import KinematicIntensity, KinematicRotation, KinematicTranslation
from trainer.models.mim import MIM
from trainer.models.stmoe import STMoE
from trainer.training.phases import DECODER, Phase

CHANNELS = 1
"""Of a frame: stores hold grey ones."""


def network_of(config: RunConfig, phase: Phase) -> STMoE:
    """
    Build the network of a phase with fresh parameters: one expert and the decoder, or the whole mixture.

    Raises
    ------
    InputError
        a size in the configuration fits no network.
    """
    kinds: Mapping[str, ExpertKind] = {ALL: "mim", **config.experts}
    try:
        experts = {name: _seeded(config, f"experts.{name}", _expert, kinds[name]) for name in phase.experts}
        gate = _seeded(config, "gate", _gate, phase)
        decoder = _seeded(config, "decoder", _decoder)
        return STMoE(experts, gate, decoder, input_frames=config.data.input_frames, rollout=config.model.rollout)
    except ValueError as error:
        raise InputError(f"model: {error}") from error
    except KeyError as error:  # PyTorch has names of its own, such as `type`, and takes no dots
        raise InputError(f"an expert cannot have this name: {error.args[0]}; give another") from error


def check_frames(config: RunConfig, height: int, width: int) -> None:
    """
    Refuse frames that the networks cannot take.

    Raises
    ------
    InputError
        a side is no multiple of the patch.
    """
    patch = config.model.mim.patch
    if "mim" in config.experts.values() and (height % patch or width % patch):
        raise InputError(
            f"frames are {height}x{width}, model.mim.patch is {patch}; give sides that are multiples of it"
        )


def load_parameters(network: nn.Module, parameters: Mapping[str, Tensor], path: Path) -> None:
    """
    Give a network the parameters and buffers of a checkpoint.

    Parameters
    ----------
    parameters : by name
    path : of the checkpoint, for the message

    Raises
    ------
    InputError
        they are those of another network; nothing is loaded.
    """
    own = network.state_dict()
    for name in (*own, *parameters):
        ours, theirs = _shape(own.get(name)), _shape(parameters.get(name))
        if ours != theirs:
            raise InputError(
                f"{path} is of another model: {name} is {theirs} there and {ours} in the network of its configuration; "
                "put back the checkpoint that was there"
            )
    network.load_state_dict(parameters)


def start_from(network: nn.Module, phase: Phase, earlier: str, parameters: Mapping[str, Tensor]) -> None:
    """
    Load what an earlier phase learnt: its parameters of the same name, and where asked F0's for an expert of its kind.

    Parameters
    ----------
    network : of the phase
    earlier : name of the earlier phase
    parameters : the best ones of that phase, all of them
    """
    own = network.state_dict()
    found = {name: value for name, value in parameters.items() if name in own}
    if earlier == DECODER and phase.warm_start:
        found |= _of_first_network(parameters, own, phase.experts[0])
    network.load_state_dict({**own, **found})


def trainable(network: nn.Module, phase: Phase) -> dict[str, nn.Parameter]:
    """Freeze all that the phase does not train; return by name what it does."""
    chosen = {}
    for name, parameter in network.named_parameters():
        trained = any(name.startswith(f"{prefix}.") for prefix in phase.trains)
        parameter.requires_grad_(trained)
        if trained:
            chosen[name] = parameter
    return chosen


def _shape(tensor: Tensor | None) -> str:
    """Return what is to be said of a parameter or buffer: 16x8x3x3, a number, or missing."""
    if tensor is None:
        return "missing"
    return "x".join(map(str, tensor.shape)) or "one number"


def _of_first_network(parameters: Mapping[str, Tensor], own: Mapping[str, Tensor], expert: str) -> dict[str, Tensor]:
    """Return F0's parameters under an expert's name; none if it is of another kind."""
    renamed = {
        name.replace(f"experts.{ALL}.", f"experts.{expert}.", 1): value
        for name, value in parameters.items()
        if name.startswith(f"experts.{ALL}.")
    }
    alike = all(name in own and own[name].shape == value.shape for name, value in renamed.items())
    return renamed if alike else {}


def _seeded(config: RunConfig, name: str, build: Callable[..., nn.Module], *of: object) -> nn.Module:
    """Build a component from a seed of its own."""
    with _random_state(config.seed, name):
        return build(config, *of)


@contextmanager
def _random_state(seed: int, name: str) -> Iterator[None]:
    """Seed PyTorch's global generator, which initialisers draw from, and put it back afterwards."""
    state = torch.get_rng_state()
    torch.manual_seed(int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:7], "little"))
    try:
        yield
    finally:
        torch.set_rng_state(state)


def _expert(config: RunConfig, kind: ExpertKind) -> nn.Module:
    mim, addl = config.model.mim, config.model.addl
    match kind:
        case "mim":
            return MIM(
                layers=mim.layers,
                hidden=mim.hidden,
                kernel=mim.kernel,
                patch=mim.patch,
                channels=CHANNELS,
                features=config.model.features if config.model.kind == "stmoe-conv" else None,
                normalise=mim.normalise,
                differences=mim.differences,
            )
        case "addl":
            return ADDL(
                width=addl.width,
                stages=addl.stages,
                input_frames=config.data.input_frames,
                channels=CHANNELS,
                diffusion=addl.diffusion,
                sampling=addl.sampling,
                padding=addl.padding,
                compose=addl.compose,
            )
        case "kinematic-translation" | "kinematic-rotation" | "kinematic-intensity":
            return _KINEMATIC[kind](channels=config.model.kinematic.channels, input_frames=config.data.input_frames)


_KINEMATIC: dict[ExpertKind, Callable[..., nn.Module]] = {
    "kinematic-translation": KinematicTranslation,
    "kinematic-rotation": KinematicRotation,
    "kinematic-intensity": KinematicIntensity,
}


def _gate(config: RunConfig, phase: Phase) -> nn.Module:
    experts, gating = len(phase.experts), config.model.gating
    window = config.data.input_frames * CHANNELS
    if experts == 1 or not phase.gated:
        return ConstantGate(experts, 1.0)
    match config.model.attention:
        case "none":
            return ConstantGate(experts, 1.0)
        case "mean":
            return ConstantGate(experts, 1 / experts)
        case "pixelwise" | "uniform" as attention:
            return (PixelwiseGate if attention == "pixelwise" else UniformGate)(
                experts=experts,
                input_channels=window,
                channels=gating.channels,
                dilations=gating.dilations,
                reduction=gating.reduction,
                head=gating.head,
                activation=gating.activation,
            )


def _decoder(config: RunConfig) -> nn.Module:
    match config.model.kind:
        case "stmoe-conv":
            return ConvolutionDecoder(config.model.features, CHANNELS)
        case "stmoe-id" | "stmoe-kinematic" | "mim":
            return IdentityDecoder()

"""RunConfig: everything that decides a training run. What a file leaves out has the sizes of its scale."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self, TypeVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from schemas.messages import shown
from schemas.model import Model

RUN_VERSION: Final = 1
"""Raised with every change that an older run or checkpoint cannot follow."""

Scale = Literal["small", "paper"]
ModelKind = Literal["stmoe-id", "stmoe-conv", "stmoe-kinematic", "mim"]
ExpertKind = Literal["mim", "addl", "kinematic-translation", "kinematic-rotation", "kinematic-intensity"]
Attention = Literal["pixelwise", "uniform", "none", "mean"]
Precision = Literal["auto", "fp32", "bf16"]

ALL = "all"
"""Name of the one expert of a model that is no mixture."""
PROPERTIES = ("translation", "rotation", "intensity")
"""Names of the experts where neither the model nor the data name any."""
SPECIAL: Final[dict[ModelKind, dict[str, ExpertKind]]] = {
    "stmoe-id": {"translation": "addl"},
    "stmoe-kinematic": {
        "translation": "kinematic-translation",
        "rotation": "kinematic-rotation",
        "intensity": "kinematic-intensity",
    },
}
"""Experts of a model that are no MIM, by property."""
_Value = TypeVar("_Value")
_NAME = re.compile(r"\w[\w-]*")
"""Of an expert; it becomes part of parameters' and folders' names."""


def _store_alone(value: Any) -> Any:
    return {"store": value} if isinstance(value, str) else value


class SyntheticData(Model):
    """A rendered store that teaches one property."""

    store: str = Field(min_length=1, description="path or URL of the store")
    sequences: int = Field(
        10_000, ge=2, description="sequences to use of a store without splits; the last 5 % validate"
    )


_SyntheticData = Annotated[SyntheticData, BeforeValidator(_store_alone, json_schema_input_type=str | SyntheticData)]


def _ordered(of_experts: dict[str, _Value]) -> dict[str, _Value]:
    """Order the three of the paper first, then others by name: how a file lists them is no matter."""

    def place(name: str) -> tuple[int, str]:
        return (PROPERTIES.index(name) if name in PROPERTIES else len(PROPERTIES), name)

    return {name: of_experts[name] for name in sorted(of_experts, key=place)}


class Data(Model):
    """What is learnt from."""

    synthetic: Annotated[dict[str, _SyntheticData], AfterValidator(_ordered)] = Field(
        {}, description="store by property; each names an expert", examples=[{"rotation": "rotation.zarr"}]
    )
    real: str | None = Field(None, min_length=1, description="path or URL of the store of real sequences")
    real_sequences: int | None = Field(None, ge=1, description="use only the first training sequences; null for all")
    input_frames: int = Field(4, ge=2, le=64, description="frames that a forecast starts from")
    horizon: int = Field(6, ge=1, le=256, description="frames to forecast")
    augment: bool = Field(True, description="flip and transpose real training sequences at random")
    on_damage: Literal["stop", "skip"] = Field("stop", description="what a chunk that fails its checksum does")


class Mim(Model):
    """Size of a Memory In Memory network."""

    layers: int = Field(2, ge=1, le=16, description="the first is an ST-LSTM, the others are MIM blocks")
    hidden: int = Field(16, ge=1, le=1024, description="channels of every layer")
    kernel: Literal[1, 3, 5, 7] = Field(3, description="width of the convolutions, px of the patched grid")
    patch: int = Field(2, ge=1, le=16, description="px of a frame in one px of the grid, per side")
    normalise: bool = Field(True, description="normalise after each convolution, over channels, y and x")
    differences: Literal["cascade", "diagonal"] = Field(
        "cascade", description="what MIM-N of layer 3 and above sees: the module below (code), or differences (paper)"
    )


class Addl(Model):
    """Size and warping of an advection-diffusion network."""

    width: int = Field(16, ge=2, le=256, description="channels after the first convolution")
    stages: int = Field(4, ge=1, le=6, description="halvings of the frame")
    diffusion: float = Field(0, ge=0, le=4, description="px^2/frame; 0 is pure advection")
    sampling: Literal["bilinear", "bicubic"] = Field("bicubic", description="of the frame; diffusion samples by itself")
    padding: Literal["border", "zeros"] = Field("border", description="what lies outside the frame")
    compose: bool = Field(False, description="compose the flows and sample the last real frame once")
    divergence: float = Field(1e-3, ge=0, description="weight of div(flow)^2, flow in px/frame")
    gradient: float = Field(4e-4, ge=0, description="weight of |grad flow|^2, flow in px/frame")
    magnitude: float = Field(0, ge=-1, le=1, description="weight of |flow|^2, flow in px/frame")


class Kinematic(Model):
    """Size of the estimator of a kinematic expert."""

    channels: tuple[Annotated[int, Field(ge=2, le=1024)], ...] = Field(
        (12, 16, 24, 32), min_length=1, max_length=7, description="at each size, from the frame's own down by halves"
    )


class Gating(Model):
    """Size of the gating network."""

    channels: int = Field(16, ge=1, le=512, description="of the shared trunk")
    dilations: tuple[Annotated[int, Field(ge=1, le=16)], ...] = Field(
        (1, 2, 1), min_length=1, description="of the trunk's 3x3 convolutions"
    )
    reduction: int = Field(4, ge=1, description="of the squeeze-and-excitation")
    head: int = Field(8, ge=1, le=512, description="channels of each expert's head")
    activation: Literal["softmax", "sigmoid"] = Field("softmax", description="over the experts, or one by one")


class Network(Model):
    """What is trained."""

    kind: ModelKind = Field(
        "stmoe-id", description="mixture with the identity as decoder, with a convolution, of kinematics, or one MIM"
    )
    experts: Annotated[dict[str, ExpertKind], AfterValidator(_ordered)] = Field(
        {},
        description="kind by name; empty: one for each synthetic store, in stmoe-id ADDL for translation, in "
        "stmoe-kinematic kinematics for translation, rotation and intensity, else MIM",
    )
    attention: Attention = Field("pixelwise", description="of the gates; none adds the experts, mean averages them")
    rollout: Literal["stateful", "window"] = Field(
        "stateful", description="carry the recurrent state over the forecast, or start anew on each window"
    )
    features: int = Field(4, ge=1, le=256, description="channels that a decoder of convolutions decodes")
    mim: Mim = Mim()
    addl: Addl = Addl()
    kinematic: Kinematic = Kinematic()
    gating: Gating = Gating()


class Robust(Model):
    """Shape and scale of the general robust loss (Barron, 2019)."""

    alpha: float = Field(1, ge=-100, le=2, description="2 is squared error, 1 Charbonnier, 0 Cauchy")
    c: float = Field(0.1, gt=0, le=100, description="errors below it count as squares")


class Loss(Model):
    """Equation 8: what the gates and the whole network minimise on real data."""

    reconstruction: Robust = Robust(alpha=2)
    regularisers: Robust = Robust()
    entropy: float = Field(0.01, ge=0, description="weight of -w log w, ramped over the first 30 % of a phase")
    smoothness: float = Field(0.05, ge=0, description="weight of the change of w over time")
    magnitude: float = Field(0, ge=0, description="weight of w itself")


def _none_required(schema: dict[str, Any]) -> None:
    del schema["required"]


class Budget(Model):
    """How long and how fast a phase learns; what a file leaves out has the value of its scale."""

    model_config = ConfigDict(json_schema_extra=_none_required)

    steps: int = Field(ge=1, description="optimiser steps")
    batch: int = Field(8, ge=1, description="sequences of a step, over all devices")
    learning_rate: float = Field(gt=0, le=1, description="at its highest; a cosine takes it to 0")
    expert_learning_rate: float | None = Field(
        None, gt=0, le=1, description="of experts and decoder where gates learn too; null: the same"
    )
    warmup: int = Field(0, ge=0, description="steps in which the learning rate rises from 0")
    validate_every: int = Field(250, ge=1, description="steps between two validations; the best is kept")
    patience: int | None = Field(None, ge=1, description="validations without gain that end the phase; null: never")


class Schedule(Model):
    """The phases of a run."""

    kind: Literal["local-global", "end-to-end"] = Field(
        "local-global", description="decoder, experts, gates, then all; or all at once on real data alone"
    )
    warm_start: bool = Field(
        True, description="experts of the decoder's kind start from the network it was learnt with"
    )
    experts_from: str | None = Field(
        None, min_length=1, description="run whose decoder and experts are taken; none of them is trained again"
    )
    decoder: Budget = Budget(steps=3000, learning_rate=1e-3)
    mim: Budget = Budget(steps=2000, learning_rate=1e-3)
    addl: Budget = Budget(steps=4000, learning_rate=5e-4)
    kinematic: Budget = Budget(steps=5000, batch=32, learning_rate=2.5e-3, warmup=100)
    gates: Budget = Budget(steps=300, learning_rate=3e-3, validate_every=50, patience=10)
    joint: Budget = Budget(
        steps=600, learning_rate=1e-3, expert_learning_rate=7e-4, warmup=50, validate_every=50, patience=20
    )
    detach_feedback: bool = Field(
        True, description="gates learn without gradients through what is fed back; half the cost"
    )
    teacher_forcing: float = Field(
        0.6, ge=0, le=1, description="share of a local phase in which true frames are fed, ever fewer of them"
    )


class Execution(Model):
    """How it is computed; none of it is meant to change what is learnt."""

    precision: Precision = Field(
        "auto",
        description="of the forward pass, parameters and losses stay in fp32; auto is bf16 on processors that compute "
        "in it by hardware, else fp32",
    )
    compile: bool = Field(False, description="torch.compile the networks")
    clip: float = Field(1.0, gt=0, description="largest norm of a step's gradient")
    log_every: int = Field(10, ge=1, description="steps between two lines of the log")
    save_every: int = Field(250, ge=1, description="steps between two checkpoints to resume from")


PAPER: Final[dict[str, Any]] = {
    "model": {
        "features": 16,
        "mim": {"layers": 4, "hidden": 64, "kernel": 5, "patch": 4},
        "addl": {"width": 64, "stages": 5},
        "kinematic": {"channels": (16, 24, 32, 48, 64, 96)},
        "gating": {"channels": 32, "dilations": (1, 2, 4, 1), "head": 16},
    },
    "schedule": {
        "warm_start": False,
        "decoder": {"steps": 100_000, "batch": 16, "learning_rate": 5e-4, "validate_every": 2000},
        "mim": {"steps": 100_000, "batch": 16, "learning_rate": 5e-4, "validate_every": 2000},
        "addl": {"steps": 50_000, "batch": 64, "learning_rate": 1e-4, "validate_every": 2000},
        "kinematic": {"steps": 50_000, "batch": 32, "learning_rate": 1e-3, "warmup": 1000, "validate_every": 2000},
        "gates": {"steps": 1000, "batch": 8, "learning_rate": 1e-3, "validate_every": 50, "patience": 10},
        "joint": {
            "steps": 5000,
            "batch": 8,
            "learning_rate": 2e-4,
            "expert_learning_rate": 5e-5,
            "warmup": 100,
            "validate_every": 100,
            "patience": 20,
        },
        "detach_feedback": False,
    },
}
"""What `scale: paper` puts in place of the defaults, which are those of `small`."""


class RunConfig(Model):
    """One run: data, network, loss, phases and execution."""

    scale: Scale = Field("small", description="sizes and budgets of what is left out: two CPU cores, or one GPU")
    seed: int = Field(0, ge=0, le=2**63 - 1, description="of initial weights, order and augmentation")
    data: Data = Data()
    model: Network = Network()
    loss: Loss = Loss()
    schedule: Schedule = Schedule()
    execution: Execution = Execution()

    @model_validator(mode="before")
    @classmethod
    def _with_sizes_of_scale(cls, fields: Any) -> Any:
        if not isinstance(fields, Mapping):
            return fields
        small = {"schedule": Schedule().model_dump()}  # a budget of which a file names one field keeps the others
        return _merged(_merged(small, PAPER) if fields.get("scale") == "paper" else small, fields)

    @model_validator(mode="after")
    def _data_fit_the_model(self) -> Self:
        names = set(self.experts)
        for name in (*self.model.experts, *self.data.synthetic):
            if not _NAME.fullmatch(name) or (name == ALL and self.model.kind != "mim"):
                raise ValueError(
                    f"an expert cannot be named {shown(name)}; give letters, digits, - and _, e.g. rotation"
                )
        if (
            self.model.kind != "mim"
            and self.data.synthetic
            and names - set(self.data.synthetic)
            and self._trains_experts
        ):
            missing = sorted(names - set(self.data.synthetic))[0]
            raise ValueError(f"data.synthetic has no store for the expert {missing}; give one, e.g. {missing}.zarr")
        images = sorted(set(self.experts.values()) - {"mim"})
        if self.model.kind == "stmoe-conv" and images:
            raise ValueError(f"model.experts has an {images[0]}, which emits images; give mim, or the model stmoe-id")
        if self.schedule.experts_from is not None and (self.schedule.kind == "end-to-end" or self.data.real is None):
            raise ValueError(
                "schedule.experts_from needs gates to train; give data.real and schedule.kind local-global"
            )
        return self

    @property
    def experts(self) -> dict[str, ExpertKind]:
        """Kind of every expert by name, in the order of gates and reports."""
        if self.model.kind == "mim":
            return {ALL: "mim"}
        names = tuple(self.data.synthetic) or PROPERTIES
        special = SPECIAL.get(self.model.kind, {})
        return self.model.experts or {name: special.get(name, "mim") for name in names}

    @property
    def _trains_experts(self) -> bool:
        return self.local and self.schedule.experts_from is None

    @property
    def local(self) -> bool:
        """Whether experts are, or were in another run, trained on synthetic data."""
        return self.schedule.kind == "local-global" and bool(self.data.synthetic or self.schedule.experts_from)


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Put one mapping over another, field by field; what is no mapping replaces what it covers."""
    merged = dict(below)
    for name, value in above.items():
        under = below.get(name)
        merged[name] = _merged(under, value) if isinstance(under, Mapping) and isinstance(value, Mapping) else value
    return merged

"""The phases of a run as data: what is trained, on which data, by which objective, how long, and from what on."""

from dataclasses import dataclass
from typing import Literal

from schemas.errors import InputError
from schemas.run import ALL, Budget, ExpertKind, RunConfig, Schedule
from trainer.training.truth import CLEAN, TURNING

Objective = Literal["one-step", "advection", "kinematics", "forecast"]
Stage = Literal["decoder", "experts", "gates", "joint"]

GATE = "gate"
DECODER = "decoder"
FORECASTING = ("joint", "gates", "decoder")
"""Phases whose network forecasts, the best first."""


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One phase: the loop needs nothing else."""

    name: str
    """Of its checkpoints: decoder, expert-<name>, gates or joint."""
    stage: Stage
    experts: tuple[str, ...]
    """Of its network; one alone has no gate."""
    trains: tuple[str, ...]
    """What is trained: experts.<name>, gate, decoder; all else is frozen."""
    data: tuple[str, ...]
    """Synthetic stores by name; () is the real one."""
    objective: Objective
    """one-step: every frame from those before; advection: a warped forecast and its flow; kinematics: the clean future
    from noisy frames; forecast: equation 8."""
    budget: Budget
    after: tuple[str, ...] = ()
    """Phases whose best parameters it starts from, a later one over an earlier."""
    warm_start: bool = False
    """Whether its expert starts from the network that the decoder was learnt with."""
    arrays: tuple[str, ...] = ()
    """Of the stores, beside the frames, that the objective asks for."""

    @property
    def gated(self) -> bool:
        """Whether the network is the mixture, with its gates."""
        return self.stage in ("gates", "joint")


def phases_of(config: RunConfig) -> tuple[Phase, ...]:
    """
    Return the phases of a run in an order in which each finds what it starts from.

    Local: decoder H with F0 on all synthetic data (sections 3.2 and 3.7 of the design), then each expert with H frozen.
    Global: the gates with all else frozen, then the whole network. A single MIM has the first and the last of them.

    Raises
    ------
    InputError
        there is nothing to learn from.
    """
    experts = tuple(config.experts)
    local = _local_phases(config) if config.local else ()
    before = tuple(phase.name for phase in local)
    if config.schedule.experts_from:
        local = ()
    if config.data.real is None:
        if not local:
            raise InputError("data names no store to learn from; give data.synthetic, data.real, or both")
        return local
    gates: tuple[Phase, ...] = ()
    if before and len(experts) > 1 and config.model.attention in ("pixelwise", "uniform"):
        gates = (_gates(config, experts, before),)
    return (*local, *gates, _joint(config, experts, (*before, *(phase.name for phase in gates))))


def named(config: RunConfig, name: str) -> Phase:
    """
    Return a phase of a run by name.

    Raises
    ------
    InputError
        the run has no such phase.
    """
    phases = phases_of(config)
    for phase in phases:
        if phase.name == name:
            return phase
    raise InputError(_no_such(f"phase {name}", phases))


def chosen(phases: tuple[Phase, ...], stage: Stage | None, expert: str | None) -> tuple[Phase, ...]:
    """
    Return the phases of a stage, or those of one expert.

    Raises
    ------
    InputError
        the run has no such phase.
    """
    found = tuple(
        phase
        for phase in phases
        if (stage is None or phase.stage == stage) and (expert is None or phase.name == f"expert-{expert}")
    )
    if not found:
        asked = f"expert {expert}" if expert else f"phase {stage}"
        raise InputError(_no_such(asked, phases))
    return found


def _no_such(asked: str, phases: tuple[Phase, ...]) -> str:
    return f"the run has no {asked}; its phases are {', '.join(phase.name for phase in phases)}"


def _local_phases(config: RunConfig) -> tuple[Phase, ...]:
    schedule, single = config.schedule, tuple(config.experts) == (ALL,)
    convolves = config.model.kind == "stmoe-conv"
    warm = schedule.warm_start and "mim" in config.experts.values()
    decoder: tuple[Phase, ...] = ()
    if single or convolves or warm:
        decoder = (
            Phase(
                name="decoder",
                stage="decoder",
                experts=(ALL,),
                trains=(f"experts.{ALL}", DECODER),
                data=tuple(config.data.synthetic),
                objective="one-step",
                budget=schedule.decoder,
            ),
        )
    if single:
        return decoder
    return (*decoder, *(_expert(config, name, tuple(phase.name for phase in decoder)) for name in config.experts))


def _expert(config: RunConfig, name: str, after: tuple[str, ...]) -> Phase:
    kind = config.experts[name]
    objective, budget, arrays = _how(config.schedule, kind)
    starts_anew = config.model.kind != "stmoe-conv" and kind != "mim"  # there is no decoder, and F0 is a MIM
    return Phase(
        name=f"expert-{name}",
        stage="experts",
        experts=(name,),
        trains=(f"experts.{name}",),
        data=(name,),
        objective=objective,
        budget=budget,
        after=() if starts_anew else after,
        warm_start=config.schedule.warm_start,
        arrays=arrays,
    )


def _how(schedule: Schedule, kind: ExpertKind) -> tuple[Objective, Budget, tuple[str, ...]]:
    """Return by which objective an expert is trained, how long, and which arrays that takes."""
    match kind:
        case "mim":
            return "one-step", schedule.mim, ()
        case "addl":
            return "advection", schedule.addl, ()
        case "kinematic-translation" | "kinematic-intensity":
            return "kinematics", schedule.kinematic, (CLEAN,)
        case "kinematic-rotation":
            return "kinematics", schedule.kinematic, (CLEAN, *TURNING)


def _gates(config: RunConfig, experts: tuple[str, ...], after: tuple[str, ...]) -> Phase:
    return Phase(
        name="gates",
        stage="gates",
        experts=experts,
        trains=(GATE,),
        data=(),
        objective="forecast",
        budget=config.schedule.gates,
        after=after,
    )


def _joint(config: RunConfig, experts: tuple[str, ...], after: tuple[str, ...]) -> Phase:
    schedule = config.schedule
    budget = schedule.joint
    if schedule.kind == "end-to-end":  # as many updates as the global phases together (Table 5)
        budget = budget.model_copy(update={"steps": schedule.gates.steps + budget.steps, "expert_learning_rate": None})
    return Phase(
        name="joint",
        stage="joint",
        experts=experts,
        trains=(*(f"experts.{name}" for name in experts), GATE, DECODER),
        data=(),
        objective="forecast",
        budget=budget,
        after=after,
    )

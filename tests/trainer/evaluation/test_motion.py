"""The error of an estimate is that of known motion; objects that are not seen or do not move so do not count."""

import pytest
import torch
from torch import Tensor

from datagen import RenderSpec, render_sequences
from trainer.evaluation.motion import ARRAYS, MASK, PLACES, MotionErrors, kinematic_experts, true_motion
from trainer.models.decoder import IdentityDecoder
from trainer.models.gating import ConstantGate
from trainer.models.kinematic import KinematicRotation, KinematicTranslation, Rotation, Translation
from trainer.models.mim import MIM
from trainer.models.stmoe import STMoE

INPUTS, SIZE = 4, 8


class Told(KinematicTranslation):
    """Estimate that all moves by (1, -2) px/frame."""

    def estimate(self, inputs: Tensor) -> Translation:
        velocity = torch.tensor([1.0, -2.0])[:, None, None].expand(len(inputs), 2, SIZE, SIZE)
        return Translation(velocity, velocity, velocity)


class ToldTurning(KinematicRotation):
    """Estimate that the left half turns by 0.5 rad/frame and the right half by -0.5."""

    def estimate(self, inputs: Tensor) -> Rotation:
        velocity = torch.full((len(inputs), 1, SIZE, SIZE), 0.5)
        velocity[..., SIZE // 2 :] = -0.5
        return Rotation(velocity, velocity, velocity, velocity)


def network() -> STMoE:
    sizes = {"channels": (2, 2), "input_frames": INPUTS}
    experts = {
        "shift": Told(**sizes),
        "rotation": ToldTurning(**sizes),
        "rest": MIM(layers=1, hidden=2, kernel=1, patch=1),
    }
    return STMoE(experts, ConstantGate(3, 1 / 3), IdentityDecoder(), input_frames=INPUTS)


def truth() -> dict[str, Tensor]:
    """Return two objects: the left one moves and turns, the right one moves; of a second sequence nothing is seen."""
    mask = torch.zeros(2, INPUTS + 1, SIZE, SIZE, dtype=torch.uint8)
    mask[0, :, :, :3], mask[0, :, :, 5:] = 1, 2
    zeros = torch.zeros(2, 2, 2, dtype=torch.float64)
    return {
        "mask": mask,
        "property": torch.tensor([[3, 1], [3, 1]], dtype=torch.uint8),
        "velocity": zeros + torch.tensor([0.0, -2.0]),
        "acceleration": zeros + torch.tensor([[1.0, 0.0], [0.0, 0.0]]),
        "jerk": zeros,
        "angular_velocity": zeros[..., 0] + 0.1,
        "angular_acceleration": zeros[..., 0],
        "angular_jerk": zeros[..., 0] + 0.02,
    }


def test_errors_are_those_of_known_motion() -> None:
    errors = MotionErrors(network(), INPUTS)
    errors.update(torch.zeros(2, INPUTS, 1, SIZE, SIZE), truth())
    found = errors.summary()
    assert found.keys() == {"shift", "rotation"}
    # At t = 3 the left object moves by (3, -2), the right one by (0, -2).
    assert found["shift"] == {
        "quantity": "velocity",
        "units": "px/frame",
        "objects": 2,
        "error": pytest.approx(((2**2 + 1) / 2) ** 0.5),
        "usual": pytest.approx(((3**2 + 2**2 + 2**2) / 2) ** 0.5),
    }
    turns = 0.1 + 0.02 * 9 / 2
    assert found["rotation"]["objects"] == 1
    assert found["rotation"]["error"] == pytest.approx(0.5 - turns)
    assert found["rotation"]["usual"] == pytest.approx(turns)


@pytest.mark.parametrize("kind", ["translation", {"kind": "rotation", "pivot": "orbit"}, "mixed"])
def test_true_motion_is_the_flow_that_is_rendered(kind: object) -> None:
    size = {"height": 40, "width": 40, "frames": 5}
    fields = {**size, "property": kind, "noise": {"ratio": 0}, "truth": ["mask", "flow"]}
    sequences = render_sequences(RenderSpec.model_validate(fields), 0, 12)
    table = {name: torch.from_numpy(sequences.parameters[name]) for name in (*ARRAYS, *PLACES) if name != MASK}
    flow = torch.from_numpy(sequences.flow)[:, 3].float()
    found = true_motion({**table, MASK: torch.from_numpy(sequences.mask)}, 3)
    # The flow is the way of a whole frame, the motion the speed at its beginning: acceleration and turning part them.
    assert (found - flow).norm(dim=1).mean() < 0.15 * flow.norm(dim=1).mean()


def test_where_nothing_counts_nothing_is_said() -> None:
    errors = MotionErrors(network(), INPUTS)
    errors.update(torch.zeros(2, INPUTS, 1, SIZE, SIZE), {**truth(), "property": torch.zeros(2, 2, dtype=torch.uint8)})
    assert errors.summary()["shift"]["objects"] == 0
    assert errors.summary()["shift"]["error"] is None


def test_only_experts_that_estimate_motion_are_asked() -> None:
    assert list(kinematic_experts(network())) == ["shift", "rotation"]

"""What the parameter table says of turning is what the pixels do."""

import torch

from datagen import RenderSpec, render_sequences
from trainer.models.kinematic import Rotation, rotated
from trainer.training.truth import MASK, TURNING, turning

TIME, SIZE = 3, 40


def test_objects_turn_as_the_table_says() -> None:
    fields = {"property": {"kind": "rotation", "pivot": "orbit"}, "height": SIZE, "width": SIZE, "seed": 4}
    spec = RenderSpec.model_validate({**fields, "noise": {"ratio": 0}, "dtype": "float32", "truth": ["mask", "flow"]})
    sequences = render_sequences(spec, 0, 12)
    arrays = {name: torch.from_numpy(sequences.parameters[name]) for name in TURNING if name != MASK}
    arrays[MASK] = torch.from_numpy(sequences.mask)
    found = turning(arrays, TIME)
    assert torch.equal(found.known[:, 0] > 0, arrays[MASK][:, TIME] > 0)

    angle = found.velocity + found.acceleration / 2
    x, y = found.arm[:, :1], found.arm[:, 1:]
    moved = torch.cat((angle.cos() * x - angle.sin() * y - x, angle.sin() * x + angle.cos() * y - y), 1)
    flow = torch.from_numpy(sequences.flow)[:, TIME].float()
    error = ((moved - flow).norm(dim=1) * found.known[:, 0]).amax()
    assert error < 0.05  # px; the flow is float16 and knows the jerk of this one frame
    assert (flow.norm(dim=1) * found.known[:, 0]).amax() > 1


def test_a_lone_object_turned_by_it_is_the_next_frame() -> None:
    fields = {"property": "rotation", "height": SIZE, "width": SIZE, "objects": {"count": [1, 1]}}
    spec = RenderSpec.model_validate({**fields, "noise": {"ratio": 0}, "dtype": "float32", "truth": ["mask"]})
    sequences = render_sequences(spec, 0, 8)
    arrays = {name: torch.from_numpy(sequences.parameters[name]) for name in TURNING if name != MASK}
    arrays[MASK] = torch.ones_like(torch.from_numpy(sequences.mask))  # the object's motion everywhere
    found = turning(arrays, TIME)
    frames = torch.from_numpy(sequences.frames)[:, :, None]
    motion = Rotation(found.velocity, found.acceleration, found.arm, torch.zeros_like(found.arm))
    forecast = rotated(frames[:, TIME], motion, 1)
    wrong, still = (
        (forecast - frames[:, TIME + 1]).square().sum(),
        (frames[:, TIME] - frames[:, TIME + 1]).square().sum(),
    )
    assert wrong < 0.1 * still

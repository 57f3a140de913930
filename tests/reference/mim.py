"""MIM transcribed from its equations: one convolution a gate, nothing skipped, nothing fused."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import conv2d, group_norm

GATES = {
    "first.from_input": ("i", "g", "f", "i'", "g'", "f'", "o"),
    "first.from_hidden": ("i", "g", "f", "o"),
    "first.from_memory": ("i", "g", "f"),
    "first.from_memories": ("o",),
    "from_input": ("i", "g", "f", "o"),
    "from_hidden": ("i", "g", "o"),
    "from_memory": ("i", "g", "f", "o"),
    "from_recurrent": ("i", "g", "f", "o"),
}
"""Gates of every bundle of convolutions, by the end of its name, in the order of its channels."""


class Transcription:
    """The network `trainer.models.mim.MIM` with the same weights, kept apart for each gate."""

    def __init__(
        self, state: Mapping[str, Tensor], *, layers: int, patch: int, differences: str = "cascade", features: int = 1
    ) -> None:
        self.layers, self.patch, self.differences, self.features = layers, patch, differences, features
        self.weights = {
            key: tensor.detach().clone().requires_grad_()
            for name, whole in state.items()
            for key, tensor in by_gate(name, whole).items()
        }

    def gradient(self, name: str) -> Tensor:
        """Return the gradient of a parameter of the network, joined from its gates."""
        keys = [key for key in self.weights if key == name or key.startswith(f"{name}:")]
        return torch.cat([gradient_or_zeros(self.weights[key]) for key in keys])

    def unroll(self, frames: Tensor, true_frames: int) -> Tensor:
        """Return the prediction of every frame but the first; from `true_frames` on, predictions are fed."""
        batch, time, _, height, width = frames.shape
        grid = height // self.patch, width // self.patch
        channels = self.weights["head.weight"].shape[1]
        zeros = torch.zeros(batch, channels, *grid, dtype=frames.dtype, device=frames.device)
        layers = range(self.layers)
        hidden, cell, stationary = [zeros for _ in layers], [zeros for _ in layers], [zeros for _ in layers]
        change, nonstationary = [zeros for _ in layers], [zeros for _ in layers]
        memory = zeros
        predictions: list[Tensor] = []
        for t in range(time - 1):
            before = list(hidden)
            x = unshuffled(frames[:, t] if t < true_frames else predictions[-1], self.patch)
            hidden[0], cell[0], memory = self.st_lstm(x, hidden[0], cell[0], memory)
            for j in range(1, self.layers):
                if t > 0:
                    cascade = self.differences == "cascade" and j > 1
                    q = change[j - 1] if cascade else hidden[j - 1] - before[j - 1]
                    change[j], nonstationary[j] = self.module(f"nonstationary.{j - 1}", q, change[j], nonstationary[j])
                hidden[j], cell[j], stationary[j], memory = self.block(
                    f"blocks.{j - 1}", hidden[j - 1], change[j], hidden[j], cell[j], stationary[j], memory
                )
            predictions.append(shuffled(conv2d(hidden[-1], self.weights["head.weight"]), self.patch, self.features))
        return torch.stack(predictions, 1)

    def st_lstm(self, x: Tensor, hidden: Tensor, cell: Tensor, memory: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """ST-LSTM."""
        of_x = self.convolved("first.from_input", x)
        of_h = self.convolved("first.from_hidden", hidden)
        of_m = self.convolved("first.from_memory", memory)
        g = torch.tanh(of_x["g"] + of_h["g"])
        i = torch.sigmoid(of_x["i"] + of_h["i"])
        f = torch.sigmoid(of_x["f"] + of_h["f"] + 1)
        cell = f * cell + i * g
        g = torch.tanh(of_x["g'"] + of_m["g"])
        i = torch.sigmoid(of_x["i'"] + of_m["i"])
        f = torch.sigmoid(of_x["f'"] + of_m["f"] + 1)
        memory = f * memory + i * g
        both = torch.cat([cell, memory], 1)
        o = torch.sigmoid(of_x["o"] + of_h["o"] + self.convolved("first.from_memories", both)["o"])
        return o * torch.tanh(conv2d(both, self.weights["first.mix.weight"])), cell, memory

    def module(self, name: str, q: Tensor, recurrent: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """MIM-N, and MIM-S by other names: output and memory."""
        of_q = self.convolved(f"{name}.from_input", q)
        of_r = self.convolved(f"{name}.from_recurrent", recurrent)
        p_i, p_f, p_o = self.weights[f"{name}.peepholes"]
        i = torch.sigmoid(of_q["i"] + of_r["i"] + p_i * memory)
        f = torch.sigmoid(of_q["f"] + of_r["f"] + p_f * memory + 1)
        memory = f * memory + i * torch.tanh(of_q["g"] + of_r["g"])
        return torch.sigmoid(of_q["o"] + of_r["o"] + p_o * memory) * torch.tanh(memory), memory

    def block(
        self, name: str, x: Tensor, change: Tensor, hidden: Tensor, cell: Tensor, stationary: Tensor, memory: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """MIM block: hidden, cell, stationary memory and spatio-temporal memory."""
        of_x = self.convolved(f"{name}.from_input", x)
        of_h = self.convolved(f"{name}.from_hidden", hidden)
        of_m = self.convolved(f"{name}.from_memory", memory)
        i = torch.sigmoid(of_x["i"] + of_h["i"])
        g = torch.tanh(of_x["g"] + of_h["g"])
        trend, stationary = self.module(f"{name}.stationary", change, cell, stationary)
        cell = trend + i * g
        o = torch.sigmoid(of_x["o"] + of_h["o"] + of_m["o"])
        i = torch.sigmoid(of_x["i"] + of_m["i"])
        g = torch.tanh(of_x["g"] + of_m["g"])
        f = torch.sigmoid(of_x["f"] + of_m["f"] + 1)
        memory = f * memory + i * g
        mixed = conv2d(torch.cat([cell, memory], 1), self.weights[f"{name}.mix.weight"])
        return o * torch.tanh(mixed), cell, stationary, memory

    def convolved(self, name: str, maps: Tensor) -> dict[str, Tensor]:
        """Convolve for each gate of a bundle, then normalise all of them together, or add the bias."""
        gates = gates_of(name)
        kernels = [self.weights[f"{name}.weight:{gate}"] for gate in gates]
        joint = torch.cat([conv2d(maps, kernel, padding=kernel.shape[-1] // 2) for kernel in kernels], 1)
        offset = self.weights[f"{name}.offset"]
        if f"{name}.scale" in self.weights:
            joint = group_norm(joint, 1, self.weights[f"{name}.scale"], offset)
        else:
            joint = joint + offset[:, None, None]
        return dict(zip(gates, joint.chunk(len(gates), 1), strict=True))


def gates_of(name: str) -> tuple[str, ...]:
    """Return the gates of a bundle."""
    return GATES[name] if name in GATES else GATES[name.rpartition(".")[2]]


def by_gate(name: str, whole: Tensor) -> dict[str, Tensor]:
    """Cut the kernel of a bundle into its gates; every other weight stays whole."""
    bundle, _, kind = name.rpartition(".")
    if kind != "weight" or not bundle.rpartition(".")[2].startswith("from_"):
        return {name: whole}
    gates = gates_of(bundle)
    return {f"{name}:{gate}": part for gate, part in zip(gates, whole.chunk(len(gates)), strict=True)}


def gradient_or_zeros(weight: Tensor) -> Tensor:
    """Return what backward left."""
    return torch.zeros_like(weight) if weight.grad is None else weight.grad


def unshuffled(image: Tensor, p: int) -> Tensor:
    """Return the patches of an image, by the index map of their definition."""
    return torch.cat([image[:, :, dy::p, dx::p] for dy in range(p) for dx in range(p)], 1)


def shuffled(patches: Tensor, p: int, channels: int) -> Tensor:
    """Return the image of patches."""
    batch, _, y, x = patches.shape
    image = patches.new_empty(batch, channels, y * p, x * p)
    for dy in range(p):
        for dx in range(p):
            first = (dy * p + dx) * channels
            image[:, :, dy::p, dx::p] = patches[:, first : first + channels]
    return image

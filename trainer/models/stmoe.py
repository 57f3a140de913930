"""STMoE: experts forecast, gates weight them at each pixel, a decoder makes the frame, and the frame is fed back."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Protocol, cast

import torch
from torch import Tensor, nn

Rollout = Literal["stateful", "window"]


class Expert(Protocol):
    """
    What a mixture asks of an expert F^k, an `nn.Module` with two more methods.

    The state is a value that is handed on, never an attribute: so one sequence cannot reach another, and a new one
    starts from nothing.
    """

    def begin(self, inputs: Tensor) -> Any:
        """
        Return the state after all input frames but the newest.

        Parameters
        ----------
        inputs : (batch, time, channel, y, x), oldest first
        """

    def step(self, frame: Tensor, state: Any) -> tuple[Tensor, Any]:
        """
        Return the features of the next frame, (batch, feature, y, x), and the next state.

        Parameters
        ----------
        frame : (batch, channel, y, x), the newest
        state : of `begin` or of the step before; not changed
        """


class Forecast(NamedTuple):
    """
    A roll-out of n frames.

    frames : (batch, n, channel, y, x), not clipped
    log_weights : (batch, n, expert, y, x), of the gates; the weights are their exponentials
    parts : (batch, n, expert, channel, y, x), H(Z~^k): what each expert alone forecasts from the frames that the
        mixture was fed; None unless asked for
    """

    frames: Tensor
    log_weights: Tensor
    parts: Tensor | None


class STMoE(nn.Module):
    """
    Spatio-temporal mixture of experts (Aoyagi et al., CVPR Workshops 2021, equations 1 and 6).

    With X_t the last l frames, forecast where no real ones are left::

        Yhat_t = H( sum_k W^k_t . Z~^k_t )        W_t = G(X_t)        Z~^k_t = F^k(X_t)

    Every forecast is fed back to all experts and to the gates, as it is. There are two readings of F^k(X_t) for an
    expert with a memory. Stateful: it sees each frame once, l - 1 + n steps, and remembers more than l frames. Window:
    it starts anew on the l frames of each window, as equation 1 says literally, l n steps. The first forecasts agree.

    Parameters
    ----------
    experts : by name, in the order of the gates' maps; each an `Expert`
    gate : window (batch, time*channel, y, x) to log-weights (batch, expert, y, x)
    decoder : H, features (batch, feature, y, x) to frames (batch, channel, y, x)
    input_frames : l
    rollout : reading of F^k(X_t)
    """

    def __init__(
        self,
        experts: Mapping[str, nn.Module],
        gate: nn.Module,
        decoder: nn.Module,
        *,
        input_frames: int,
        rollout: Rollout = "stateful",
    ) -> None:
        super().__init__()
        self.experts = nn.ModuleDict(experts)
        self.gate = gate
        self.decoder = decoder
        self.input_frames = input_frames
        self.rollout: Rollout = rollout

    def forward(self, inputs: Tensor, horizon: int, *, detach_feedback: bool = False, parts: bool = False) -> Forecast:
        """
        Forecast, fed with nothing but the inputs and its own forecasts.

        Parameters
        ----------
        inputs : (batch, time, channel, y, x), the l frames before the forecast, in [0, 1], oldest first
        horizon : n, >= 1; may be longer than trained
        detach_feedback : cut the gradients that pass through the frames fed back
        parts : also decode each expert by itself

        Raises
        ------
        ValueError : there are not l input frames
        """
        if inputs.shape[1] != self.input_frames:
            raise ValueError(f"{inputs.shape[1]} input frames were given to a network for {self.input_frames}")
        window, states = inputs, self._begin(inputs)
        steps: list[Forecast] = []
        for lead in range(horizon):
            if lead and self.rollout == "window":
                states = self._begin(window)
            step, states = self._step(window, states, parts=parts)
            steps.append(step)
            newest = step.frames.detach() if detach_feedback else step.frames
            window = torch.cat((window[:, 1:], newest[:, None]), 1)
        return _stacked(steps)

    def _begin(self, window: Tensor) -> list[Any]:
        return [expert.begin(window) for expert in self._experts()]

    def _step(self, window: Tensor, states: list[Any], *, parts: bool) -> tuple[Forecast, list[Any]]:
        """Return what is forecast for one time, without a time axis, and the experts' next states."""
        stepped = [expert.step(window[:, -1], state) for expert, state in zip(self._experts(), states, strict=True)]
        features = [one for one, _ in stepped]
        log_weights = self.gate(window.flatten(1, 2))
        weights = log_weights.exp().unsqueeze(2).unbind(1)  # one (batch, 1, y, x) for each expert
        weighted = [weight * one for weight, one in zip(weights, features, strict=True)]
        frame = self.decoder(torch.stack(weighted).sum(0))
        alone = torch.stack([self.decoder(one) for one in features], 1) if parts else None
        return Forecast(frame, log_weights, alone), [state for _, state in stepped]

    def _experts(self) -> list[Expert]:
        return cast("list[Expert]", list(self.experts.values()))


def _stacked(steps: list[Forecast]) -> Forecast:
    parts = [step.parts for step in steps if step.parts is not None]
    return Forecast(
        torch.stack([step.frames for step in steps], 1),
        torch.stack([step.log_weights for step in steps], 1),
        torch.stack(parts, 1) if parts else None,
    )

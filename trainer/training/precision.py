"""The precision of a forward pass: the one that is asked for, or bf16 where that was measured to be faster."""

from typing import Literal

import torch

from schemas.run import Precision

BF16_ARITHMETIC = ("avx512_bf16", "amx_bf16", "bf16")
"""Of processors with x86 and Arm, as torch names their capabilities."""


def precision_of(asked: Precision, device: torch.device) -> Literal["fp32", "bf16"]:
    """
    Return the precision that a device computes in; it is a function of both, so that a resumed run keeps its bits.

    Parameters
    ----------
    asked : auto is bf16 on processors that compute in it by hardware, else fp32; a precision that is named is obeyed
    """
    if asked != "auto":
        return asked
    return "bf16" if _gains_by_bf16(device) else "fp32"


def autocast(asked: Precision, device: torch.device) -> torch.autocast:
    """
    Return a context in which a forward pass on a device computes in a precision.

    Parameters
    ----------
    asked : as for `precision_of`
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=precision_of(asked, device) == "bf16")


def _gains_by_bf16(device: torch.device) -> bool:
    """
    Return whether steps are faster in bf16.

    On CUDA they are not: even at scale paper a step is short of work for the device, and casts are more launches.
    """
    if device.type != "cpu":
        return False
    # The kernels with these instructions are oneDNN's: a torch without it, as on macOS, emulates on any processor.
    onednn = bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call] # torch has no type for it
    known = torch.cpu.get_capabilities()
    return onednn and any(known.get(name, False) for name in BF16_ARITHMETIC)

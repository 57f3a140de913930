"""Bit patterns of floats: reinterpretation, and float16, which Numba has no type for on CPUs."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core.typing.templates import Signature
from numba.extending import intrinsic

_SIGN, _MAGNITUDE = np.uint32(0x80000000), np.uint32(0x7FFFFFFF)
_SMALLEST_NORMAL = np.uint32(0x38800000)
"""Bits of 2**-14 as float32."""
_REBIAS = np.uint32((127 - 15) << 23)
_HALF_STEP, _STEP = np.uint32(0x0FFF), np.uint32(13)
_16, _1 = np.uint32(16), np.uint32(1)
_HALF = np.float32(0.5)
_HALF_BITS = np.uint32(0x3F000000)


@intrinsic
def bits_of(_context: Any, _value: Any) -> tuple[Signature, Any]:
    """Reinterpret a float32 as uint32."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(32))

    return types.uint32(types.float32), generate


@njit(inline="always")
def half_bits(value):
    """Return the float16 bits of a float32 of magnitude below 65,520, rounded to nearest even (IEEE 754)."""
    bits = bits_of(value)
    magnitude = bits & _MAGNITUDE
    normal = (magnitude - _REBIAS + _HALF_STEP + ((magnitude >> _STEP) & _1)) >> _STEP
    # Adding 1/2 leaves a subnormal's ten bits at the end of the significand, rounded by the processor.
    subnormal = bits_of(abs(value) + _HALF) - _HALF_BITS
    return ((bits & _SIGN) >> _16) | (normal if magnitude >= _SMALLEST_NORMAL else subnormal)

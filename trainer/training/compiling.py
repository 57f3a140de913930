"""What keeps torch.compile from compiling, in one line."""

from collections.abc import Iterator
from contextlib import contextmanager

from schemas.errors import InputError


@contextmanager
def compiler_errors() -> Iterator[None]:
    """
    Run what may compile networks.

    Raises
    ------
    InputError
        they cannot be compiled, mostly for want of a C++ compiler, which PyTorch's compiler needs on GPUs too.
    """
    try:
        yield
    except RuntimeError as error:
        from torch._dynamo.exc import TorchDynamoException  # takes a second, which runs that compile nothing should not

        if not isinstance(error, TorchDynamoException):
            raise
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise InputError(
            f"execution.compile is true, and the networks cannot be compiled: {reason}; "
            "install a C++ compiler such as g++, or begin a run without it"
        ) from error

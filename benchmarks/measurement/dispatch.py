"""The base of everything that watches or replaces torch's operations as they are dispatched."""

from __future__ import annotations

from torch.utils._python_dispatch import TorchDispatchMode


class Dispatch(TorchDispatchMode):
    """A mode below autograd, in which nothing is compiled."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Torch would load its compiler (seconds) just to keep out of it."""
        return False

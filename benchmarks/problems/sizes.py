"""How large a problem may be: bounds on its numbers and its steps, asked before anything is allocated or drawn.

The bounds are generous: no problem of a study comes near them. What lies beyond them is a typing error as a rule, and
would take the machine's memory, or run for ever, before anything else could refuse it.
"""

from __future__ import annotations

from gradmark.estimators.core import Problem

MOST_NUMBERS = 2**27  # in one tensor: 1 GiB in float64
MOST_COORDINATES = 2**11  # of a z that is taken apart coordinate by coordinate, or whose covariance is factorised
MOST_STEPS = 2**10  # that depend on each other, and so are taken one by one


def check_sizes(problem: Problem, *names: str, **tensors: int) -> None:
    """ValueError where one of the fields `names` is below 1, or a tensor would be too large for any machine.

    The tensors are that of a draw's cost, and those given with how many numbers they hold.
    """
    call, sizes = type(problem).__name__, {name: getattr(problem, name) for name in names}
    for name, value in sizes.items():
        if value < 1:
            raise ValueError(f"{call}({name}={short(value)}): a size is at least 1; pass 1 or more")
    counts = {"the cost of one draw": problem.footprint, **tensors}
    largest = max(counts, key=lambda name: counts[name])
    if counts[largest] > MOST_NUMBERS:
        given = ", ".join(f"{name}={short(value)}" for name, value in sizes.items())
        raise ValueError(
            f"{call}({given}): {largest} would hold {short(counts[largest])} numbers, and {MOST_NUMBERS} (2^27) are "
            "the most; pass smaller sizes"
        )


def check_at_most(problem: Problem, most: int, why: str, **sizes: int) -> None:
    """ValueError for a size that is beyond `most`; `why` is a clause."""
    for name, value in sizes.items():
        if value > most:
            raise ValueError(f"{type(problem).__name__}({name}={short(value)}): {why}; pass {most} or less")


def check_seed(problem: Problem, seed: int) -> None:
    """ValueError for a seed that is negative."""
    if seed < 0:
        raise ValueError(f"{type(problem).__name__}(seed={short(seed)}): a seed is not negative; use 0")


def short(value: int) -> str:
    """The number, by its order of magnitude where it has many digits."""
    return str(value) if abs(value) < 10**15 else f"{'-' if value < 0 else ''}2^{abs(value).bit_length() - 1} or more"

"""Finds whose code raised an exception, the estimator's, the problem's or the check's, and what its author can do."""

from __future__ import annotations

import inspect
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import Any

import torch
from torch.distributions import Distribution

from gradmark.estimators.core import Estimator, Problem

BENCHMARKS = Path(__file__).parents[1]
MODELS = (BENCHMARKS / "problems", BENCHMARKS / "experiments", BENCHMARKS / "trust")  # code here may be checked
LIBRARY = Path(traceback.__file__).parent  # Python's own
DISTRIBUTIONS = Path(torch.distributions.__file__).parent
SHARED = (
    "gradmark.estimators.core",
    "gradmark.estimators.spec",
    "abc",
    "builtins",
)  # modules with the code of many classes
HOOKS = ("estimate", "surrogate", "init", "refuses")
MOST = 200  # characters of an exception's text

# What q or the problem lacks, recognized by the exception, and what the estimator can declare in `requires`
PATH = "DifferentiableCost(), Reparameterizable()"
NOT_IMPLEMENTED = {  # by the function that raised
    "mean": "KnownMean()",
    "rsample": PATH,
    "log_joint_of": "LogEvidence(2**20)",
}
NO_ATTRIBUTE = {  # by the name of the missing attribute
    "GaussianFactors()": ("base_dist", "loc", "scale"),
    "Stages(), CostInTerms()": ("stages", "log_prob_by_site"),
    "ELBO()": (
        *("prior", "log_likelihood", "log_joint", "log_evidence", "posterior", "exact_bound", "per_row", "num_states"),
        *("cost_analytic_kl", "observations", "data_rows", "num_rows", "likelihood_weight", "latent_weight"),
    ),
}
NO_SLOPE = ("does not require grad", "appears to not have been used in the graph")


def owned(fault: BaseException, owner: object) -> bool:
    """Whether the owner's code raised: a method of its class, a function in its module, or what these call.

    The first frame outside of checks and libraries decides: it is what the check called. A problem or a distribution
    in the estimator's file is not the estimator's code.
    """
    called = next((frame for frame in _frames(fault.__traceback__) if not _foreign(frame.f_code.co_filename)), None)
    if called is None:  # a call with wrong arguments has no frame of the method
        return isinstance(fault, TypeError) and re.search(rf"\b({'|'.join(HOOKS)})\(\)", str(fault)) is not None
    if called.f_code in set(_codes(type(owner))):
        return True
    others = isinstance(owner, Estimator) and isinstance(called.f_locals.get("self"), Problem | Distribution)
    return not others and called.f_code.co_filename in set(_files(type(owner)))


def of_distributions(fault: BaseException) -> bool:
    """Whether a distribution of torch raised, because of the arguments that the problem passed."""
    return any(Path(frame.f_code.co_filename).parent == DISTRIBUTIONS for frame in _frames(fault.__traceback__))


def _frames(trace: TracebackType | None) -> Iterator[FrameType]:
    return (frame for frame, _ in traceback.walk_tb(trace))


def _codes(cls: type) -> Iterator[CodeType]:
    """The code of every method of the class and its bases."""
    for base in cls.__mro__:
        for value in vars(base).values():
            function = inspect.unwrap(_function(value))
            if inspect.isfunction(function):
                yield function.__code__


def _function(value: Any) -> Any:
    """The function behind a property, class method or static method; anything else unchanged."""
    return value.fget if isinstance(value, property) else getattr(value, "__func__", value)


def _files(cls: type) -> Iterator[str]:
    """The files that define the class and its bases."""
    for base in cls.__mro__:
        file = getattr(sys.modules.get(base.__module__), "__file__", None)
        if file is not None and base.__module__ not in SHARED:
            yield file


def described(fault: BaseException, owner: object) -> str:
    """The exception's class and text on one line, with the line of the owner's file that raised it."""
    text = " ".join(str(fault).split())[:MOST]
    return f"{type(fault).__name__}{': ' if text else ''}{text}{_line(fault, owner)}"


def identity(fault: BaseException, owner: object) -> str:
    """The exception's class and line in the owner's file: two exceptions with the same identity are the same."""
    return f"{type(fault).__name__}{_line(fault, owner)}"


def _line(fault: BaseException, owner: object) -> str:
    """` (file:line)` of the innermost frame in the owner's files, else outside of libraries; or an empty text."""
    stack, files = traceback.extract_tb(fault.__traceback__), set(_files(type(owner)))
    own = [frame for frame in stack if frame.filename in files]
    if own:
        return f" ({Path(own[-1].filename).name}:{own[-1].lineno})"
    return blamed(traceback.StackSummary(frame for frame in stack if Path(frame.filename).name != "core.py"))


def remedy(fault: BaseException) -> str:
    """What the estimator's author can do, with the requirement that refuses such problems, where there is one."""
    needed = _requirement(fault)
    if needed is None:
        return "handle it, or declare requires = (a Requirement of your own)"
    return f"handle it, or declare requires = ({needed}{'' if ', ' in needed else ','})"


def _requirement(fault: BaseException) -> str | None:
    if isinstance(fault, NotImplementedError):
        last = [frame.f_code.co_name for frame in _frames(fault.__traceback__)][-1:]
        return NOT_IMPLEMENTED.get(last[0]) if last else None
    if isinstance(fault, AttributeError):
        return next((needed for needed, names in NO_ATTRIBUTE.items() if fault.name in names), None)
    if isinstance(fault, RuntimeError) and any(text in str(fault) for text in NO_SLOPE):
        return PATH
    return None


def located(detail: str, estimator: Estimator) -> str:
    """The detail with the file and line of the estimator's method, unless it has a line already."""
    if re.search(r"\.py:\d+", detail):
        return detail
    cls = type(estimator)
    own = next((each for name in ("surrogate", "estimate") if (each := cls.__dict__.get(name))), cls)
    try:
        own = inspect.unwrap(own)
        return f"{detail} ({Path(inspect.getsourcefile(own) or '').name}:{inspect.getsourcelines(own)[1]})"
    except (OSError, TypeError):
        return detail


def blamed(stack: traceback.StackSummary) -> str:
    """` (file:line)` of the innermost frame outside of checks and libraries, or an empty text."""
    frames = [frame for frame in stack if not _foreign(frame.filename)]
    return f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""


def _foreign(file: str) -> bool:
    path = Path(file)
    of_ours = path.is_relative_to(BENCHMARKS) and not any(map(path.is_relative_to, MODELS))
    return "site-packages" in path.parts or of_ours or path.is_relative_to(LIBRARY) or file.startswith("<")

"""What the suites share: their parameters, and a cell set up from the packages of the commit under test.

asv takes the suites from the working tree and the packages from the commit, which may lack a name that a suite uses:
then the benchmark is n/a.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DEVICES = ("cpu", "cuda")
ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = ROOT / "estimators" / "__init__.py"
WORKS = ROOT / "benchmarks" / "experiments" / "speed" / "works.py"


def catalogue() -> list[str]:
    """Every estimator of the working tree, read from the text of its catalogue, in order.

    asv hands a benchmark its parameters by their position, so that the list must be the same for every commit.
    """
    imports = [node for node in ast.parse(CATALOGUE.read_text("utf-8")).body if isinstance(node, ast.ImportFrom)]
    return [alias.asname for node in imports for alias in node.names if alias.asname]


def listed_works() -> list[str]:
    """The works of `gradmark run speed` in the working tree, read from the text of their list, in order."""
    named = [node for node in ast.parse(WORKS.read_text("utf-8")).body if isinstance(node, ast.AnnAssign)]
    listed = next(node.value for node in named if getattr(node.target, "id", "") == "_LISTED")
    assert isinstance(listed, ast.Dict), "the list is a dictionary by name"
    return [key.value for key in listed.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)]


def package(*names: str) -> Any:
    """The first module of these names that the commit has, or None."""
    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


# Here and not in a function: asv forks every benchmark off a process that has imported the suites
np, torch = package("numpy"), package("torch")
block = package("gradmark.benchmarks.measurement.block", "benchmarks.block")
specs = package("gradmark.benchmarks.specs", "benchmarks.specs")
timing = package("gradmark.benchmarks.measurement.timing", "gradmark.benchmarks.measurement.cost", "benchmarks.timing")
moments = package("gradmark.benchmarks.measurement.moments", "benchmarks.moments")
timing_rounds = package("gradmark.benchmarks.measurement.timing_rounds")
provenance = package("gradmark.benchmarks.studies.provenance", "benchmarks.provenance")
_COMPARISON = "gradmark.benchmarks.experiments.speed"
works, contenders, peers, rounds, cores, training_speed = (
    package(f"{_COMPARISON}.{name}") for name in ("works", "contenders", "peers", "rounds", "cores", "training_speed")
)


@contextmanager
def lacking_is_na() -> Iterator[None]:
    """asv's n/a where the commit lacks a module, a name or an estimator."""
    try:
        yield
    except (AttributeError, ImportError) as lacking:
        raise NotImplementedError(f"this commit: {lacking}") from lacking
    except Exception as fault:
        if type(fault).__name__ == "BadInput":  # whose class the commit may lack
            raise NotImplementedError(f"this commit: {fault}") from fault
        raise


def setting(problem: str, estimator: str, num_samples: int, device: str = "cpu") -> Any:
    """A `Setting` in float32 at the problem's initial parameters; n/a where refused, or without the device."""
    if device == "cuda" and not (torch and torch.cuda.is_available()):
        raise NotImplementedError("torch finds no CUDA device on this machine")
    with lacking_is_na():
        found, rule = specs.problem(problem), specs.estimator(estimator)
        reason = rule.refuses(found.seen, num_samples)
        if reason is not None:
            raise NotImplementedError(reason)
        params = {name: value.to(device, torch.float32) for name, value in found.init().items()}
        return block.Setting(found, rule, num_samples, params)


def one_block(setting: Any, index: int = 0) -> Callable[[], Any]:
    """A call that measures one whole block, draws and fold included."""
    with lacking_is_na():
        size = block.block_size(setting.problem, setting.num_samples, setting.params)
        seed = block.block_seed(setting.problem, setting.num_samples, "init", 0, size, index)
        measure = block.measure_block
        replicates = 1 if setting.estimator.deterministic else size  # as a study has it: the others are the same
    return lambda: measure(setting, replicates, seed)

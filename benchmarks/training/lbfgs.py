"""Some of a problem's parameters at their best by its oracle, the others held still."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.optimize import minimize

from gradmark.estimators.core import Params, Problem, gradient_of_sum

OPTIONS = {"maxiter": 3000, "maxfun": 6000, "ftol": 0.0, "gtol": 1e-7, "maxcor": 20}


def fitted(problem: Problem, params: Params, names: Sequence[str]) -> Params:
    """L-BFGS on the exact cost over `names`, from `params` without a replicate axis.

    Raises ValueError for a problem without an oracle.
    """
    if problem.no_oracle is not None:
        raise ValueError(f"fitted({problem}): there is no oracle to minimise: {problem.no_oracle}")
    sizes = [params[name].numel() for name in names]

    def unflat(x: np.ndarray) -> Params:
        parts = torch.from_numpy(x.copy()).split(sizes)
        return {**params, **{n: p.view(params[n].shape) for n, p in zip(names, parts, strict=True)}}

    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        at = unflat(x)
        leaves = {name: at[name].requires_grad_() for name in names}
        exact = problem.exact({**at, **leaves})
        assert exact is not None, "no_oracle was None"
        gradient = gradient_of_sum(exact, leaves)
        return float(exact.detach().sum()), torch.cat([gradient[name].reshape(-1) for name in names]).numpy()

    start = torch.cat([params[name].detach().reshape(-1) for name in names]).numpy()
    return unflat(minimize(objective, start, jac=True, method="L-BFGS-B", options=OPTIONS).x)

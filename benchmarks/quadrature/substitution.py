"""Intercepts draws at the dispatcher, below autograd: a probe lists them, and a grid replaces them by its nodes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

from gradmark.benchmarks.measurement.dispatch import Dispatch
from gradmark.benchmarks.quadrature.replay import is_draw
from gradmark.benchmarks.quadrature.rules import Draw, Unreplaceable, arguments, kind_of, nodes, outcomes_of

PROBE = 101  # replicates of the probe: a prime, of which no other axis is likely to be a multiple


class SharedDraw(Exception):
    """A draw has no axis of replicates, so that all replicates share it."""


class Probe(Dispatch):
    """Lists the operations that draw, with the axis of the replicates and the sites of each."""

    def __init__(self, edges: Tensor | None) -> None:
        super().__init__()
        self.draws: list[Draw] = []
        self.edges = edges

    def __torch_dispatch__(self, func: OpOverload, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if is_draw(func):
            self.draws.append(self._seen(func, arguments(func, args, kwargs or {}), out))
        return out

    def _seen(self, func: OpOverload, call: dict[str, Any], out: Tensor) -> Draw:
        kind = kind_of(func)
        shape = tuple(out.shape)
        axes = [axis for axis, size in enumerate(shape) if size and size % PROBE == 0]
        if not axes:
            raise SharedDraw(f"a draw of shape {list(shape)} ({func._schema.name}) is shared by {PROBE} replicates")
        before, inner, after = shape[: axes[0]], shape[axes[0]] // PROBE, shape[axes[0] + 1 :]
        draw = Draw(func, before, inner, after, kind, outcomes_of(kind, call))
        return replace(draw, edges=self._panels(draw)) if kind == "uniform" else draw

    def _panels(self, draw: Draw) -> tuple[tuple[float, ...], ...]:
        """The panels of each site: edges at p and 1 − p, with the p of the site where the draw has the shape of z."""
        whole = ((0.0, 1.0),) * draw.sites
        if self.edges is None:
            return whole
        shape = (*draw.before, draw.inner, *draw.after)
        probs = self.edges.reshape(-1)
        if tuple(self.edges.shape) == draw.after or (draw.inner == 1 and self.edges.numel() == math.prod(draw.after)):
            probs = probs.reshape(draw.after).expand(shape).reshape(-1)
        elif len(probs) == 1:
            probs = probs.expand(draw.sites)
        else:
            return whole
        return tuple((0.0, min(p, 1 - p), max(p, 1 - p), 1.0) for p in probs.tolist())


class Gridded(Dispatch):
    """Gives every draw the values of its nodes, from digits `[sites, R]`, and multiplies their weights."""

    def __init__(self, draws: list[Draw], digits: list[Tensor], points: int, replicates: int) -> None:
        super().__init__()
        self.left, self.points = list(zip(draws, digits, strict=True)), points
        self.replicates = replicates
        self.weight = torch.ones(replicates, dtype=torch.float64)

    def __torch_dispatch__(self, func: OpOverload, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not is_draw(func):
            return func(*args, **(kwargs or {}))
        call = arguments(func, args, kwargs or {})
        # the draw may overwrite its argument, which its nodes depend on
        kept = {name: value.clone() if isinstance(value, Tensor) else value for name, value in call.items()}
        out = func(*args, **(kwargs or {}))
        if not self.left or self.left[0][0].operation is not func:
            raise Unreplaceable("which draws are made depends on the draws before")
        draw, digits = self.left.pop(0)
        if out.numel() != draw.numbers * self.replicates:
            raise Unreplaceable("how much is drawn depends on the draws before, or on the number of replicates")
        values, weights = nodes(draw, kept, digits, self.points)
        self.weight *= weights.prod(0)
        return out.copy_(draw.by_axis(values, self.replicates))

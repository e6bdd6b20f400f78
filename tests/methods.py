"""Every method of the catalogue with its defaults."""

from __future__ import annotations

import gradmark.estimators as estimators
from gradmark.estimators.core import Estimator

METHODS: list[Estimator] = [getattr(estimators, name)() for name in estimators.__all__]

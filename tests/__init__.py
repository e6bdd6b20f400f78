"""`checked` is named in pyproject.toml, where jaxtyping looks for it in a package alone."""

from tests.shapes import checked

__all__ = ["checked"]

"""How fast a variance is measured: gradmark against a hand-written loop and against other libraries."""

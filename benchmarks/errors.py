"""What a user can get wrong, said in one line."""

from __future__ import annotations


class BadInput(Exception):
    """Input that cannot be used: each line names the call or file, the value and the remedy. Exit status 2."""

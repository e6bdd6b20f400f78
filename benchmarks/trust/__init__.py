"""Counts behind docs/trust.md: how often gradmark was wrong when it was attacked; each module is a command."""

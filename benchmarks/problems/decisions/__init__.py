"""Policies: an agent chooses actions, and the cost is minus the return."""

"""REINFORCE as reinforcement learning writes it, and normalised advantages."""

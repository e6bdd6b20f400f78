"""Distributions that torch lacks, or that need a constructor without validation."""

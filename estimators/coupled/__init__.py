"""Coupled draws of bits: one uniform gives two bits of opposite tendency."""

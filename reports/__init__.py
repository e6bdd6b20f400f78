"""The writing: what a store holds in, pages out; imports no torch."""

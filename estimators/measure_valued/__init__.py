"""Methods that write the gradient of a density as a difference of two densities."""

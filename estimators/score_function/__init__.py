"""Methods that need only the density of z: the cost is evaluated, never differentiated in z."""

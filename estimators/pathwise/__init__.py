"""Methods that differentiate the cost through the draw: z is a smooth function of the parameters and noise."""

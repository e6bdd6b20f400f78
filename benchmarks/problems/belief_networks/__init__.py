"""Networks of binary latent variables."""

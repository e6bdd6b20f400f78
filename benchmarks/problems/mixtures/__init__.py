"""Models with one of finitely many latent states in each row or step."""

"""Auto-encoders with binary latents, small enough to be enumerated: affine or deep, with a prior learned or fixed."""

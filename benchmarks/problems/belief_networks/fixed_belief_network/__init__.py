"""A belief network whose parameters are known: q has free logits for each row, or an encoder's."""

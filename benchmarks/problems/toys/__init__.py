"""Problems in one or few dimensions whose exact gradient has a closed form."""

"""Problems and estimators as users write them: inputs of the checks, each with its right value."""

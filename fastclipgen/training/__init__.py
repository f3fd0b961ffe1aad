"""Training of the built-in models: one loop, one file per model."""

"""Files of weights: published ones by name, is one whole, and what tensors are in it. Nothing in a file is ever run."""

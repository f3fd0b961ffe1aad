"""Files of weights: is it one, is it whole, and what tensors are in it. Nothing in a file is ever run."""

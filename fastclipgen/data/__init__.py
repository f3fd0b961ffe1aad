"""Pictures to learn from: the built-in shapes world."""

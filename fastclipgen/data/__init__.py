"""Pictures to learn from: the built-in shapes world, folders, data sets, shards."""

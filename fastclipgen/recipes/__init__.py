"""CLIPig's YAML grammar, its foundation: expressions, values and times. Knows nothing of targets and pictures."""

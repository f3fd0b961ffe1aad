"""CLIPig's YAML files as runs: what the keys mean, how a file is read, and how it is drawn."""

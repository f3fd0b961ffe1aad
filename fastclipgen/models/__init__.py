"""Networks of the built-in models: plain nn.Modules, no training and no files."""

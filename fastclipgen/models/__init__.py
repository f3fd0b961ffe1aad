"""Networks: plain nn.Modules, no training and no files."""

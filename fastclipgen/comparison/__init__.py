"""Generators side by side: the same prompts and seeds, one sheet, one table."""

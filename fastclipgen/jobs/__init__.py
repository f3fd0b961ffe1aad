"""Batch files: many prompts with settings of their own, drawn together where they can be, resumable at any moment."""

"""Runs behind HTTP: a queue that a page, curl and the Python client share."""

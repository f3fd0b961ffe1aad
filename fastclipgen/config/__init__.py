"""What a run is told: validated settings and their defaults. Loads no torch but in checks.py and resources.py."""

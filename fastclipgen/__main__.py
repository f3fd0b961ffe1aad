"""`python -m fastclipgen`: the command line."""

from fastclipgen.cli import script

if __name__ == "__main__":
    script()

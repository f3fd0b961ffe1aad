"""Whether the pictures are what was asked for: a judge that measures pixels, and the drawing test that employs it."""

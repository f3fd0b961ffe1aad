"""Files: pictures, metadata, videos and grids out, pictures and masks in. Knows nothing of engines or models.

Import from the submodules; this file stays empty so that reading metadata does not load torch.
"""

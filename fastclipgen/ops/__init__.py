"""The numerical ops: Philox draws, cutouts, cosine loss; each with a plain-torch reference that runs on any device."""

"""Pictures drawn token by token: the CLIP-GEN sampler, and the choice of the best of many candidates by CLIP."""

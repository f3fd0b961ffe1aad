"""CLIP-GEN as a run: pictures sampled for prompts, the best of many candidates, perhaps optimised further."""

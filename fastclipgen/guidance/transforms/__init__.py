"""Transforms of frames: what CLIPig does to a picture between the canvas and the perceptor, or after a step."""

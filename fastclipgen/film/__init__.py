"""Many pictures that start from pictures: the frames of a video in another style, an animation of a folder.

This file loads no torch, so that the command line can name the defaults.
"""

STYLE_STEPS = 25  # of a frame: nerdyrodent's video_styler.sh
ROUND_STEPS = 10  # of a picture in a round: clipit's save_every
ROUNDS = 20
BLEND = 128 / 255  # of the picture before it over each, between rounds: clipit's animation_alpha
ANIMATION_FPS = 10.0

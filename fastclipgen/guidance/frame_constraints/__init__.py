"""CLIPig's constraints: losses on the frames that a perceptor is about to see."""

"""What a picture should become: prompt syntax, targets for the perceptors, constraints on the picture itself."""

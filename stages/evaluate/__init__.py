"""Stage `evaluate`: what the trained network is worth, in numbers and in pictures."""

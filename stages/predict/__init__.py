"""Not a stage: answers for new text with the network that `train` left in models/."""

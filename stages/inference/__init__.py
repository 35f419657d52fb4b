"""The trained network in NumPy and SciPy, without TensorFlow: predictions, losses and attributions."""

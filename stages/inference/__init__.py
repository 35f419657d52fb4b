"""The trained network without TensorFlow: its answers, its loss and its attributions, in SciPy and NumPy."""

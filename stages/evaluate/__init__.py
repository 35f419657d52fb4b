"""Stage `evaluate`: what the trained network is worth, in numbers and in pictures."""

import stages.train  # noqa: F401 - sets what TensorFlow reads when it is imported, whoever imports it first

"""Not a stage: answers for new text with the network that `train` left in models/."""

import stages.train  # noqa: F401 - sets what TensorFlow reads when it is imported, whoever imports it first

"""Keras, for what this package does not compute itself."""

import os
import sys
from types import ModuleType


def load(what: str) -> ModuleType:
    """Import Keras, after a line on standard error that says what needs it, since that takes seconds."""
    print(
        f"{what}: computed by Keras, so TensorFlow is imported, which takes some seconds", file=sys.stderr, flush=True
    )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    module: ModuleType = keras
    return module

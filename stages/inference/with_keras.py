"""Import Keras for layers and losses that this package does not compute itself."""

import os
import sys
from types import ModuleType


def load(what: str) -> ModuleType:
    """Import Keras, and say on standard error what needs it, because the import takes seconds."""
    print(f"{what} needs Keras: importing TensorFlow takes some seconds", file=sys.stderr, flush=True)
    # As in stages/train/__init__.py: settings made for other Keras projects do not apply here.
    os.environ |= {"KERAS_BACKEND": "tensorflow", "KERAS_HOME": os.devnull}
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}
    import keras

    module: ModuleType = keras
    return module

"""Stage `train`: fits the network on a hold-out split, then a fresh one on all training rows."""

import os

# TensorFlow reads these variables when it is imported. They switch off log messages and oneDNN's kernels (the matrix
# product too), whose last bits differ from processor to processor. They also set one thread: the operations of a step
# are so small that handing them from thread to thread costs more than it gains. Values that are already set stay.
for _name, _value in {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "TENSORFLOW_USE_CUSTOM_CONTRACTION_KERNEL": "0",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
}.items():
    os.environ.setdefault(_name, _value)

# Settings made for other Keras projects do not apply here, because another backend or float type gives other results.
# Keras takes both from `$KERAS_HOME/keras.json`; in /dev/null it finds none, uses its defaults, and writes nothing.
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["KERAS_HOME"] = os.devnull

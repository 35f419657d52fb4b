"""Stage `train`: fits the network with a hold-out, then a new network on all training rows."""

import os

# TensorFlow reads these variables when it is imported. The results of oneDNN, and of its matrix product, differ between
# processors in the last bits, so both are off, whatever you have set.
os.environ |= {"TF_ENABLE_ONEDNN_OPTS": "0", "TENSORFLOW_USE_CUSTOM_CONTRACTION_KERNEL": "0"}
# These decide how long training takes. Variables that are already set keep their values.
for _name, _value in {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # TensorFlow keeps memory for reuse. Otherwise, it gets the memory for each large tensor anew from the system, which
    # takes most of the time of a step if the first layer has millions of weights.
    "TF_CPU_ALLOCATOR_USE_BFC": "1",
    # One thread for each of the two graphs that run at the same time: one trains, the other validates. The operations
    # of a step are so small that more threads would make it slower.
    "TF_NUM_INTEROP_THREADS": "2",
    "TF_NUM_INTRAOP_THREADS": "1",
}.items():
    os.environ.setdefault(_name, _value)

# Settings made for other Keras projects do not apply here, because another backend or float type gives other results.
# Keras takes both from `$KERAS_HOME/keras.json`; in /dev/null it finds none, uses its defaults, and writes nothing.
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["KERAS_HOME"] = os.devnull

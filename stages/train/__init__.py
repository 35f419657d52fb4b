"""Stage `train`: fits the network on a hold-out split, then a fresh one on all training rows."""

import os

# What TensorFlow reads when it is imported: no log noise; none of oneDNN's kernels, its matrix product included, which
# differ from processor to processor in the last bits; and one thread, since a step is a chain of operations so small
# that handing them from thread to thread costs more than it gains. Values that are set already stay.
for _name, _value in {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "TENSORFLOW_USE_CUSTOM_CONTRACTION_KERNEL": "0",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
}.items():
    os.environ.setdefault(_name, _value)

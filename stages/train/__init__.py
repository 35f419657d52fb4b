"""Stage `train`: fits the network on a hold-out split, then a fresh one on all training rows."""

import os

# Before TensorFlow is imported, which reads them then: its log noise off, and oneDNN's kernels, which differ from
# processor to processor in the last bits, too.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

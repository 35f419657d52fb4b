"""Predict new texts with the network in models/. This is a program, not a stage of the pipeline."""

"""Stage `vectorize`: turns token ids into multi-hot CSR matrices."""

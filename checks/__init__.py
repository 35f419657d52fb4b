"""Checks of the whole project: reproducibility, repair after kills, caching, and undeclared dependencies."""

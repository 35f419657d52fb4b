"""Checks of the whole project, such as `verify`, `kills` and `declared`, and programs that `make` runs beside it."""

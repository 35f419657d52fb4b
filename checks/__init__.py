"""What CI asks of the project beyond its tests: `make verify`, and whether dvc.yaml tells the truth."""

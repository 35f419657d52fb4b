"""The notebook, its peers and this project, side by side: `make bench`, `make bench-scale`."""

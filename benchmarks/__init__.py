"""Benchmarks: `make bench`, `bench-predict`, `bench-read`, `bench-scale` and `ladder`. See docs/performance.md."""

"""Stage `evaluate`: measures the final network on the test split, and writes metrics, charts and pages."""

"""Read reviews from files of many formats, whole or in stretches."""

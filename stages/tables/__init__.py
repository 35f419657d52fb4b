"""Read reviews from files in the shapes in which people have them: rows, and which stretch of a file has them."""

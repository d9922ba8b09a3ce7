"""One verb a file, and the engine that they share."""

"""Images as nodes, and the moving of bytes; knows nothing of jobs."""

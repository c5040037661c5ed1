"""Moving bytes into an image: what to move, how fast, and the threads that do it."""

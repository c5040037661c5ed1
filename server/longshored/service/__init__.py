"""The gRPC edge: translate and stream."""

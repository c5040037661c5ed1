"""The driver of the conformance suite for both Python clients."""

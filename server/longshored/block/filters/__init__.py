"""One behaviour each, in front of a node and with the node's own methods."""

"""qcow2: a page per concern, named as the specification names them."""

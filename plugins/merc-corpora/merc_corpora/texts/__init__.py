"""Published conversations of words, and files that others' tools are trained from: read as they are passed on."""

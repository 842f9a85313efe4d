"""JavaScript in plain CPython, on the user's own event loop: what `isthmus.install()` and `isthmus run` are made of."""

"""Isthmus runs Python Workers on your own machine. Start with ``isthmus dev``."""

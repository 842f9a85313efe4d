"""Stands in for the module of this name in processes that multiprocessing starts under `isthmus run`."""

from isthmus._embed.children import give_way

give_way(__name__)

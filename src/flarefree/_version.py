"""The version, in a module that imports nothing: the package's face leads to every part of it."""

__version__ = "0.1.0"

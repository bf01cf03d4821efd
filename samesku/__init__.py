"""The face: the command line, the embedded real parts and the demo."""

__version__ = "0.1.0"

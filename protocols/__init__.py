"""What crosses a network: samples, frames, topics, acknowledgements.

Pure: nothing in this package opens a file or socket, reads a clock, starts a thread or logs.
"""

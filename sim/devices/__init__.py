"""Emulated devices. Each turns the state of the world into the bytes a real device would send."""

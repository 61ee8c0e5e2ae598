"""A world that speaks real bytes: emulated devices, load and drills."""

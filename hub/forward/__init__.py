"""A hub that passes what it has to a hub above it, or to its standby (docs/forward.md)."""

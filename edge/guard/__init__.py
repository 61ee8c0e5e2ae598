"""Judgement at the edge: what a gateway decides by itself, with no hub. See docs/guard.md."""

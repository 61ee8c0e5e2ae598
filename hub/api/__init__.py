"""HTTP and WebSocket: what screens and other programs see."""

"""What crosses a wire: bytes of devices to samples and back, and the serial ports they come through."""

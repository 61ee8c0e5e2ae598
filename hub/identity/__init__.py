"""Who may send and who may look: device keys, sign-in, sessions."""

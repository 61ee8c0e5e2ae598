"""The live way: frames in, picture and events out."""

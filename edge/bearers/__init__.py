"""Ways a frame can leave the gateway. One file and one table line each."""

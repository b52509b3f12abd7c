"""Small real servers for the protocols we speak southbound: real sockets, real bytes, scripted faults."""

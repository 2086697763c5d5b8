"""Where requests and messages come in: unpack, one service call, answer."""

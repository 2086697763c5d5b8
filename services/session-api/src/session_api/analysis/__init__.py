"""Questions about one image, asked of the runners while a client waits."""

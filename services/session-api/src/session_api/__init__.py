"""Sessions, operations, users and the feed, over HTTP and websocket."""

SERVICE = "session-api"

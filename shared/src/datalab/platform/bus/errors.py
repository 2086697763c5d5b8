"""What the bus client raises."""

from __future__ import annotations

import nats.errors
import nats.js.errors

#: What nats-py raises when the server is away, slow, or refuses; JetStream's own errors and time-outs are among them.
BUS_ERRORS = (nats.errors.Error, OSError)

"""Pictures of frames that nobody sent: asked for, and noted when they are made."""

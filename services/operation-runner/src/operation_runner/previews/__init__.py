"""Pictures of frames that nobody sent."""

"""Frames that go: because their time has come, or because somebody who may has asked for it."""

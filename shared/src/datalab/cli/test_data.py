"""`datalab populate-test-data`: something to try clients with."""

from __future__ import annotations


def populate_test_data() -> None:
    """Make a user with two sessions of operations on simulated frames, for trying clients out; safe to repeat.

    The user is `test_user`, the password `test_pass`, a token `123456789abcdefg`: everybody knows them, so that only a
    system of this machine is given them, one that nobody else reaches.
    """
    from datalab.cli.work.test_data import populate  # noqa: PLC0415 - loaded when called

    populate()

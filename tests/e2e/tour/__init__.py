"""Tests of one running system: they form a package so that it ends when the last of them has."""

"""Images on a common grid."""

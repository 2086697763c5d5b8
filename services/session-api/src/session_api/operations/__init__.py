"""Operations: requested, followed, shown, cancelled, deleted."""

"""Operations for tests of the runner: slow, greedy, broken. Offered by `DATALAB_OPERATION_PACKAGES`."""

"""Steps that several operations share: they know the SDK and astronomy only, as operations do."""

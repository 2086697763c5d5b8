"""Jobs: what users ask observatories to do, in order, each handed out once."""

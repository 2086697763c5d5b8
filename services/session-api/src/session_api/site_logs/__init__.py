"""What the software of sites says in words: what it does, and what comes next."""

"""What people decided, read from ``config/``: policy, FAQ, texts."""

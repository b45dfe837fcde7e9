"""The commands. Exit status 0: done; 1: a setting, ``config/``, a model or a server is at fault; 2: an input cannot be
read; 3: the figures do not suffice."""

"""Privacy: export, deletion, retention."""

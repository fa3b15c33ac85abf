"""The checks of everything that isn't rows, one a module; `examine` lists them."""

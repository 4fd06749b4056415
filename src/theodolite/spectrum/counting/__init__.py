"""How eigenvalues are counted by quadrature."""

"""How one Hessian-vector product is computed."""

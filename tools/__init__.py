"""Tools for developing kai-ansible; operators do not need them."""

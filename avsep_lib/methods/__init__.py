"""Separation methods behind one interface; see `avsep_lib.methods.base`."""

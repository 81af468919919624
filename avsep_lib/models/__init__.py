"""Networks: the shared U-Net, the HFRA separator built on it, and a trainable visual backbone."""

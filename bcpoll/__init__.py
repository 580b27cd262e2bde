"""bcpoll brings BigCommerce orders into Lightspeed Retail X-Series. This module owns the version, nothing else."""

__version__ = "0.1.0"

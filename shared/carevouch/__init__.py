"""Health services in Python of which every act is provable."""

__version__ = "0.1.0"

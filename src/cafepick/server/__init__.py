"""HTTP and the web page: what a sorting table and a machine need, over one API (``docs/api.md``)."""

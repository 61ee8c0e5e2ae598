"""The agent on a gateway: samples -> pace -> spool -> frames -> bearers."""

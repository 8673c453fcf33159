"""The paths of ``/api/v1``, thin: check, ask the station, answer."""

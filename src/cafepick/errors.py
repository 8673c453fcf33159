"""Every error that cafepick raises on purpose.

    CafepickError
    ├── ConfigError          a setting is out of range, or two settings contradict each other
    ├── InputError           what was given cannot be used
    │   ├── SourceError      a folder, glob, annotation or label file holds nothing usable
    │   └── PhotoError       one photo cannot be read: missing, corrupt, truncated, too large
    ├── OutputError          a file or folder cannot be written
    ├── DownloadError        a file could not be fetched whole and verified
    ├── TrainingError        training cannot start or go on
    │   └── CheckpointError  a run folder cannot be continued from
    ├── ArtefactError        a *.cafepick file is foreign, damaged, changed or too new
    ├── ExportError          an exported model does not judge as the trained one does
    ├── CalibrationError     the good subjects do not support the verdict asked for
    └── MissingExtraError    a command needs an optional dependency that is not installed

Each message says what was needed, what came and what to do about it.
"""


class CafepickError(Exception):
    """Base of all errors raised on purpose; the command line prints its message and exits with 1."""


class ConfigError(CafepickError):
    """A setting is out of range, or two settings contradict each other."""


class InputError(CafepickError):
    """What was given cannot be used."""


class SourceError(InputError):
    """A folder, glob, annotation or label file holds nothing usable."""


class PhotoError(InputError):
    """One photo cannot be read."""


class OutputError(CafepickError):
    """A file or folder cannot be written."""


class DownloadError(CafepickError):
    """A file could not be fetched whole and verified."""


class TrainingError(CafepickError):
    """Training cannot start or go on."""


class CheckpointError(TrainingError):
    """A run folder cannot be continued from."""


class ArtefactError(CafepickError):
    """A ``*.cafepick`` file is foreign, damaged, changed or too new."""


class ExportError(CafepickError):
    """An exported model does not judge as the trained one does."""


class CalibrationError(CafepickError):
    """The good subjects do not support the verdict asked for."""


class MissingExtraError(CafepickError):
    """A command needs an optional dependency that is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"this needs {package}, which is not installed: run  pip install 'cafepick[{extra}]'")
        self.package = package
        self.extra = extra

"""Errors that a user can cause: one line that says what is wrong, the value, and what would be right."""


class InputError(ValueError):
    """Report something in the user's input or world that the user can mend; the message is one line."""


class SpecMismatchError(InputError):
    """Report a store that was made from another spec than the one asked for."""


class IncompleteStoreError(InputError):
    """Report a store whose last unit is not committed yet; the message holds the command that finishes it."""


class DamagedStoreError(InputError):
    """Report a store whose objects are missing, cut or fail their checksum; the message names the first of them."""


class NewerSchemaError(InputError):
    """Report a file of a schema version that this installation does not know; the message names both versions."""


class LockedStoreError(InputError):
    """Report a store that another process is writing; the message names the lock."""


class MissingExtraError(InputError):
    """Report an optional package that is not installed; the message gives the install command."""

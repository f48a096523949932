"""Every SQL statement on the tables of the extension.

The first parameter of a function says who owns the transaction:

- ``session`` (or ``connection``): the caller does. The function runs statements and never
  commits, so that callers can combine several changes in one transaction. All functions that
  change the state of an execution are of this kind.
- ``app_state``: the function does. It opens its own session or transaction, which has ended when
  the function returns. All functions that only read for a caller without a transaction are of
  this kind, and so are complete units of work, such as starting an attempt.

Functions that only build SQL take ``models`` or a table and run nothing.
"""

"""What a case is allowed to do, as functions over frozen values.

Pure: no Django, no database, no files, no clock. Callers pass text, facts and the
moment in; values, decisions and errors come out.
"""

"""Pages: server-rendered, for each role.  They ask `commands` and read `queries`, and decide nothing."""

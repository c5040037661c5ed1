"""Six small programs that use the library; `run NAME` starts one."""

#!/bin/sh
# usage: check_symbols.sh OBJECT...
# Fails where the object of an instruction set defines a function that the linker may share with the
# rest of the program: other processors would then run code that they do not understand.
status=0
for object in "$@"; do
  case $object in */simd/*) ;; *) continue ;; esac
  shared=$(nm --defined-only --demangle "$object" | grep -E ' [WVu] ' | grep -v DW.ref.)
  if [ -n "$shared" ]; then
    echo "$object shares:"
    echo "$shared"
    status=1
  fi
done
exit $status

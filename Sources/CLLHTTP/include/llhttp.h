// llhttp's own header, wherever the system keeps it: installed as a library (Debian 13, Fedora, Homebrew),
// or as the C sources that Debian 12's node-llhttp ships. llhttp.c includes "llhttp.h" and finds this file first.
#pragma once
#if __has_include("/usr/share/include/llhttp/llhttp.h")
#include "/usr/share/include/llhttp/llhttp.h"
#else
#include_next <llhttp.h>
#endif

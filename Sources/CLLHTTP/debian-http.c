// Compiles Debian's llhttp source, which lies outside the package, without any unsafe build flag.
// Where llhttp is installed as a library instead, this file is empty.
#if !defined(LLHTTP_STRICT_MODE) || LLHTTP_STRICT_MODE != 1
#error "llhttp must be built strict: loose mode accepts request smuggling (CVE-2023-30589, CVE-2025-23167)"
#endif
#if __has_include("/usr/share/llhttp/http.c")
#include "/usr/share/llhttp/http.c"
#endif

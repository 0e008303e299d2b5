// What the sanitizers are not to report, for binaries that link Paho: its libraries are not built with them, so that
// ThreadSanitizer does not see the atomics inside (the last owner of a token frees it, and that looks like a race), and
// Paho C 1.3.12 does leak: a QoS 0 message that was half written when its client was destroyed.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)

extern "C" const char* __tsan_default_suppressions();  // NOLINT: the sanitizers' own names
extern "C" const char* __lsan_default_suppressions();  // NOLINT

extern "C" const char* __tsan_default_suppressions() {  // NOLINT
  return "race:libpaho-mqttpp3.so\n"
         "race:libpaho-mqtt3as.so\n";
}

extern "C" const char* __lsan_default_suppressions() { return "leak:libpaho-mqtt3as.so\n"; }  // NOLINT

#endif

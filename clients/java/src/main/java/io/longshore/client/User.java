package io.longshore.client;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Who this process is. */
final class User {
  private User() {}

  static long id() {
    try {
      return ((Number) Files.getAttribute(Path.of("/proc/self"), "unix:uid")).longValue();
    } catch (IOException | UnsupportedOperationException | IllegalArgumentException unknown) {
      return -1; // as anyone but root: the address has to be given, or its directory
    }
  }
}

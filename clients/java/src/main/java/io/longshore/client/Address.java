package io.longshore.client;

import java.util.function.UnaryOperator;

/** Where the daemon listens: {@code unix:PATH} or {@code HOST:PORT}. */
final class Address {
  private static final String UNIX = "unix:";

  private Address() {}

  /**
   * That of the environment, else the socket where a daemon makes it: root's in
   * /run/longshore, anyone else's in the user's runtime directory.
   */
  static String usual(UnaryOperator<String> environment, long uid) {
    String given = environment.apply("LONGSHORE_ADDRESS");
    if (given != null && !given.isEmpty()) {
      return given;
    }
    if (uid == 0) {
      return "unix:/run/longshore/longshored.sock";
    }
    String runtime = environment.apply("XDG_RUNTIME_DIR");
    if (runtime == null || runtime.isEmpty()) {
      runtime = "/tmp/longshore-" + uid;
    }
    return UNIX + runtime + "/longshore/longshored.sock";
  }

  /** The address in its one spelling. */
  static String check(String address) {
    if (isLocal(address)) {
      String path = path(address);
      if (!path.startsWith("/")) {
        throw new IllegalArgumentException("unix:PATH needs an absolute path, not " + path);
      }
      return UNIX + path;
    }
    int colon = address.lastIndexOf(':');
    String port = address.substring(colon + 1);
    if (colon < 1 || !port.matches("[0-9]{1,9}") || !isPort(Integer.parseInt(port))) {
      throw new IllegalArgumentException("address must be unix:PATH or HOST:PORT, not " + address);
    }
    return address;
  }

  private static boolean isPort(int port) {
    return 0 < port && port < 65536;
  }

  static boolean isLocal(String address) {
    return address.startsWith(UNIX);
  }

  static String path(String address) {
    String path = address.substring(UNIX.length());
    return path.startsWith("//") ? path.substring(2) : path;
  }
}

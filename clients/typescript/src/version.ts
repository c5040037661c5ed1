/** The version of this package, which is the daemon's too. */
export const VERSION = "0.1.0";

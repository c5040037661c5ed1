package io.longshore.client;

import io.longshore.v1.BlockJobInfo;
import io.longshore.v1.BlockPullJob;
import io.longshore.v1.ImageRef;
import io.longshore.v1.JobInfo;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.UUID;

/** Requests from plain arguments. */
public final class Requests {
  private static final SecureRandom RANDOM = new SecureRandom();

  private Requests() {}

  /** An image by its path. */
  public static ImageRef qcow2(Path path) {
    return qcow2(path.toString());
  }

  /** An image by its path or URI. */
  public static ImageRef qcow2(String uri) {
    return ImageRef.newBuilder().setUri(uri).setFormat("qcow2").build();
  }

  /** The job that populates {@code top} from its whole backing chain. */
  public static JobInfo pull(ImageRef top) {
    return pull(BlockPullJob.Spec.newBuilder().setTop(top).build());
  }

  /** The same, down to {@code base}, which stays its backing file. */
  public static JobInfo pull(ImageRef top, ImageRef base) {
    return pull(BlockPullJob.Spec.newBuilder().setTop(top).setBase(base).build());
  }

  private static JobInfo pull(BlockPullJob.Spec spec) {
    var pull = BlockPullJob.newBuilder().setSpec(spec);
    return JobInfo.newBuilder().setBlock(BlockJobInfo.newBuilder().setPull(pull)).build();
  }

  /** A UUIDv7 (RFC 9562): a create that is sent again makes no second job. */
  static String newId() {
    long high = System.currentTimeMillis() << 16 | 7 << 12 | RANDOM.nextInt(1 << 12);
    long low = RANDOM.nextLong() >>> 2 | 1L << 63;
    return new UUID(high, low).toString();
  }
}

package io.longshore.client;

import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.longshore.v1.JobServiceGrpc;
import io.longshore.v1.WatchJobsRequest;
import io.longshore.v1.WatchJobsResponse;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Queue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * One stream of frames, read by one thread, which also does the work of gRPC's callbacks:
 * no frame changes threads twice. Only a few frames are on their way to a slow reader.
 */
final class Stream extends ClientCall.Listener<WatchJobsResponse> {
  private static final int AHEAD = 4; // frames

  private final ClientCall<WatchJobsRequest, WatchJobsResponse> call;
  private final BlockingQueue<Runnable> work = new LinkedBlockingQueue<>();
  private final Queue<WatchJobsResponse> frames = new ArrayDeque<>();
  private Status status; // null until it has ended
  private Metadata trailers;

  private Stream(ManagedChannel channel) {
    var options = CallOptions.DEFAULT.withExecutor(work::add);
    call = channel.newCall(JobServiceGrpc.getWatchJobsMethod(), options);
  }

  static Stream open(ManagedChannel channel, WatchJobsRequest request) {
    Stream stream = new Stream(channel);
    // A connection that has failed is tried again now: the delays are the watch's.
    channel.resetConnectBackoff();
    stream.call.start(stream, new Metadata());
    stream.call.request(AHEAD);
    stream.call.sendMessage(request);
    stream.call.halfClose();
    return stream;
  }

  /** From any thread. */
  void cancel() {
    call.cancel("the watch was left", null);
  }

  /** The next frame; null at an end without an error. Silence is an error. */
  WatchJobsResponse next(Duration silence) throws InterruptedException {
    long until = System.nanoTime() + silence.toNanos();
    while (frames.isEmpty() && status == null) {
      Runnable next = work.poll(until - System.nanoTime(), TimeUnit.NANOSECONDS);
      if (next == null) {
        cancel();
        throw new LongshoreException.ConnectionFailed("the watch has gone silent", null);
      }
      next.run();
    }
    if (!frames.isEmpty()) {
      call.request(1);
      return frames.poll();
    }
    if (status.isOk()) {
      return null;
    }
    throw Errors.typed(new StatusRuntimeException(status, trailers));
  }

  @Override
  public void onMessage(WatchJobsResponse frame) {
    frames.add(frame);
  }

  @Override
  public void onClose(Status ended, Metadata last) {
    status = ended;
    trailers = last;
  }
}

package io.longshore.client;

import io.grpc.ManagedChannel;
import io.longshore.v1.Cursor;
import io.longshore.v1.WatchJobsResponse;
import java.time.Duration;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * A watch that goes on by itself: after a cut, a restart, a silence of three heartbeats.
 * One thread reads it. Close it, best by try-with-resources: that ends the call to the
 * daemon.
 */
public final class Watch implements Iterator<Value>, AutoCloseable {
  private final ManagedChannel channel;
  private final Watcher watcher;
  private final Consumer<Watch> forget;
  private final CountDownLatch closed = new CountDownLatch(1);
  private volatile Stream stream;
  private long began; // of the stream
  private Value next;

  Watch(ManagedChannel channel, WatchOptions how, Consumer<Watch> forget) {
    this.channel = channel;
    this.watcher = new Watcher(how, () -> ThreadLocalRandom.current().nextDouble());
    this.forget = forget;
  }

  /**
   * Everything up to here was handed out and the next value asked for: to leave in between
   * repeats a value rather than losing one. Empty before a snapshot.
   */
  public Optional<Cursor> cursor() {
    return Optional.ofNullable(watcher.cursor());
  }

  /** Ends the watch; from any thread, at any time. */
  @Override
  public void close() {
    closed.countDown();
    Stream open = stream;
    if (open != null) {
      open.cancel();
    }
    forget.accept(this);
  }

  /** Waits for the next value. False when all is said, or the watch was closed. */
  @Override
  public boolean hasNext() {
    if (next != null) {
      return true;
    }
    boolean isOver = true;
    try {
      next = advance();
      isOver = next == null;
    } catch (InterruptedException interrupt) {
      Thread.currentThread().interrupt();
      throw new CancellationException("interrupted");
    } finally {
      if (isOver) {
        close();
      }
    }
    return !isOver;
  }

  @Override
  public Value next() {
    if (!hasNext()) {
      throw new NoSuchElementException();
    }
    Value found = next;
    next = null;
    return found;
  }

  private Value advance() throws InterruptedException {
    while (!isClosed()) {
      Value found = watcher.next();
      if (found != null) {
        return found;
      }
      if (watcher.isFinished()) {
        return null;
      }
      read();
    }
    return null;
  }

  private boolean isClosed() {
    return closed.getCount() == 0;
  }

  /** One frame, or one end of a stream and the pause after it. */
  private void read() throws InterruptedException {
    Duration delay;
    try {
      if (stream == null) {
        open();
      }
      WatchJobsResponse frame = stream.next(watcher.silence());
      if (frame != null) {
        watcher.frame(frame);
        return;
      }
      delay = isClosed() ? Duration.ZERO : watcher.closed(lived());
    } catch (LongshoreException error) {
      delay = isClosed() ? Duration.ZERO : watcher.failed(error, lived());
    }
    stream = null;
    closed.await(delay.toNanos(), TimeUnit.NANOSECONDS);
  }

  private void open() {
    began = System.nanoTime();
    stream = Stream.open(channel, watcher.request());
    if (isClosed()) {
      stream.cancel();
    }
  }

  private Duration lived() {
    return Duration.ofNanos(System.nanoTime() - began);
  }
}

package io.longshore.client;

import io.grpc.CallOptions;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import io.longshore.v1.CreateImageRequest;
import io.longshore.v1.CreateJobGroupRequest;
import io.longshore.v1.CreateJobRequest;
import io.longshore.v1.GetCapabilitiesRequest;
import io.longshore.v1.GetCapabilitiesResponse;
import io.longshore.v1.GetImageRequest;
import io.longshore.v1.Image;
import io.longshore.v1.ImageRef;
import io.longshore.v1.ImageServiceGrpc;
import io.longshore.v1.Job;
import io.longshore.v1.JobPlan;
import io.longshore.v1.JobServiceGrpc;
import io.longshore.v1.ListJobsRequest;
import io.longshore.v1.MapExtent;
import io.longshore.v1.MapImageRequest;
import io.longshore.v1.PlanJobRequest;
import io.longshore.v1.SystemServiceGrpc;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

/** One daemon. Threads may share it; close it. It connects when first used. */
public final class Client implements AutoCloseable {
  /** That of the daemon which this client was made with. */
  public static final String VERSION = "0.1.0";

  static final Duration UNARY = Duration.ofSeconds(10);
  // It looks at files and waits for a disk.
  static final Duration CREATE = Duration.ofSeconds(30);

  private static final int TRIES = 4;

  private final String address;
  private final Connection control;
  // A stream that nobody reads must not hold up a cancel.
  private final Connection watching;
  private final Set<Watch> watches = ConcurrentHashMap.newKeySet();
  private volatile boolean isClosed;

  /** At LONGSHORE_ADDRESS or the usual socket, with the credentials of the environment. */
  public Client() {
    this(null, null);
  }

  /** At {@code unix:PATH} or {@code HOST:PORT}, with the credentials of the environment. */
  public Client(String address) {
    this(address, null);
  }

  /**
   * The daemon at {@code unix:PATH} or {@code HOST:PORT}. What is null is that of the
   * environment.
   *
   * @throws IllegalArgumentException for what is no address, and credentials without sense
   * @throws java.io.UncheckedIOException if their files cannot be read
   */
  public Client(String address, Credentials who) {
    this.address =
        Address.check(address == null ? Address.usual(System::getenv, User.id()) : address);
    Credentials ours = who == null ? Credentials.fromEnvironment() : who;
    ours.check(this.address);
    control = Connection.to(this.address, ours);
    watching = Connection.to(this.address, ours);
  }

  public String address() {
    return address;
  }

  /** For the generated stubs: what this client does not offer. */
  public ManagedChannel channel() {
    return control.channel;
  }

  /** Ends every watch and every call. */
  @Override
  public void close() {
    isClosed = true;
    watches.forEach(Watch::close);
    control.close();
    watching.close();
  }

  // Jobs

  /** A handle on a job; asks nothing of the daemon yet. */
  public JobHandle job(String jobId) {
    return new JobHandle(this, jobId, null, false, 0);
  }

  /**
   * Starts a job of any kind. It is sent again when an answer is lost, and made once: a
   * request without a request id is given one.
   */
  public JobHandle create(CreateJobRequest request) {
    CreateJobRequest.Builder filled = request.toBuilder();
    if (request.getRequestId().isEmpty()) {
      filled.setRequestId(Requests.newId());
    }
    var answer = ask(JobServiceGrpc.getCreateJobMethod(), filled.build(), CREATE);
    boolean isNew = !answer.getReplayed() && !answer.getExisting();
    return new JobHandle(this, answer.getJob().getJobId(), answer.getJob(), isNew, 0);
  }

  /** Starts jobs that become visible together or not at all; else as {@link #create}. */
  public List<JobHandle> createGroup(CreateJobGroupRequest request) {
    CreateJobGroupRequest.Builder filled = request.toBuilder();
    if (request.getRequestId().isEmpty()) {
      filled.setRequestId(Requests.newId());
    }
    var answer = ask(JobServiceGrpc.getCreateJobGroupMethod(), filled.build(), CREATE);
    return answer.getJobsList().stream()
        .map(job -> new JobHandle(this, job.getJobId(), job, !answer.getReplayed(), 0))
        .toList();
  }

  /** What a job would do; nothing happens. */
  public JobPlan plan(CreateJobRequest request) {
    var asked = PlanJobRequest.newBuilder().setRequest(request).build();
    return ask(JobServiceGrpc.getPlanJobMethod(), asked, CREATE).getPlan();
  }

  /** All jobs, newest first; pages are fetched as they are needed. */
  public Iterable<Job> list(ListJobsRequest request) {
    return () ->
        new Pages<>(
            token -> {
              var asked = request.toBuilder().setPageToken(token).build();
              var page = ask(JobServiceGrpc.getListJobsMethod(), asked, CREATE);
              return new Pages.Page<>(page.getJobsList(), page.getNextPageToken());
            });
  }

  /** The jobs as they are, then every change. */
  public Watch watch(WatchOptions how) {
    Watch watch = new Watch(watching.channel, how, watches::remove);
    watches.add(watch);
    if (isClosed) {
      watch.close();
    }
    return watch;
  }

  // Images and the daemon itself

  /** An image and the chain below it, even while it is in use. */
  public Image image(ImageRef image, ImageRef... chain) {
    var asked =
        GetImageRequest.newBuilder().setImage(image).addAllBackingChain(List.of(chain)).build();
    return ask(ImageServiceGrpc.getGetImageMethod(), asked, CREATE).getImage();
  }

  /** The extents of an image through its chain, in order; pages as in {@link #list}. */
  public Iterable<MapExtent> map(MapImageRequest request) {
    return () ->
        new Pages<>(
            token -> {
              var asked = request.toBuilder().setPageToken(token).build();
              var page = ask(ImageServiceGrpc.getMapImageMethod(), asked, CREATE);
              return new Pages.Page<>(page.getExtentsList(), page.getNextPageToken());
            });
  }

  /** Makes an empty image or an overlay. Not sent twice: it may exist then. */
  public Image createImage(CreateImageRequest request) {
    return once(ImageServiceGrpc.getCreateImageMethod(), request, CREATE).getImage();
  }

  /** What the daemon is and can do. */
  public GetCapabilitiesResponse capabilities() {
    var asked = GetCapabilitiesRequest.getDefaultInstance();
    return ask(SystemServiceGrpc.getGetCapabilitiesMethod(), asked, UNARY);
  }

  // Calls

  /** Calls, and calls again where that makes sense. */
  <Q, A> A ask(MethodDescriptor<Q, A> method, Q request, Duration limit) {
    return ask(method, request, request, limit);
  }

  /** The same; {@code repeat} is what to send when an answer was lost. */
  <Q, A> A ask(MethodDescriptor<Q, A> method, Q request, Q repeat, Duration limit) {
    Q next = request;
    for (int attempt = 1; ; attempt++) {
      try {
        return once(method, next, limit);
      } catch (LongshoreException error) {
        Duration delay = Times.retryDelay(error, attempt);
        if (delay == null || attempt >= TRIES) {
          throw error;
        }
        sleep(delay);
        next = repeat;
      }
    }
  }

  <Q, A> A once(MethodDescriptor<Q, A> method, Q request, Duration limit) {
    refuseIfClosed();
    // A connection that has failed is tried again by the call, not some seconds later.
    control.channel.resetConnectBackoff();
    var options = CallOptions.DEFAULT.withDeadlineAfter(limit.toNanos(), TimeUnit.NANOSECONDS);
    try {
      return ClientCalls.blockingUnaryCall(control.channel, method, options, request);
    } catch (StatusRuntimeException error) {
      refuseIfClosed();
      throw Errors.typed(error);
    }
  }

  private void refuseIfClosed() {
    if (isClosed) {
      throw new IllegalStateException("this client is closed");
    }
  }

  static void sleep(Duration delay) {
    try {
      TimeUnit.NANOSECONDS.sleep(delay.toNanos());
    } catch (InterruptedException interrupt) {
      Thread.currentThread().interrupt();
      throw new CancellationException("interrupted");
    }
  }
}

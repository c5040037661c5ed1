package io.longshore.client;

import com.google.protobuf.FieldMask;
import io.longshore.v1.CancelJobRequest;
import io.longshore.v1.CompleteJobRequest;
import io.longshore.v1.CompletionMode;
import io.longshore.v1.DismissJobRequest;
import io.longshore.v1.FinalizeJobRequest;
import io.longshore.v1.GetJobRequest;
import io.longshore.v1.Job;
import io.longshore.v1.JobOptions;
import io.longshore.v1.JobSelector;
import io.longshore.v1.JobServiceGrpc;
import io.longshore.v1.PauseJobRequest;
import io.longshore.v1.ResumeJobRequest;
import io.longshore.v1.UpdateJobRequest;
import io.grpc.MethodDescriptor;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/** A job by its id. */
public final class JobHandle {
  private static final String SPEED = "speed_bytes_per_second";

  final Client client;
  private final String jobId;
  private final Job created;
  private final boolean isNew;
  private final long revision;

  JobHandle(Client client, String jobId, Job created, boolean isNew, long revision) {
    this.client = client;
    this.jobId = jobId;
    this.created = created;
    this.isNew = isNew;
    this.revision = revision;
  }

  public String jobId() {
    return jobId;
  }

  /** The job as the answer to its create had it; empty on a handle by id. */
  public Optional<Job> created() {
    return Optional.ofNullable(created);
  }

  /** That create made it; false if an earlier one had done so. */
  public boolean isNew() {
    return isNew;
  }

  /** A handle whose verbs throw Conflict if the job has changed since this revision. */
  public JobHandle atRevision(long expected) {
    return new JobHandle(client, jobId, created, isNew, expected);
  }

  public Job get() {
    var request = GetJobRequest.newBuilder().setJobId(jobId).build();
    return client.ask(JobServiceGrpc.getGetJobMethod(), request, Client.UNARY).getJob();
  }

  /** Stops it at its next checkpoint. */
  public Job pause() {
    return pause("");
  }

  /** The same; the comment is shown in the job. */
  public Job pause(String comment) {
    var request = PauseJobRequest.newBuilder().setJobId(jobId).setComment(comment);
    return verb(
        JobServiceGrpc.getPauseJobMethod(),
        request.setExpectedRevision(revision).build(),
        answer -> answer.getJob());
  }

  /** Takes a user's pause back, and one of the error policy. */
  public Job resume() {
    var request = ResumeJobRequest.newBuilder().setJobId(jobId).setExpectedRevision(revision);
    return verb(
        JobServiceGrpc.getResumeJobMethod(), request.build(), answer -> answer.getJob());
  }

  /** Asks for the end of the job, which may be faster and succeed. */
  public Job cancel() {
    return cancel("", false);
  }

  /** The same; {@code force} does not wait for a backend that does not answer. */
  public Job cancel(String comment, boolean force) {
    var request = CancelJobRequest.newBuilder().setJobId(jobId).setComment(comment);
    return verb(
        JobServiceGrpc.getCancelJobMethod(),
        request.setForce(force).setExpectedRevision(revision).build(),
        answer -> answer.getJob());
  }

  /** Cancels, and returns when the end has come, one way or another. */
  public Job cancelAndAwait(String comment, boolean force) {
    cancel(comment, force);
    return await(WaitOptions.forEnd().orFailure());
  }

  /** Ends a READY job well. */
  public Job complete(CompletionMode mode) {
    var request = CompleteJobRequest.newBuilder().setJobId(jobId).setMode(mode);
    return verb(
        JobServiceGrpc.getCompleteJobMethod(),
        request.setExpectedRevision(revision).build(),
        answer -> answer.getJob());
  }

  /** Makes the result of a PENDING job visible. */
  public Job finalizeJob() {
    var request = FinalizeJobRequest.newBuilder().setJobId(jobId).setExpectedRevision(revision);
    return verb(
        JobServiceGrpc.getFinalizeJobMethod(), request.build(), answer -> answer.getJob());
  }

  /** Forgets a finished job and answers its last word. */
  public Job dismiss() {
    return dismiss(false).orElse(Job.getDefaultInstance());
  }

  /** The same; if it may be missing, empty when it was gone. */
  public Optional<Job> dismiss(boolean allowMissing) {
    var request =
        DismissJobRequest.newBuilder()
            .setJobId(jobId)
            .setAllowMissing(allowMissing)
            .setExpectedRevision(revision)
            .build();
    // If the first answer was lost the job may be gone by now, as it should be.
    var repeat = request.toBuilder().setAllowMissing(true).build();
    var method = JobServiceGrpc.getDismissJobMethod();
    var answer =
        revision == 0
            ? client.ask(method, request, repeat, Client.UNARY)
            : client.once(method, request, Client.UNARY);
    return answer.hasJob() ? Optional.of(answer.getJob()) : Optional.empty();
  }

  /** Changes the rate limit of the job now. */
  public Job setSpeed(long bytesPerSecond) {
    var options = JobOptions.newBuilder().setSpeedBytesPerSecond(bytesPerSecond).build();
    return update(options, List.of(SPEED));
  }

  /** Takes the rate limit of the job away. */
  public Job clearSpeed() {
    return update(JobOptions.getDefaultInstance(), List.of(SPEED));
  }

  /** Changes the options that are set. */
  public Job update(JobOptions options) {
    return update(options, null);
  }

  /** Changes those that the paths name: one that is named and not set is taken back. */
  public Job update(JobOptions options, List<String> paths) {
    var request = UpdateJobRequest.newBuilder().setJobId(jobId).setOptions(options);
    if (paths != null) {
      request.setUpdateMask(FieldMask.newBuilder().addAllPaths(paths));
    }
    return verb(
        JobServiceGrpc.getUpdateJobMethod(),
        request.setExpectedRevision(revision).build(),
        answer -> answer.getJob());
  }

  /** Waits for the end, however long that takes. */
  public Job await() {
    return await(WaitOptions.forEnd());
  }

  /** The same, for so long. */
  public Job await(Duration timeout) {
    return await(WaitOptions.forEnd().within(timeout));
  }

  /**
   * Waits until the job has ended, or is in one of the states. A restart of the daemon is
   * waited through: jobs survive it.
   *
   * @throws LongshoreException.JobEnded if it ended without success
   * @throws LongshoreException.WaitTimeout if it goes on
   */
  public Job await(WaitOptions how) {
    return new Waiting(client, jobId, how).run();
  }

  /** This job's changes, to its end. */
  public Watch watch() {
    return watch(WatchOptions.all());
  }

  /** The same; the selector is set here. */
  public Watch watch(WatchOptions how) {
    var selector = JobSelector.newBuilder().addJobIds(jobId).build();
    return client.watch(how.select(selector).stopWhenFinished());
  }

  /**
   * A call whose answer holds the job. All of them may be repeated, but not one that
   * expects a revision: it would meet the revision that it made itself.
   */
  private <Q, A> Job verb(MethodDescriptor<Q, A> method, Q request, Function<A, Job> job) {
    return job.apply(
        revision == 0
            ? client.ask(method, request, Client.UNARY)
            : client.once(method, request, Client.UNARY));
  }
}

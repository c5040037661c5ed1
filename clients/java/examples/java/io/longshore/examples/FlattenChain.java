package io.longshore.examples;

import io.longshore.client.Client;
import io.longshore.client.LongshoreException;
import io.longshore.client.Requests;
import io.longshore.v1.CreateJobRequest;
import io.longshore.v1.ImageLink;

/**
 * Pulls a chain down to one of its images and shows what is left of it: flatten_chain BASE
 * TOP.
 */
public final class FlattenChain {
  private FlattenChain() {}

  public static void main(String[] arguments) {
    var base = Requests.qcow2(arguments[0]);
    var top = Requests.qcow2(arguments[1]);
    var request = CreateJobRequest.newBuilder().setInfo(Requests.pull(top, base)).build();
    try (Client client = new Client()) {
      client.create(request).await();
      for (ImageLink link : client.image(top).getChainList()) {
        System.out.println(link.getUri());
      }
    } catch (LongshoreException error) {
      System.err.println(error.getMessage());
      System.exit(1);
    }
  }
}

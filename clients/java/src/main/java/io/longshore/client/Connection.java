package io.longshore.client;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ChannelCredentials;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.shaded.io.netty.channel.EventLoopGroup;
import io.grpc.netty.shaded.io.netty.channel.epoll.EpollDomainSocketChannel;
import io.grpc.netty.shaded.io.netty.channel.epoll.EpollEventLoopGroup;
import io.grpc.netty.shaded.io.netty.channel.unix.DomainSocketAddress;
import io.grpc.netty.shaded.io.netty.util.concurrent.DefaultThreadFactory;
import java.util.concurrent.TimeUnit;

/** One connection to a daemon, which comes about when it is first used. */
final class Connection implements AutoCloseable {
  private static final int MESSAGE_BYTES = 16 << 20;
  private static final int METADATA_BYTES = 64 << 10;

  final ManagedChannel channel;
  private final Credentials who;
  private final EventLoopGroup loop; // of a unix socket alone

  private Connection(NettyChannelBuilder builder, Credentials who, EventLoopGroup loop) {
    this.who = who;
    this.loop = loop;
    this.channel =
        builder
            .intercept(new Introduction())
            // The daemon allows a ping every 5 s; 30 s is far from that, and quick enough
            // to see a dead peer.
            .keepAliveTime(30, TimeUnit.SECONDS)
            .keepAliveTimeout(10, TimeUnit.SECONDS)
            .maxInboundMessageSize(MESSAGE_BYTES)
            .maxInboundMetadataSize(METADATA_BYTES)
            // Retries are ours, so that every language agrees.
            .disableRetry()
            .disableServiceConfigLookUp()
            .build();
  }

  static Connection to(String address, Credentials who) {
    ChannelCredentials transport = who.transport(address);
    if (Address.isLocal(address)) {
      var loop = new EpollEventLoopGroup(1, new DefaultThreadFactory("longshore", true));
      var socket = new DomainSocketAddress(Address.path(address));
      NettyChannelBuilder builder =
          NettyChannelBuilder.forAddress(socket, transport)
              .eventLoopGroup(loop)
              .channelType(EpollDomainSocketChannel.class)
              .overrideAuthority("localhost");
      return new Connection(builder, who, loop);
    }
    var builder = NettyChannelBuilder.forTarget("dns:///" + address, transport);
    if (who.tlsName() != null) {
      builder.overrideAuthority(who.tlsName());
    }
    return new Connection(builder, who, null);
  }

  @Override
  public void close() {
    channel.shutdownNow();
    if (loop != null) {
      loop.shutdownGracefully(0, 1, TimeUnit.SECONDS);
    }
  }

  /** Says who we are with every call, those of the raw stubs too. */
  private final class Introduction implements ClientInterceptor {
    @Override
    public <Q, A> ClientCall<Q, A> interceptCall(
        MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
      return new SimpleForwardingClientCall<>(next.newCall(method, options)) {
        @Override
        public void start(Listener<A> listener, Metadata headers) {
          who.introduce(headers);
          super.start(listener, headers);
        }
      };
    }
  }
}

/** Where the daemon listens, whom to believe and who to be. */

import { readFileSync } from "node:fs";
import type { ClientSessionOptions, SecureClientSessionOptions } from "node:http2";
import { connect, isIP } from "node:net";
import { checkServerIdentity } from "node:tls";
import type { DescService } from "@bufbuild/protobuf";
import {
  type Client,
  createClient,
  type Interceptor,
  type Transport,
} from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { BadArgument } from "./errors.js";
import { VERSION } from "./version.js";

type Environment = Readonly<Record<string, string | undefined>>;

/** For HOST:PORT; the unix socket speaks no TLS, and may take a token. */
export interface Credentials {
  /** PEM file of the CA of the daemon, or "system"; with it there is TLS. */
  readonly tlsCa?: string;
  /** PEM file of our certificate with its chain, if the daemon wants one. */
  readonly tlsCert?: string;
  /** PEM file of its key. */
  readonly tlsKey?: string;
  /** What the daemon's certificate says, if that is not the HOST. */
  readonly tlsName?: string;
  /** A bearer token. */
  readonly token?: string;
  /** A file with nothing else in it, read again for every call. */
  readonly tokenFile?: string;
}

export function credentialsOf(environment: Environment): Credentials {
  return {
    tlsCa: environment["LONGSHORE_TLS_CA"],
    tlsCert: environment["LONGSHORE_TLS_CERT"],
    tlsKey: environment["LONGSHORE_TLS_KEY"],
    tlsName: environment["LONGSHORE_TLS_NAME"],
    token: environment["LONGSHORE_TOKEN"],
    tokenFile: environment["LONGSHORE_TOKEN_FILE"],
  };
}

/**
 * The address of the environment, else the socket where a daemon would make it: root's
 * in /run/longshore, anyone else's in the user's runtime directory.
 */
export function defaultAddress(environment: Environment, user: number): string {
  if (environment["LONGSHORE_ADDRESS"]) return environment["LONGSHORE_ADDRESS"];
  if (user === 0) return "unix:/run/longshore/longshored.sock";
  const runtime = environment["XDG_RUNTIME_DIR"] || `/tmp/longshore-${user}`;
  return `unix:${runtime}/longshore/longshored.sock`;
}

/** The address in its one form. Throws BadArgument that says what would be right. */
export function checkAddress(address: string): string {
  if (address.startsWith("unix:")) {
    const path = address.slice("unix:".length).replace(/^\/\//, "");
    if (path.startsWith("/")) return `unix:${path}`;
    throw new BadArgument(`unix:PATH needs an absolute path, not '${path}'`);
  }
  const [, host = "", port = ""] = /^([^\s/?#@]+):(\d+)$/.exec(address) ?? [];
  if (host === "" || Number(port) < 1 || Number(port) > 65535) {
    throw new BadArgument(`address must be unix:PATH or HOST:PORT, not '${address}'`);
  }
  return isIP(host) === 6 ? `[${host}]:${port}` : address;
}

/** Throws BadArgument unless the credentials make sense for this address. */
export function checkCredentials(who: Credentials, address: string): Credentials {
  if ((who.tlsCert === undefined) !== (who.tlsKey === undefined)) {
    throw new BadArgument("a certificate (tlsCert) and its key (tlsKey) go together");
  }
  if (who.token !== undefined && who.tokenFile !== undefined) {
    throw new BadArgument("there is a token and a tokenFile: which one is meant?");
  }
  if (who.token !== undefined) bearer(who);
  if (address.startsWith("unix:") || who.tlsCa !== undefined) return who;
  if (who.tlsCert !== undefined || who.tlsName !== undefined) {
    throw new BadArgument("TLS needs tlsCa: a PEM file, or 'system'");
  }
  if (who.token !== undefined || who.tokenFile !== undefined) {
    throw new BadArgument(
      "a token does not go over TCP without TLS: tlsCa is needed, a PEM file, or 'system'",
    );
  }
  return who;
}

/** One connection, made when first used and made again when it is lost. */
export class Channel {
  readonly #stubs = new Map<DescService, unknown>();
  readonly #transport: Transport;

  /** Ends when `closing` is aborted. Reads the files of `who`: throws BadArgument. */
  constructor(address: string, who: Credentials, closing: AbortSignal) {
    const [baseUrl, nodeOptions] = target(address, who);
    // The server allows a ping every 5 s; 30 s is far from that, and quick enough to
    // see a dead peer.
    const pings = { pingIntervalMs: 30_000, pingTimeoutMs: 10_000 };
    const sessionManager = new Http2SessionManager(baseUrl, pings, nodeOptions);
    closing.addEventListener("abort", () => sessionManager.abort());
    this.#transport = createGrpcTransport({
      baseUrl,
      sessionManager,
      interceptors: [introduce(who, closing)],
      readMaxBytes: 16 << 20,
    });
  }

  stub<S extends DescService>(service: S): Client<S> {
    const stub = this.#stubs.get(service) ?? createClient(service, this.#transport);
    this.#stubs.set(service, stub);
    return stub as Client<S>;
  }
}

function target(
  address: string,
  who: Credentials,
): [string, ClientSessionOptions | SecureClientSessionOptions] {
  if (address.startsWith("unix:")) {
    const path = address.slice("unix:".length);
    return ["http://localhost", { createConnection: () => connect(path) }];
  }
  if (who.tlsCa === undefined) return [`http://${address}`, {}];
  const name = who.tlsName;
  return [
    `https://${address}`,
    {
      ca: who.tlsCa === "system" ? undefined : read(who.tlsCa),
      cert: who.tlsCert && read(who.tlsCert),
      key: who.tlsKey && read(who.tlsKey),
      servername: name && !isIP(name) ? name : undefined,
      checkServerIdentity: (host, shown) => checkServerIdentity(name ?? host, shown),
    },
  ];
}

/** Says with every call who we are, and that there are none after `closing`. */
function introduce(who: Credentials, closing: AbortSignal): Interceptor {
  return (next) => async (request) => {
    if (closing.aborted) throw new BadArgument("this client is closed");
    request.header.set("longshore-client", `longshore-typescript/${VERSION}`);
    const authorization = bearer(who);
    if (authorization !== undefined) request.header.set("authorization", authorization);
    return next(request);
  };
}

function bearer(who: Credentials): string | undefined {
  const token = who.tokenFile === undefined ? who.token : read(who.tokenFile).trim();
  if (token === undefined) return undefined;
  if (/^[!-~]+$/.test(token)) return `Bearer ${token}`;
  throw new BadArgument("a token is letters, digits and signs, without a blank");
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new BadArgument(`cannot read ${path}: ${String(cause)}`, { cause });
  }
}
